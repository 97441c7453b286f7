/** The address "/": leads to the last workspace, on the first visit to its gallery. */
import { useQuery } from '@tanstack/react-query';
import { Navigate } from '@tanstack/react-router';
import { Guard } from '../session/guard.tsx';
import { meQuery, signOut } from '../session/session.ts';
import { Button } from '../ui/button.tsx';
import { Empty } from '../ui/parts.tsx';

export function FrontPage() {
  return (
    <Guard>
      <Lead />
    </Guard>
  );
}

function Lead() {
  const { data: me } = useQuery(meQuery);
  if (!me) return null;
  const workspaces: { id: string }[] = me.workspaces;
  const last = localStorage.getItem('spliceboard.workspace');
  const to = workspaces.find(({ id }) => id === last) ?? workspaces[0];
  if (!to)
    return (
      <main className="page">
        <Empty
          icon="users"
          title="No workspace yet"
          text="Somebody has to invite you to theirs. Their link brings you there."
          action={<Button onClick={() => signOut()}>Sign out</Button>}
        />
      </main>
    );
  return (
    <Navigate
      to={me.firstVisit ? '/w/$workspaceId/gallery' : '/w/$workspaceId'}
      params={{ workspaceId: to.id }}
      replace={true}
    />
  );
}
