/**
 * Toasts: short news at the lower left, where no panel has its buttons; at most four. `toast()` may be called from anywhere. One with an action or a
 * problem stays until it is closed or answered for 10 s; plain ones leave after 5 s. Hovering holds them.
 */
import { useEffect, useState } from 'react';
import { create } from 'zustand';
import { Button, IconButton } from './button.tsx';
import { Icon } from './icon.tsx';
import { announce } from './live.tsx';

export type ToastInput = {
  /** A second toast with the same id takes the place of the first. */
  id?: string;
  title: string;
  text?: string | undefined;
  icon?: string;
  tone?: 'plain' | 'success' | 'warning' | 'danger';
  action?: { label: string; onSelect: () => void };
  /** Stays until `dismissToast(id)`. */
  sticky?: boolean;
};
type Toast = ToastInput & { id: string };

const useToasts = create<{ toasts: Toast[] }>(() => ({ toasts: [] }));
let count = 0;

export function toast(input: ToastInput): string {
  count += 1;
  const id = input.id ?? `toast-${count}`;
  useToasts.setState(({ toasts }) => ({
    toasts: [...toasts.filter((other) => other.id !== id), { ...input, id }].slice(-4),
  }));
  announce([input.title, input.text].filter(Boolean).join('. '), input.tone === 'danger' ? 'assertive' : 'polite');
  return id;
}

export function dismissToast(id: string): void {
  useToasts.setState(({ toasts }) => ({ toasts: toasts.filter((other) => other.id !== id) }));
}

const ICONS = { plain: 'info', success: 'check', warning: 'triangle-alert', danger: 'circle-x' };
const COLORS = { plain: 'text-muted', success: 'text-success', warning: 'text-warning', danger: 'text-danger' };

function ToastCard({ item }: { item: Toast }) {
  const [held, setHeld] = useState(false);
  const lasts = item.action || item.tone === 'danger' || item.tone === 'warning' ? 10_000 : 5000;
  useEffect(() => {
    if (held || item.sticky) return;
    const timer = setTimeout(() => dismissToast(item.id), lasts);
    return () => clearTimeout(timer);
  }, [held, item, lasts]);
  const tone = item.tone ?? 'plain';
  return (
    <li className="toast" onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)}>
      <Icon name={item.icon ?? ICONS[tone]} className={COLORS[tone]} />
      <div className="grow">
        <b className="label">{item.title}</b>
        {item.text && <div className="t-12 muted">{item.text}</div>}
      </div>
      {item.action && (
        <Button
          size="xs"
          onClick={() => {
            item.action?.onSelect();
            dismissToast(item.id);
          }}
        >
          {item.action.label}
        </Button>
      )}
      <IconButton className="x" icon="x" size="xs" label="Close" onClick={() => dismissToast(item.id)} />
    </li>
  );
}

export function Toasts() {
  const toasts = useToasts((state) => state.toasts);
  if (toasts.length === 0) return null;
  return (
    <ol className="toasts" aria-label="News">
      {toasts.map((item) => (
        <ToastCard key={item.id} item={item} />
      ))}
    </ol>
  );
}
