/** Buttons: at most one `main` per surface. Sizes 32 (default), 28 `sm`, 24 `xs`, 40 `lg`; an icon-only one needs `label`. */
import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react';
import { Icon } from './icon.tsx';
import { Ring } from './progress.tsx';
import { Tip } from './tooltip.tsx';

type Look = 'main' | 'plain' | 'quiet' | 'danger';
type Size = 'lg' | 'md' | 'sm' | 'xs';

export type ButtonProps = Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'children'> & {
  look?: Look;
  size?: Size;
  icon?: string;
  /** Shows a ring and refuses clicks; the label stays, in the present tense. */
  busy?: boolean;
  children: ReactNode;
  ref?: Ref<HTMLButtonElement>;
};

export function Button({
  look = 'plain',
  size = 'md',
  icon,
  busy,
  children,
  className = '',
  ref,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      ref={ref}
      {...rest}
      disabled={rest.disabled || undefined}
      aria-busy={busy || undefined}
      onClick={busy ? undefined : rest.onClick}
      className={`btn ${look === 'plain' ? '' : look} ${size === 'md' ? '' : size} ${className}`}
    >
      {busy ? (
        <Ring value={0.3} size={14} onFill={look === 'main' || look === 'danger'} />
      ) : (
        icon && <Icon name={icon} size={size === 'xs' ? 12 : size === 'lg' ? 16 : 14} />
      )}
      {children}
    </button>
  );
}

export type IconButtonProps = Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'children'> & {
  icon: string;
  /** What it does, said to everybody: label and tooltip. */
  label: string;
  keys?: string;
  look?: Look;
  size?: 'md' | 'sm' | 'xs';
  ref?: Ref<HTMLButtonElement>;
};

export function IconButton({
  icon,
  label,
  keys,
  look = 'quiet',
  size = 'sm',
  className = '',
  ref,
  ...rest
}: IconButtonProps) {
  return (
    <Tip text={label} keys={keys}>
      <button
        type="button"
        ref={ref}
        aria-label={label}
        {...rest}
        className={`btn icon ${look === 'plain' ? '' : look} ${size === 'md' ? '' : size} ${className}`}
      >
        <Icon name={icon} size={size === 'xs' ? 14 : 16} />
      </button>
    </Tip>
  );
}
