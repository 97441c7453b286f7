/**
 * Files dropped anywhere in the window become uploads of the workspace; an overlay says so while they hover. What takes
 * files itself prevents the default of `dragover`, and the overlay keeps out of its way.
 */
import './uploads.css';
import { useEffect, useRef, useState } from 'react';
import { Icon } from '../ui/icon.tsx';
import { toast } from '../ui/toast.tsx';
import { TAKES } from './plan.ts';
import { addUploads } from './uploads.ts';

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;

/** Starts uploads and says what was refused. Gives back the ids. */
export function takeFiles(workspaceId: string, files: readonly File[]): string[] {
  const { ids, refused } = addUploads(workspaceId, files);
  for (const { reason, name } of refused)
    toast({ id: `refused-${name}`, title: 'This file was not taken', text: reason, tone: 'warning' });
  return ids;
}

export function DropAnywhere({ workspaceId, onTaken }: { workspaceId: string; onTaken?: (ids: string[]) => void }) {
  const [over, setOver] = useState(false);
  const taken = useRef(onTaken);
  taken.current = onTaken;
  useEffect(() => {
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false); // out of the window
    };
    const hover = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      setOver(!event.defaultPrevented);
      event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      setOver(false);
      // A field that takes files itself has answered already.
      if (!hasFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      const ids = takeFiles(workspaceId, [...(event.dataTransfer?.files ?? [])]);
      if (ids.length > 0) taken.current?.(ids);
    };
    addEventListener('dragleave', leave);
    addEventListener('dragover', hover);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragleave', leave);
      removeEventListener('dragover', hover);
      removeEventListener('drop', drop);
    };
  }, [workspaceId]);
  if (!over) return null;
  return (
    <div className="dropall" aria-hidden="true">
      <div className="grid gap-2 justify-items-center text-center p-4">
        <Icon name="upload" size={24} className="text-accent-text" />
        <b className="h-20">Drop to upload</b>
        <p className="muted">{TAKES}. Captions of the same name go along.</p>
      </div>
    </div>
  );
}

/** A button that opens the system's file chooser. */
export function useFileChooser(accept: string, multiple: boolean, onFiles: (files: File[]) => void): () => void {
  const taken = useRef(onFiles);
  taken.current = onFiles;
  return () => {
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = accept;
    input.multiple = multiple;
    input.onchange = () => taken.current([...(input.files ?? [])]);
    input.click();
  };
}
