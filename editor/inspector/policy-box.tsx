/** When a node is tried again, how long an attempt may take and who takes it; empty fields are what its type asks for. */
import { useId } from 'react';
import { type ManifestJson, WorkerTag } from '../../nodes/contract.ts';
import type { GraphNode, Policy } from '../../runtime/graph/graph.ts';
import { useEditorStore } from '../canvas/store.ts';
import { setPolicy } from '../commands/edit.ts';
import { Segmented } from '../ui/field.tsx';
import { DraftInput } from './draft-input.tsx';
import { parseNumber } from './form-schema.ts';

type Timed = 'attempts' | 'wait' | 'wall' | 'active';
const NUMBERS: { part: Timed; title: string; unit: string; min: number; max: number; whole: boolean }[] = [
  { part: 'attempts', title: 'Attempts', unit: 'in all', min: 1, max: 20, whole: true },
  { part: 'wait', title: 'Wait before the second', unit: 's', min: 0, max: 3_600, whole: false },
  { part: 'wall', title: 'An attempt may take', unit: 's', min: 1, max: 86_400, whole: false },
  { part: 'active', title: 'of which computing', unit: 's', min: 1, max: 600, whole: false },
];

type PolicyBoxProps = { node: GraphNode; manifest: ManifestJson; disabled: boolean };

export function PolicyBox({ node, manifest, disabled }: PolicyBoxProps) {
  const store = useEditorStore();
  const id = useId();
  const policy = node.policy ?? {};
  const change = (part: keyof Policy, value: Policy[keyof Policy] | undefined) => {
    const { act, graph } = store.getState();
    act(setPolicy.label, setPolicy.perform(graph, { node: node.id, policy: { ...policy, [part]: value } }), {
      key: `policy ${node.id} ${part}`,
    });
  };
  return (
    <details className="insp-policy" open={node.policy !== undefined}>
      <summary>Retries, time limits, workers</summary>
      <div className="insp-form">
        {NUMBERS.map(({ part, title, unit, min, max, whole }) => (
          <div key={part} className="f2" data-field={`policy.${part}`}>
            <div className="f2-label">
              <label htmlFor={`${id}-${part}`}>{title}</label>
            </div>
            <div className="f2-control">
              <span className={`in sm ${disabled ? 'off' : ''}`}>
                <DraftInput
                  id={`${id}-${part}`}
                  value={policy[part] === undefined ? '' : String(policy[part])}
                  disabled={disabled}
                  inputMode="decimal"
                  placeholder="by itself"
                  onCommit={(text) => {
                    const number = text.trim() === '' ? undefined : parseNumber(text);
                    if (number === undefined && text.trim() !== '') return;
                    const bounded = number === undefined ? undefined : Math.min(max, Math.max(min, number));
                    change(part, bounded === undefined ? undefined : whole ? Math.round(bounded) : bounded);
                  }}
                />
                <span className="unit">{unit}</span>
              </span>
            </div>
          </div>
        ))}
        <div className="f2" data-field="policy.growth">
          <div className="f2-label">
            <span>Further waits</span>
          </div>
          <div className="f2-control">
            <Segmented
              id={`${id}-growth`}
              dense={true}
              label="Further waits"
              value={policy.growth ?? 'double'}
              options={[
                { value: 'double', label: 'double' },
                { value: 'same', label: 'the same' },
              ]}
              onChange={(growth) => !disabled && change('growth', growth === 'same' ? 'same' : undefined)}
            />
          </div>
        </div>
        {manifest.effect !== 'writes-external' && (
          <div className="f2" data-field="policy.on">
            <div className="f2-label">
              <span>Try again on</span>
            </div>
            <div className="f2-control">
              <Segmented
                id={`${id}-on`}
                dense={true}
                label="Try again on"
                value={policy.on ?? 'temporary'}
                options={[
                  { value: 'temporary', label: 'temporary errors' },
                  { value: 'all', label: 'all' },
                ]}
                onChange={(on) => !disabled && change('on', on === 'all' ? 'all' : undefined)}
              />
            </div>
          </div>
        )}
        <div className="f2" data-field="policy.tag">
          <div className="f2-label">
            <label htmlFor={`${id}-tag`}>Only on workers with the tag</label>
          </div>
          <div className="f2-control">
            <span className={`in sm ${disabled ? 'off' : ''}`}>
              <DraftInput
                id={`${id}-tag`}
                value={policy.tag ?? ''}
                disabled={disabled}
                placeholder={manifest.tag ?? 'any'}
                onCommit={(text) => {
                  const tag = WorkerTag.safeParse(text.trim());
                  if (tag.success || text.trim() === '') change('tag', tag.data);
                }}
              />
            </span>
          </div>
        </div>
      </div>
    </details>
  );
}
