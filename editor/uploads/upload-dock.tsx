/** All uploads of this workspace, on every page, until they are done and taken off. */
import './uploads.css';
import { useState } from 'react';
import { IconButton } from '../ui/button.tsx';
import { plural } from '../ui/format.ts';
import { UploadCard } from './upload-card.tsx';
import { dismissUpload, useUploads } from './uploads.ts';

export function UploadDock({ workspaceId }: { workspaceId: string }) {
  const all = useUploads((state) => state.uploads);
  const [folded, setFolded] = useState(false);
  const uploads = all.filter((upload) => upload.workspaceId === workspaceId);
  if (uploads.length === 0) return null;
  const open = uploads.filter(({ state }) => state !== 'done').length;
  return (
    <section className="updock" aria-label="Uploads">
      <header>
        <span className="grow">{open > 0 ? `Uploading ${plural(open, 'file')}` : 'Uploaded'}</span>
        <IconButton
          icon={folded ? 'chevron-up' : 'chevron-down'}
          label={folded ? 'Show uploads' : 'Fold uploads'}
          onClick={() => setFolded(!folded)}
        />
        {open === 0 && <IconButton icon="x" label="Close" onClick={() => uploads.map(({ id }) => dismissUpload(id))} />}
      </header>
      {!folded && (
        <ul>
          {uploads.map((upload) => (
            <li key={upload.id}>
              <UploadCard upload={upload} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
