/** Lets signed-in people through; sends others to the sign-in page and back afterwards. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { isSignedOut } from '../problem.ts';
import { ErrorOf } from '../ui/error-card.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import { meQuery } from './session.ts';

export function Guard({ children }: { children: ReactNode }) {
  const cache = useQueryClient();
  const me = useQuery(meQuery);
  // A session that ended shows first in some other answer.
  useEffect(
    () =>
      cache.getQueryCache().subscribe((event) => {
        if (event.type !== 'updated' || event.action.type !== 'error' || event.query.queryKey[0] === 'session') return;
        if (isSignedOut(event.action.error)) void cache.invalidateQueries(meQuery);
      }),
    [cache],
  );
  if (me.error && isSignedOut(me.error)) return <ToSignIn />;
  if (me.error && !me.data)
    return (
      <main className="page max-w-[560px]">
        <ErrorOf error={me.error} onRetry={() => me.refetch()} />
      </main>
    );
  if (!me.data)
    return (
      <Loading sentence="The server takes longer than usual.">
        <div className="top">
          <Skeleton width={24} height={24} />
          <Skeleton width={120} height={14} />
        </div>
      </Loading>
    );
  return children;
}

/**
 * Leads to the sign-in page once. The address to come back to is the one that was asked for: while the page loads the
 * present address is the sign-in page's already, and would be wrapped into itself again and again.
 */
function ToSignIn() {
  const navigate = useNavigate();
  const { href, pathname } = useLocation();
  const [asked] = useState({ href, pathname });
  useEffect(() => {
    void navigate({ to: '/sign-in', search: asked.pathname === '/' ? {} : { to: asked.href }, replace: true });
  }, [navigate, asked]);
  return null;
}
