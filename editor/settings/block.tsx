/** A titled part of the settings. */
import type { ReactNode } from 'react';

export function Block({
  title,
  lead,
  action,
  children,
}: {
  title: string;
  lead?: string;
  action?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className="blk" aria-label={title}>
      <header>
        <div className="grow">
          <h2 className="h-16">{title}</h2>
          {lead && <p className="muted">{lead}</p>}
        </div>
        {action}
      </header>
      {children}
    </section>
  );
}
