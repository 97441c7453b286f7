/** The settings of the selected node, with what is wrong about them. */
import { useMemo } from 'react';
import type { ManifestJson } from '../../nodes/contract.ts';
import { takesExpressions } from '../../runtime/graph/expression-types.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { takeInto } from '../canvas/drop-recording.tsx';
import { problemsOnce, useEditor, useEditorStore } from '../canvas/store.ts';
import { promote, setField } from '../commands/edit.ts';
import { ScheduleBox } from '../triggers/schedule-box.tsx';
import { Icon } from '../ui/icon.tsx';
import { RecordingPicker } from '../uploads/recording-picker.tsx';
import { AccountField } from './account-field.tsx';
import { OuterFields } from './controls.tsx';
import type { Json } from './form-schema.ts';
import { FxContext } from './fx.tsx';
import { PipelineField } from './pipeline-field.tsx';
import { PolicyBox } from './policy-box.tsx';
import { readRecording } from './read-recording.ts';
import { SchemaForm } from './schema-form.tsx';

/** What an expression's own box says, of what is being typed. */
const isToldInBox = (code: string) => code.startsWith('EXPRESSION_') && code !== 'EXPRESSION_NOT_HERE';

export function Settings({ node, manifest }: { node: GraphNode; manifest: ManifestJson }) {
  const store = useEditorStore();
  const readOnly = useEditor((state) => state.readOnly);
  const problems = useEditor((state) => problemsOnce(state.graph, state.catalogue));
  const inputs = useEditor((state) => state.graph.inputs);
  const incoming = useEditor((state) => state.incoming.get(node.id) ?? null);
  const mine = useMemo(
    () =>
      new Map(
        problems.flatMap((problem) =>
          problem.node === node.id && problem.field && !isToldInBox(problem.code)
            ? [[problem.field, problem.message] as const]
            : [],
        ),
      ),
    [problems, node.id],
  );
  const general = problems.filter((problem) => problem.node === node.id && !problem.field);
  const promoted = useMemo(
    () => new Set(inputs.filter((input) => input.node === node.id).map((input) => input.field)),
    [inputs, node.id],
  );
  const fx = useMemo(
    () => ({ node: node.id, allowed: (path: readonly (string | number)[]) => takesExpressions(manifest, path) }),
    [node.id, manifest],
  );
  const { workspaceId, pipelineId } = store.getState();
  const place = { workspaceId, pipelineId };
  const change = (field: string, value: Json | undefined) => {
    const { act, graph } = store.getState();
    act(setField.label, setField.perform(graph, { node: node.id, field, value }), { key: `set ${node.id} ${field}` });
  };
  return (
    <>
      {general.length > 0 && (
        <ul className="grid gap-1 px-4 pt-3">
          {general.map((problem) => (
            <li key={problem.message} className="flex gap-2 t-12">
              <Icon
                name="triangle-alert"
                size={14}
                className={`mt-px ${problem.severity === 'error' ? 'text-danger' : 'text-warning'}`}
              />
              <span>
                {problem.message} <span className="muted">{problem.hint}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      {manifest.trigger?.kind === 'schedule' && (
        <ScheduleBox node={node} disabled={readOnly} onChange={(when) => change('when', when)} />
      )}
      <FxContext value={fx}>
        <OuterFields
          value={{
            pipeline: (props) => <PipelineField {...place} {...props} />,
            account: (props) => <AccountField workspaceId={place.workspaceId} manifest={manifest} {...props} />,
          }}
        >
          <SchemaForm
            schema={manifest.config}
            config={node.config}
            problems={mine}
            disabled={readOnly}
            promoted={promoted}
            onChange={change}
            onPromote={(field, on) => {
              const { act, graph } = store.getState();
              act(promote.label, promote.perform(graph, { node: node.id, field: field.name, title: field.title, on }));
            }}
            recording={({ id, name, value, onChange }) => (
              <RecordingPicker
                id={id}
                workspaceId={store.getState().workspaceId}
                value={readRecording(value)}
                onChange={(next) => !readOnly && onChange(next ?? undefined)}
                outside={{ take: (files) => takeInto(store, node.id, name, files), uploadId: incoming }}
              />
            )}
          />
        </OuterFields>
      </FxContext>
      {manifest.shape !== 'call-pipeline' && <PolicyBox node={node} manifest={manifest} disabled={readOnly} />}
    </>
  );
}
