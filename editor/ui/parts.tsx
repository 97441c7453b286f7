/** Small parts of many pages: badge, brand mark, avatar, empty state, skeleton, port glyph, logo. */
import { type ReactNode, useEffect, useState } from 'react';
import { PORT_LOOK, type PortType } from '../../nodes/contract.ts';
import { Icon } from './icon.tsx';

type Tone = 'plain' | 'ok' | 'warn' | 'bad' | 'info' | 'live';

export function Badge({
  tone = 'plain',
  children,
  className = '',
}: {
  tone?: Tone;
  children: ReactNode;
  className?: string;
}) {
  return <span className={`badge ${tone === 'plain' ? '' : tone} ${className}`}>{children}</span>;
}

const initials = (name: string) =>
  name
    .split(/\s+/)
    .filter(Boolean)
    .slice(0, 2)
    .map((word) => word[0]?.toUpperCase() ?? '')
    .join('') || '?';

/** A colour of a fixed set chosen by the name, dark enough for white text. */
function colorOf(name: string): string {
  const colors = ['#b4541a', '#1d6b66', '#7a4a2b', '#6a3d9a', '#2f6f3e', '#8a2f5c', '#33568a', '#7a5a12'];
  let sum = 0;
  for (const char of name) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 9973;
  return colors[sum % colors.length] ?? '#1d6b66';
}

export function BrandMark({
  name,
  color,
  size = 'md',
}: {
  name: string;
  color?: string | undefined;
  size?: 'md' | 'lg' | 'xs';
}) {
  return (
    <span
      className={`bm ${size === 'md' ? '' : size}`}
      style={{ background: color ?? colorOf(name) }}
      aria-hidden="true"
    >
      {initials(name)[0]}
    </span>
  );
}

export function Avatar({ name, small }: { name: string; small?: boolean }) {
  return (
    <span className={`av ${small ? 'sm' : ''}`} style={{ background: colorOf(name) }} title={name}>
      <span aria-hidden="true">{initials(name)}</span>
      <span className="sr">{name}</span>
    </span>
  );
}

/** Teaches in one sentence and offers the one next action. */
export function Empty({
  icon,
  title,
  text,
  action,
}: {
  icon: string;
  title: string;
  text: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="empty">
      <Icon name={icon} size={24} />
      <h3 className="h-16">{title}</h3>
      <p>{text}</p>
      {action}
    </div>
  );
}

/** A skeleton in the shape of what comes: nothing for 200 ms, after 3 s a sentence. */
export function Loading({
  children,
  sentence = 'This takes longer than usual.',
}: {
  children: ReactNode;
  sentence?: string;
}) {
  const [phase, setPhase] = useState<'wait' | 'shape' | 'sentence'>('wait');
  useEffect(() => {
    const first = setTimeout(() => setPhase('shape'), 200);
    const second = setTimeout(() => setPhase('sentence'), 3000);
    return () => {
      clearTimeout(first);
      clearTimeout(second);
    };
  }, []);
  if (phase === 'wait') return null;
  return (
    <div aria-busy="true">
      {children}
      {phase === 'sentence' && <p className="muted t-12 mt-3">{sentence}</p>}
    </div>
  );
}

export function Skeleton({
  width,
  height = 10,
  className = '',
}: {
  width?: number | string;
  height?: number | string;
  className?: string;
}) {
  return <div className={`skel ${className}`} style={{ width, height }} aria-hidden="true" />;
}

const SHAPE_CLASS = { circle: '', square: 'sq', diamond: 'di', ring: 'rg' };

/** The class and colour of a port type's mark: shape first, colour second. */
export function portMark(type: PortType, list = false): { className: string; style: React.CSSProperties } {
  const look = PORT_LOOK[type];
  return {
    className: `port ${SHAPE_CLASS[look.shape]} ${list ? 'list' : ''}`,
    style: { '--pc': `var(${look.token})` } as React.CSSProperties,
  };
}

export function PortGlyph({ type, list, size = 10 }: { type: PortType; list?: boolean; size?: number }) {
  const mark = portMark(type, list ?? false);
  return (
    <span
      className={`${mark.className} glyph`}
      style={{ ...mark.style, width: size, height: size }}
      aria-hidden="true"
    />
  );
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M3 7.5A2.5 2.5 0 0 1 5.500 5H13L9 14H5.500A2.500 2.500 0 0 1 3 11.500z" fill="var(--text)" />
      <path d="M15 10h3.500A2.500 2.500 0 0 1 21 12.500v4a2.500 2.500 0 0 1-2.500 2.500H11z" fill="var(--accent)" />
    </svg>
  );
}
