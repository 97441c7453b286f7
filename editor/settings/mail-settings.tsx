/** Whether one is told by mail what waits for one, where this installation has a mail server; a test of it. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useId } from 'react';
import { client } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Switch } from '../ui/field.tsx';
import { toast } from '../ui/toast.tsx';
import { Block } from './block.tsx';

export const mailQuery = (workspaceId: string) => ({
  queryKey: ['mail', workspaceId],
  queryFn: () => client.mail.get.query({ workspaceId }),
});

/** Nothing where no mail is sent: the list of what this installation lacks says so. */
export function MailSettings({ workspaceId, mayTest }: { workspaceId: string; mayTest: boolean }) {
  const cache = useQueryClient();
  const id = useId();
  const found = useQuery(mailQuery(workspaceId));
  const change = useMutation({
    mutationFn: (isWanted: boolean) => client.mail.set.mutate({ workspaceId, isWanted }),
    onSettled: () => cache.invalidateQueries({ queryKey: ['mail', workspaceId] }),
    onError: sayProblem,
  });
  const test = useMutation({
    mutationFn: () => client.mail.test.mutate({ workspaceId }),
    onSuccess: ({ to }) => toast({ title: `The mail server took a test for ${to}`, tone: 'success' }),
    onError: sayProblem,
  });
  if (found.error) return <ErrorOf error={found.error} onRetry={() => found.refetch()} />;
  if (!found.data?.from) return null;
  const { address, canReceive } = found.data;
  const isWanted = canReceive && (change.isPending ? change.variables : found.data.isWanted);
  return (
    <Block title="Mail" lead={`Sent as ${found.data.from}.`}>
      <div className="card p-3 row flex-wrap">
        <div className="grow min-w-52">
          <label htmlFor={id} className="font-[550]">
            Tell me by mail what waits for my decision
          </label>
          <p className="t-12 muted">
            {canReceive
              ? `To ${address}, when a run asks; and once more where nobody answers in time.`
              : `${address} is no address that mail can reach: invite yourself with one that is.`}
          </p>
        </div>
        <Switch
          id={id}
          checked={isWanted}
          disabled={!canReceive}
          onChange={(wanted) => change.mutate(wanted)}
          label="Tell me by mail"
        />
        {mayTest && canReceive && (
          <Button size="sm" icon="send" busy={test.isPending} onClick={() => test.mutate()}>
            Send a test to me
          </Button>
        )}
      </div>
    </Block>
  );
}
