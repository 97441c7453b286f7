/** The fixed outputs of a node, written by hand: words as words, everything else as JSON. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { ManifestJson } from '../../nodes/contract.ts';
import type { GraphNode, Pin } from '../../runtime/graph/graph.ts';
import { client } from '../api.ts';
import { setPin } from '../commands/edit.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, TextArea } from '../ui/field.tsx';
import { bytes } from '../ui/format.ts';
import { portLabel } from './ports.ts';
import { manifestIn, useEditor, useEditorStore } from './store.ts';
import { useRunFrom } from './use-run.ts';

type Json = GraphNode['config'][string];
type Port = ManifestJson['outputs'][string];

const isWords = (port: Port) => port.type === 'text' && !port.list;

/** What is pinned; else the node type's own example. */
function beginning(name: string, port: Port, pin: Pin | undefined, example: unknown): string {
  const stored = pin && Object.hasOwn(pin.outputs, name) ? pin.outputs[name] : undefined;
  const value = stored ? stored.value : (example as Record<string, unknown> | undefined)?.[name];
  if (value === undefined) return '';
  return isWords(port) && typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** Null: this is no JSON. Undefined: left empty. */
function read(port: Port, text: string): { value: Json | undefined } | null {
  if (isWords(port)) return { value: text };
  if (text.trim() === '') return { value: undefined };
  try {
    return { value: JSON.parse(text) as Json };
  } catch {
    return null;
  }
}

export function PinDialog({ node: id, onClose }: { node: string; onClose: () => void }) {
  const node = useEditor((state) => state.graph.nodes.find((other) => other.id === id));
  const manifest = useEditor((state) => manifestIn(state, id));
  if (!node || !manifest) return null;
  return <PinForm node={node} manifest={manifest} onClose={onClose} />;
}

function PinForm({ node, manifest, onClose }: { node: GraphNode; manifest: ManifestJson; onClose: () => void }) {
  const store = useEditorStore();
  const { saving } = useRunFrom();
  const ports = Object.entries(manifest.outputs);
  const long = Object.entries(node.pin?.outputs ?? {}).find(([, stored]) => stored.asset !== undefined);
  const [texts, setTexts] = useState(() =>
    Object.fromEntries(ports.map(([name, port]) => [name, beginning(name, port, node.pin, manifest.example?.outputs)])),
  );
  const values = ports.map(([name, port]) => ({ name, port, read: read(port, texts[name] ?? '') }));
  const isReadable = values.every(({ read: found }) => found !== null);
  const save = useMutation({
    mutationFn: async () => {
      await saving();
      const { workspaceId, pipelineId } = store.getState();
      const given = Object.fromEntries(
        values.flatMap(({ name, read: found }) => (found?.value === undefined ? [] : [[name, found.value]])),
      );
      return client.pipelines.pin.mutate({ workspaceId, pipelineId, node: node.id, source: { values: given } });
    },
    onSuccess({ pin }) {
      const { act, graph } = store.getState();
      act(setPin.label, setPin.perform(graph, { node: node.id, pin }));
      onClose();
    },
  });
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title={node.pin ? `Pin of ${node.name}` : `Pin ${node.name}`}
      lead="Runs of the draft take this instead of running the node. A published version never does."
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Not now
          </Button>
          <Button
            look="main"
            icon="pin"
            disabled={!isReadable || ports.length === 0}
            busy={save.isPending}
            onClick={() => save.mutate()}
          >
            Pin
          </Button>
        </>
      }
    >
      <div className="grid gap-4 mt-3">
        {long && (
          <p className="muted t-12">
            What is pinned as {long[0]} is {bytes(long[1].bytes)} and too long to edit here. What you write takes its
            place.
          </p>
        )}
        {ports.length === 0 && <p className="muted">This node gives nothing that could be pinned.</p>}
        {values.map(({ name, port, read: found }) => (
          <Field
            key={name}
            label={portLabel(name, port)}
            help={isWords(port) ? undefined : port.list ? 'A list, as JSON.' : 'As JSON.'}
            error={found === null ? 'This is no JSON yet.' : undefined}
          >
            {({ id: field, describedBy }) => (
              <TextArea
                id={field}
                aria-describedby={describedBy}
                className={isWords(port) ? '' : 'mono'}
                rows={isWords(port) ? 4 : 8}
                spellCheck={isWords(port)}
                value={texts[name] ?? ''}
                onChange={(event) => setTexts({ ...texts, [name]: event.target.value })}
              />
            )}
          </Field>
        ))}
        {save.error && <ErrorOf error={save.error} />}
      </div>
    </Dialog>
  );
}
