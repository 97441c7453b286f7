/** How many runs of the pipeline go on at one time, what one may take, and whose turn comes first. Part of the draft, like a wire. */
import { useId } from 'react';
import type { Limits } from '../../runtime/graph/graph.ts';
import { useEditor, useEditorStore } from '../canvas/store.ts';
import { setLimits } from '../commands/edit.ts';
import { DraftInput } from '../inspector/draft-input.tsx';
import { parseNumber } from '../inspector/form-schema.ts';
import { Segmented } from '../ui/field.tsx';
import { BudgetFields } from './budget-fields.tsx';

const KEY = /^[A-Za-z0-9_-]{1,60}(\.[A-Za-z0-9_-]{1,60}){0,7}$/;

export function LimitsBox() {
  const store = useEditorStore();
  const id = useId();
  const limits = useEditor((state) => state.graph.limits) ?? {};
  const disabled = useEditor((state) => state.readOnly);
  const change = (part: { [K in keyof Limits]?: Limits[K] | undefined }) => {
    if (disabled) return;
    const { act, graph } = store.getState();
    act(setLimits.label, setLimits.perform(graph, { ...limits, ...part }), {
      key: `limits ${Object.keys(part).join()}`,
    });
  };
  // money is only offered where a node states a price
  const currency = useEditor(
    ({ graph, catalogue }) =>
      graph.nodes.map(({ type }) => catalogue.get(type)?.cost?.money?.currency).find((each) => each !== undefined) ??
      null,
  );
  const by = limits.by ?? 'brand';
  return (
    <section className="card p-3 grid gap-3" aria-label="At the same time">
      <div className="flex flex-wrap items-center gap-2">
        <label htmlFor={`${id}-most`} className="grow">
          Runs at the same time
        </label>
        <span className={`in sm w-24 ${disabled ? 'off' : ''}`}>
          <DraftInput
            id={`${id}-most`}
            value={limits.atOnce === undefined ? '' : String(limits.atOnce)}
            disabled={disabled}
            inputMode="decimal"
            placeholder="any number"
            onCommit={(text) => {
              const number = text.trim() === '' ? undefined : parseNumber(text);
              if (number === undefined && text.trim() !== '') return;
              const atOnce = number === undefined ? undefined : Math.round(Math.min(100, Math.max(1, number)));
              change(atOnce === undefined ? { atOnce, by: undefined, key: undefined } : { atOnce });
            }}
          />
        </span>
      </div>
      {limits.atOnce !== undefined && (
        <>
          <div className="flex flex-wrap items-center gap-2">
            <span className="grow">Counted</span>
            <Segmented
              id={`${id}-by`}
              dense={true}
              label="Counted"
              value={by}
              options={[
                { value: 'brand', label: 'per brand' },
                { value: 'pipeline', label: 'in all' },
                { value: 'key', label: 'per value' },
              ]}
              onChange={(next) =>
                change({
                  by: next === 'brand' ? undefined : (next as NonNullable<Limits['by']>),
                  ...(next === 'key' ? {} : { key: undefined }),
                })
              }
            />
          </div>
          {by === 'key' && (
            <div className="flex flex-wrap items-center gap-2">
              <label htmlFor={`${id}-key`} className="grow">
                Value in the event
              </label>
              <span className={`in sm w-48 ${disabled ? 'off' : ''}`}>
                <DraftInput
                  id={`${id}-key`}
                  value={limits.key ?? ''}
                  disabled={disabled}
                  placeholder="body.customer.id"
                  onCommit={(text) => {
                    const key = text.trim();
                    if (key === '' || KEY.test(key)) change({ key: key === '' ? undefined : key });
                  }}
                />
              </span>
            </div>
          )}
          <p className="t-12 muted">Further runs wait their turn; each says for what.</p>
        </>
      )}
      <BudgetFields
        budget={limits.budget ?? {}}
        currency={currency}
        disabled={disabled}
        onChange={(next) => change({ budget: Object.keys(next).length === 0 ? undefined : next })}
      />
      <div className="flex flex-wrap items-center gap-2">
        <span className="grow">Turn within the brand</span>
        <Segmented
          id={`${id}-priority`}
          dense={true}
          label="Turn within the brand"
          value={String(limits.priority ?? 0)}
          options={[
            { value: '1', label: 'first' },
            { value: '0', label: 'in order' },
            { value: '-1', label: 'last' },
          ]}
          onChange={(next) => change({ priority: next === '0' ? undefined : Number(next) })}
        />
      </div>
    </section>
  );
}
