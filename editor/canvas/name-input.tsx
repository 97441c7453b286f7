/** Renames a thing on the canvas in its place: Enter or leaving keeps the name, Escape does not. */
import { useEffect, useRef } from 'react';

type NameInputProps = { label: string; name: string; className?: string; onDone: (name: string | null) => void };

export function NameInput({ label, name, className = '', onDone }: NameInputProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);
  return (
    <input
      ref={input}
      className={`nodrag nokey ${className}`}
      aria-label={label}
      defaultValue={name}
      maxLength={80}
      // biome-ignore lint/a11y/noAutofocus: it stands where the person just asked for it
      autoFocus={true}
      onBlur={(event) => onDone(event.target.value)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === 'Enter') onDone(event.currentTarget.value);
        if (event.key === 'Escape') onDone(null);
      }}
    />
  );
}
