/** The frame of the pages before one is in: a card in the middle, the mark above it. */
import './session.css';
import type { ReactNode } from 'react';
import { useTitle } from '../shell/page.tsx';
import { Logo } from '../ui/parts.tsx';

export function Door({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  useTitle(title);
  return (
    <main className="door">
      <div className="mark">
        <Logo />
        <span>Spliceboard</span>
      </div>
      <section className="card">
        <h1 className="h-20">{title}</h1>
        {lead && <p className="muted">{lead}</p>}
        {children}
      </section>
    </main>
  );
}
