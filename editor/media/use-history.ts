/** Undo and redo of a value that its parent holds. Steps are kept while the component lives, at most 200. */
import { useRef, useState } from 'react';

export function useHistory<T>(value: T, onChange: ((value: T) => void) | undefined) {
  const past = useRef<T[]>([]);
  const future = useRef<T[]>([]);
  const [, redraw] = useState(0);
  const step = (from: T[], to: T[]) => {
    const next = from.pop();
    if (next === undefined) return;
    to.push(value);
    redraw((count) => count + 1);
    onChange?.(next);
  };
  return {
    change(next: T) {
      if (next === value) return;
      past.current = [...past.current.slice(-199), value];
      future.current = [];
      onChange?.(next);
    },
    undo: () => step(past.current, future.current),
    redo: () => step(future.current, past.current),
    canUndo: past.current.length > 0,
    canRedo: future.current.length > 0,
  };
}
