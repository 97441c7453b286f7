/** The frame of a page below the top bar: a title, its actions, the content. Sets the title of the window. */
import { type ReactNode, useEffect } from 'react';

type PageProps = { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode; narrow?: boolean };

export function Page({ title, lead, actions, children, narrow }: PageProps) {
  useTitle(title);
  return (
    <main className={`page ${narrow ? 'narrow' : ''}`} id="content" tabIndex={-1}>
      <header className="pagehead">
        <div className="grow">
          <h1 className="h-20">{title}</h1>
          {lead && <p className="muted mt-0.5">{lead}</p>}
        </div>
        {actions && <div className="acts">{actions}</div>}
      </header>
      {children}
    </main>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Spliceboard`;
  }, [title]);
}
