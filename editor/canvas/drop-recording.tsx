/**
 * Files from the desktop let go over the canvas: over a node that takes a recording they become its recording, over empty
 * canvas a node that takes one is put there. The upload goes on beside the work; until it is done the node shows it.
 */
import { type DragEvent, useState } from 'react';
import { useReactFlow } from 'reactflow';
import type { ManifestJson } from '../../nodes/contract.ts';
import { addNode } from '../commands/add-node.ts';
import { newId, nodeById } from '../commands/command.ts';
import { setField } from '../commands/edit.ts';
import { formFields } from '../inspector/form-schema.ts';
import { timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { takeFiles } from '../uploads/drop-anywhere.tsx';
import { type UploadView, uploaded, useUploads } from '../uploads/uploads.ts';
import { HEAD_MIDDLE, NODE_WIDTH } from './ports.ts';
import { type EditorStore, useEditor, useEditorStore } from './store.ts';

/** Between nodes that several files made; as tall as one with its media. */
const NEXT_DOWN = 256;

const recordingField = (manifest: ManifestJson | undefined) =>
  formFields(manifest?.config).find(({ kind }) => kind === 'recording')?.name;

/** Marks the node while the file is on its way, and puts the recording into its field when it has arrived. */
async function fill(store: EditorStore, node: string, field: string, upload: string): Promise<void> {
  const mark = (id: string | null) => {
    const incoming = new Map(store.getState().incoming);
    if (id) incoming.set(node, id);
    else if (incoming.get(node) === upload) incoming.delete(node);
    store.getState().set({ incoming });
  };
  mark(upload);
  try {
    const { asset } = await uploaded(upload);
    // A later file for the same node wins.
    if (store.getState().incoming.get(node) !== upload) return;
    const { act, graph } = store.getState();
    act('Recording chosen', setField.perform(graph, { node, field, value: { asset } }));
  } catch {
    // The upload's own card says what happened.
  } finally {
    mark(null);
  }
}

/** Makes the first of these files the recording of a node; the others are uploaded only. */
export function takeInto(store: EditorStore, node: string, field: string, files: readonly File[]): void {
  const [first] = takeFiles(store.getState().workspaceId, files);
  if (first) void fill(store, node, field, first);
}

/** Puts a node for each recording among the files, below one another. */
function takeAt(
  store: EditorStore,
  manifest: ManifestJson,
  at: { x: number; y: number },
  files: readonly File[],
): void {
  const field = recordingField(manifest);
  const uploads = takeFiles(store.getState().workspaceId, files);
  const added = uploads.flatMap((upload, place) => {
    const { act, graph, catalogue } = store.getState();
    const id = newId();
    const position = { x: at.x - NODE_WIDTH / 2, y: at.y - HEAD_MIDDLE + place * NEXT_DOWN };
    const operations = addNode.perform(graph, { manifest, position, id, catalogue });
    if (!act(addNode.label, operations, { key: `drop ${uploads[0]}` }) || !field) return [];
    void fill(store, id, field, upload);
    return [id];
  });
  if (added.length > 0) store.getState().select(added);
}

/** What letting go would do: fill this node, or add one. */
type Target = { node: string; name: string; field: string } | { add: ManifestJson };

export function useFileDrop() {
  const store = useEditorStore();
  const flow = useReactFlow();
  const [over, setOver] = useState<Target | null>(null);

  const targetOf = (event: DragEvent): Target | null => {
    const { graph, catalogue, readOnly } = store.getState();
    if (readOnly || !event.dataTransfer.types.includes('Files')) return null;
    const id = (event.target as Element).closest('.react-flow__node-card')?.getAttribute('data-id');
    const node = id ? nodeById(graph, id) : undefined;
    const field = recordingField(catalogue.get(node?.type ?? ''));
    if (node && field) return { node: node.id, name: node.name, field };
    const source = [...catalogue.values()].find((manifest) => recordingField(manifest));
    return source ? { add: source } : null;
  };
  const show = (target: Target | null) => {
    const node = target && 'node' in target ? target.node : null;
    if (store.getState().fileOver !== node) store.getState().set({ fileOver: node });
    setOver((before) => (JSON.stringify(before) === JSON.stringify(target) ? before : target));
  };
  return {
    over,
    onDragOver(event: DragEvent) {
      const target = targetOf(event);
      if (target) event.preventDefault(); // so the window leaves it to the canvas
      show(target);
    },
    onDragLeave(event: DragEvent) {
      if (!event.currentTarget.contains(event.relatedTarget as Element | null)) show(null);
    },
    onDrop(event: DragEvent) {
      const target = targetOf(event);
      show(null);
      if (!target) return;
      event.preventDefault();
      const files = [...event.dataTransfer.files];
      if ('node' in target) takeInto(store, target.node, target.field, files);
      else takeAt(store, target.add, flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }), files);
    },
  };
}

/** Says while files hover what letting go does. */
export function DropHint({ over }: { over: Target | null }) {
  if (!over) return null;
  return (
    <div className="drophint" role="status">
      <Icon name="upload" size={14} />
      {'node' in over ? `Drop: the recording of ${over.name}` : `Drop: ${over.add.title} with this recording`}
    </div>
  );
}

/** The upload that is on its way into a node. */
export function useIncoming(node: string): UploadView | undefined {
  const id = useEditor((state) => state.incoming.get(node));
  return useUploads((state) => (id ? state.uploads.find((upload) => upload.id === id) : undefined));
}

/** The local picture of a recording while it is sent. */
export function IncomingFrame({ upload }: { upload: UploadView }) {
  const share = upload.bytes > 0 ? upload.sent / upload.bytes : 0;
  return (
    <div className="pv" style={{ height: 104 }}>
      {upload.kind === 'video' ? (
        <video
          src={`${upload.preview}#t=0.5`}
          muted={true}
          playsInline={true}
          preload="metadata"
          aria-label={upload.name}
        />
      ) : (
        <div className="hint">
          <Icon name={upload.kind === 'audio' ? 'audio-lines' : 'file-text'} size={20} />
          <span className="cut">{upload.name}</span>
        </div>
      )}
      <span className="pvtag">{wordOf(upload, share)}</span>
      <span className="pbar">
        <i style={{ '--v': `${share * 100}%` } as React.CSSProperties} />
      </span>
    </div>
  );
}

function wordOf({ state, secondsLeft }: UploadView, share: number): string {
  if (state === 'failed') return 'Not uploaded';
  if (state === 'paused') return 'Paused';
  if (state === 'waiting') return 'No connection';
  if (state === 'checking') return 'Checking';
  return secondsLeft === null ? `${Math.round(share * 100)} %` : `${timecode(secondsLeft)} left`;
}
