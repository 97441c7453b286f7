/** Ring in heads, bar in bodies, never a spinner where a number is known. `value` in [0, 1], never drawn going backwards. */
import { useRef } from 'react';

/** The largest value seen since `of` changed: progress on screen never falls. */
function useForward(value: number, of: unknown): number {
  const held = useRef({ of, value });
  if (held.current.of !== of) held.current = { of, value };
  held.current.value = Math.max(held.current.value, Math.min(1, Math.max(0, value)));
  return held.current.value;
}

type RingProps = { value: number; size?: number; label?: string; of?: unknown; onFill?: boolean; className?: string };

export function Ring({ value, size = 16, label, of, onFill, className = '' }: RingProps) {
  const shown = useForward(value, of);
  return (
    <span
      className={`ring ${onFill ? 'on-fill' : ''} ${className}`}
      style={{ '--v': `${shown * 100}%`, width: size, height: size, borderRadius: size / 2 } as React.CSSProperties}
      {...(label
        ? {
            role: 'progressbar',
            'aria-label': label,
            'aria-valuenow': Math.round(shown * 100),
            'aria-valuemin': 0,
            'aria-valuemax': 100,
          }
        : { 'aria-hidden': true })}
    />
  );
}

type BarProps = { value: number; label: string; of?: unknown; className?: string };

export function Bar({ value, label, of, className = '' }: BarProps) {
  const shown = useForward(value, of);
  return (
    <div
      className={`bar ${className}`}
      role="progressbar"
      aria-label={label}
      aria-valuenow={Math.round(shown * 100)}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ '--v': `${shown * 100}%` } as React.CSSProperties} />
    </div>
  );
}
