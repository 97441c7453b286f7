/** A question behind a signed link: answered on a phone, without an account. */
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useEffect } from 'react';
import { client } from '../api.ts';
import { openedByLink } from '../media/address.ts';
import { useTitle } from '../shell/page.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Loading, Logo, Skeleton } from '../ui/parts.tsx';
import { QuestionCard } from './question-card.tsx';

export function ApprovePage() {
  const { token } = useParams({ strict: false }) as { token: string };
  openedByLink(token);
  useEffect(() => () => openedByLink(undefined), []);
  const found = useQuery({
    queryKey: ['wait-link', token],
    queryFn: () => client.waits.byLink.query({ token }),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  useTitle(found.data?.title ?? 'Approve');
  return (
    <main className="approve">
      <div className="row">
        <Logo />
        <span className="label">Spliceboard</span>
      </div>
      {found.error && (
        <section className="card p-4 grid gap-3">
          <h1 className="h-20">This link does not open</h1>
          <ErrorOf error={found.error} />
        </section>
      )}
      {found.isPending && (
        <Loading>
          <Skeleton height={320} className="rounded-3" />
        </Loading>
      )}
      {found.data && (
        <QuestionCard
          question={found.data}
          decide={(decision) => client.waits.decideByLink.mutate({ token, decision })}
        />
      )}
    </main>
  );
}
