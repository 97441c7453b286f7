/** What one run may take: calls of services, minutes of work, and money where nodes state prices. */
import { useId } from 'react';
import type { Budget } from '../../runtime/graph/graph.ts';
import { DraftInput } from '../inspector/draft-input.tsx';
import { parseNumber } from '../inspector/form-schema.ts';

type BudgetFieldsProps = {
  budget: Budget;
  /** Null: nothing states a price. */
  currency: string | null;
  disabled: boolean;
  onChange: (budget: Budget) => void;
};

export function BudgetFields({ budget, currency, disabled, onChange }: BudgetFieldsProps) {
  const id = useId();
  const row = (
    field: string,
    title: string,
    value: number | undefined,
    put: (number: number | undefined) => Budget,
  ) => (
    <div className="flex flex-wrap items-center gap-2">
      <label htmlFor={`${id}-${field}`} className="grow">
        {title}
      </label>
      <span className={`in sm w-24 ${disabled ? 'off' : ''}`}>
        <DraftInput
          id={`${id}-${field}`}
          value={value === undefined ? '' : String(value)}
          disabled={disabled}
          inputMode="decimal"
          placeholder="no limit"
          onCommit={(text) => {
            const number = text.trim() === '' ? undefined : parseNumber(text);
            if (number === undefined && text.trim() !== '') return;
            onChange(put(number));
          }}
        />
      </span>
    </div>
  );
  const { calls: _calls, ...noCalls } = budget;
  const { minutes: _minutes, ...noMinutes } = budget;
  const { money: _money, ...noMoney } = budget;
  return (
    <fieldset className="grid gap-2 m-0 p-0 border-0" aria-label="Budget of one run">
      {row('calls', 'Calls of services, at most, in one run', budget.calls, (number) =>
        number === undefined ? noCalls : { ...noCalls, calls: Math.round(within(number, 0, 10_000_000)) },
      )}
      {row('minutes', 'Minutes of work, at most, in one run', budget.minutes, (number) =>
        number === undefined ? noMinutes : { ...noMinutes, minutes: within(number, 0.1, 100_000) },
      )}
      {currency !== null &&
        row('money', `${currency}, at most, in one run`, budget.money && budget.money.minor / 100, (number) =>
          number === undefined
            ? noMoney
            : { ...noMoney, money: { currency, minor: Math.round(within(number, 0, 10_000_000) * 100) } },
        )}
      {Object.keys(budget).length > 0 && (
        <p className="t-12 muted">
          The step that would go beyond does not begin; the budget can be raised and the run continued.
        </p>
      )}
    </fieldset>
  );
}

const within = (number: number, least: number, most: number) => Math.min(most, Math.max(least, number));
