/** A setting on the card itself: changed there where that takes one press, else led to in the inspector. */
import { useQuery } from '@tanstack/react-query';
import { isExpression, withNodes } from '../../runtime/graph/expression.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { trpc } from '../api.ts';
import { setField } from '../commands/edit.ts';
import { type FormField, shownValue } from '../inspector/form-schema.ts';
import { readRecording } from '../inspector/read-recording.ts';
import { Select, Switch } from '../ui/field.tsx';
import { useIncoming } from './drop-recording.tsx';
import { useEditor, useEditorStore } from './store.ts';

export function NodeField({ node, field }: { node: GraphNode; field: FormField }) {
  const store = useEditorStore();
  const value = node.config[field.name];
  const change = (next: GraphNode['config'][string] | undefined) => {
    const { act, graph } = store.getState();
    act(setField.label, setField.perform(graph, { node: node.id, field: field.name, value: next }));
  };
  return (
    <div className="fld">
      <span>{field.title}</span>
      {!isExpression(value) && field.kind === 'choice' ? (
        <Select
          bare={true}
          label={`${field.title} of ${node.name}`}
          value={String(value ?? field.default ?? '')}
          options={field.options.map((option) => ({ value: String(option.value), label: option.label }))}
          onChange={(next) => change(field.options.find((option) => String(option.value) === next)?.value)}
        />
      ) : !isExpression(value) && field.kind === 'switch' ? (
        <span className="nodrag inline-flex">
          <Switch
            label={`${field.title} of ${node.name}`}
            checked={(value ?? field.default) === true}
            onChange={change}
          />
        </span>
      ) : (
        <button
          type="button"
          className="value nodrag cut"
          onClick={() => {
            const { select, set } = store.getState();
            select([node.id]);
            set({ inspectorOpen: true });
            requestAnimationFrame(() =>
              document
                .querySelector<HTMLElement>(`[data-field="${CSS.escape(field.name)}"] :is(input, textarea, button)`)
                ?.focus(),
            );
          }}
        >
          {isExpression(value) ? (
            <Formula text={value.$expression.text} />
          ) : field.kind === 'recording' ? (
            <RecordingName node={node.id} value={value} />
          ) : (
            shownValue(field, value)
          )}
        </button>
      )}
    </div>
  );
}

function Formula({ text }: { text: string }) {
  const nodes = useEditor((state) => state.graph.nodes);
  return <>fx {withNodes(text, (id) => nodes.find((node) => node.id === id)?.name)}</>;
}

/** The file's name of a stored recording or of one on its way, the address of another. */
function RecordingName({ node, value }: { node: string; value: unknown }) {
  const incoming = useIncoming(node);
  const workspaceId = useEditor((state) => state.workspaceId);
  const chosen = readRecording(value);
  const stored = chosen && 'asset' in chosen ? chosen.asset : null;
  const { data } = useQuery({
    ...trpc.assets.get.queryOptions({ workspaceId, asset: stored ?? '' }),
    enabled: stored !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (incoming) return incoming.name;
  if (!chosen) return 'Choose';
  return 'url' in chosen ? chosen.url.replace(/^https?:\/\//, '') : (data?.asset.name ?? 'From the library');
}
