/**
 * An input that writes when it is left or Enter is pressed; Escape takes the old value back. What is being typed is told
 * as it is typed, so that what is wrong with it can be said.
 */
import { useEffect, useState } from 'react';
import { afterPress } from '../ui/after-press.ts';

export type DraftInputProps = {
  id: string;
  value: string;
  disabled: boolean;
  describedBy?: string | undefined;
  className?: string;
  placeholder?: string | undefined;
  inputMode?: 'decimal';
  maxLength?: number | undefined;
  /** Null: nothing is being typed any more. */
  onDraft?: ((text: string | null) => void) | undefined;
  onCommit: (value: string) => void;
  onStep?: (by: 1 | -1, many: boolean) => void;
};

export function DraftInput({
  id,
  value,
  disabled,
  describedBy,
  className = '',
  placeholder,
  inputMode,
  maxLength,
  onDraft,
  onCommit,
  onStep,
}: DraftInputProps) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  const commit = () => {
    if (draft !== value) onCommit(draft);
  };
  return (
    <input
      id={id}
      className={className}
      value={draft}
      disabled={disabled}
      aria-describedby={describedBy}
      aria-invalid={describedBy ? true : undefined}
      placeholder={placeholder}
      inputMode={inputMode}
      maxLength={maxLength}
      onChange={(event) => {
        setDraft(event.target.value);
        onDraft?.(event.target.value === value ? null : event.target.value);
      }}
      onBlur={() => draft !== value && afterPress(commit)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') commit();
        if (event.key === 'Escape' && draft !== value) {
          event.stopPropagation();
          setDraft(value);
          onDraft?.(null);
        }
        if (onStep && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
          event.preventDefault();
          onStep(event.key === 'ArrowUp' ? 1 : -1, event.shiftKey);
        }
      }}
    />
  );
}
