/** The accounts a brand publishes from: what is connected, what can be, and what was published there with its figures. */
import './connections.css';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { CopyField } from '../members/copy-field.tsx';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { atLeast, useRole } from '../session/session.ts';
import { dateTime } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge, Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { AppDialog, ConnectDialog, ended, type Service } from './connect-dialog.tsx';
import { PostsList } from './posts-list.tsx';

type Account = Outputs['connections']['list']['connections'][number];
const SETTLE_MS = 10_000;

export function ConnectionsPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const { brand } = useCurrentBrand(workspaceId);
  const role = useRole(workspaceId);
  const cache = useQueryClient();
  const [connecting, setConnecting] = useState<{ service: Service; server?: string } | null>(null);
  const [settingUp, setSettingUp] = useState<Service | null>(null);
  const found = useQuery({
    queryKey: ['connections', workspaceId, brand?.id],
    queryFn: () => client.connections.list.query({ workspaceId, brandId: brand!.id }),
    enabled: brand !== null,
    refetchInterval: SETTLE_MS,
  });
  const refresh = () => void cache.invalidateQueries({ queryKey: ['connections', workspaceId] });
  useComingBack(workspaceId, refresh);
  const mayEdit = atLeast(role, 'editor');
  const mayAdmin = atLeast(role, 'admin');
  if (brand === null) return null;
  const done = () => {
    setConnecting(null);
    setSettingUp(null);
    refresh();
  };
  return (
    <Page title="Connections" lead={`The accounts ${brand.name} publishes from.`}>
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={160} className="rounded-3" />
        </Loading>
      )}
      {found.data && (
        <div className="grid gap-8">
          {found.data.connections.length === 0 ? (
            <Empty
              icon="plug"
              title="No account is connected"
              text="Connect one below. Its secrets stay sealed on this server; no node ever sees them."
            />
          ) : (
            <ul className="card rows" aria-label="Accounts">
              {found.data.connections.map((account) => (
                <AccountRow
                  key={account.id}
                  workspaceId={workspaceId}
                  account={account}
                  mayEdit={mayEdit}
                  mayAdmin={mayAdmin}
                  onReconnect={() => {
                    const service = found.data.services.find(({ type }) => type === account.type);
                    if (service) setConnecting({ service, server: account.server });
                  }}
                  onDone={refresh}
                />
              ))}
            </ul>
          )}
          <section className="grid gap-2" aria-labelledby="connect-more">
            <h2 className="h-16" id="connect-more">
              Connect an account
            </h2>
            <ul className="services">
              {found.data.services.map((service) => (
                <li key={service.type} className="card service">
                  <Icon name={service.icon} className="text-muted" />
                  <div className="grow min-w-0">
                    <div className="font-[550] cut">{service.title}</div>
                    <div className="t-12 muted cut">{service.plugin ? `by ${service.plugin}` : 'Built in'}</div>
                  </div>
                  {service.app && mayAdmin && (
                    <Button
                      size="sm"
                      look={service.app.isThere ? 'quiet' : 'plain'}
                      onClick={() => setSettingUp(service)}
                    >
                      {service.app.isThere ? 'App' : 'Set up'}
                    </Button>
                  )}
                  {mayEdit && (!service.app || service.app.isThere) && (
                    <Button
                      size="sm"
                      aria-label={`Connect ${service.title}`}
                      onClick={() => setConnecting({ service })}
                    >
                      Connect
                    </Button>
                  )}
                  {service.app && !service.app.isThere && !mayAdmin && (
                    <span className="t-12 muted">An admin sets it up first.</span>
                  )}
                </li>
              ))}
            </ul>
          </section>
          <PostsList workspaceId={workspaceId} brandId={brand.id} mayEdit={mayEdit} />
        </div>
      )}
      {connecting && (
        <ConnectDialog
          workspaceId={workspaceId}
          brand={brand}
          service={connecting.service}
          server={connecting.server}
          onClose={() => setConnecting(null)}
          onDone={done}
        />
      )}
      {settingUp && (
        <AppDialog workspaceId={workspaceId} service={settingUp} onClose={() => setSettingUp(null)} onDone={done} />
      )}
    </Page>
  );
}

/** Somebody came back from a service: what became of it is said once, and the address forgets it. */
function useComingBack(workspaceId: string, refresh: () => void): void {
  const { attempt } = useSearch({ strict: false }) as { attempt?: string };
  const navigate = useNavigate();
  useEffect(() => {
    if (!attempt) return;
    void navigate({ to: '/w/$workspaceId/connections', params: { workspaceId }, search: {}, replace: true });
    ended(workspaceId, attempt).then(({ error }) => {
      refresh();
      if (error) toast({ title: error.message, text: error.hint ?? undefined, tone: 'danger' });
      else toast({ title: 'Account connected', tone: 'success' });
    }, sayProblem);
  }, [attempt, workspaceId, navigate, refresh]);
}

type AccountRowProps = {
  workspaceId: string;
  account: Account;
  mayEdit: boolean;
  mayAdmin: boolean;
  onReconnect: () => void;
  onDone: () => void;
};

function AccountRow({ workspaceId, account, mayEdit, mayAdmin, onReconnect, onDone }: AccountRowProps) {
  const [isLeaving, setLeaving] = useState(false);
  const disconnect = useMutation({
    mutationFn: () => client.connections.disconnect.mutate({ workspaceId, id: account.id }),
    onSuccess: () => {
      toast({ title: `${account.name} is being disconnected`, tone: 'success' });
      setTimeout(onDone, 1_000);
    },
    onError: sayProblem,
  });
  const hook = useMutation({
    mutationFn: () => client.connections.hook.mutate({ workspaceId, id: account.id }),
    onError: sayProblem,
  });
  const isReady = account.state === 'ready';
  return (
    <li className="flex-wrap">
      <Icon name={account.icon} className="text-muted" />
      <div className="grow min-w-52">
        <div className="font-[550]">
          {account.url ? (
            <a className="link" href={account.url} target="_blank" rel="noreferrer">
              {account.name}
            </a>
          ) : (
            account.name
          )}
        </div>
        <div className="t-12 muted">
          {account.title}, connected {dateTime(account.createdAt)}
        </div>
        {account.quotas.map(({ name, used, units, until }) => (
          <div key={name} className="t-12 muted">
            {used.toLocaleString('en')} of {units.toLocaleString('en')} {name} used, new ones {dateTime(until)}
          </div>
        ))}
        {!isReady && account.error && <div className="t-12 text-danger">{account.error.message}</div>}
      </div>
      <Badge tone={isReady ? 'ok' : 'bad'}>{isReady ? 'Connected' : 'Connect again'}</Badge>
      {!isReady && mayEdit && (
        <Button size="sm" onClick={onReconnect}>
          Connect again
        </Button>
      )}
      {account.hasHooks && mayAdmin && (
        <Button size="sm" look="quiet" busy={hook.isPending} onClick={() => hook.mutate()}>
          Webhooks
        </Button>
      )}
      {mayEdit && (
        <Button size="sm" look="quiet" onClick={() => setLeaving(true)} aria-label={`Disconnect ${account.name}`}>
          Disconnect
        </Button>
      )}
      <Confirm
        open={isLeaving}
        onClose={() => setLeaving(false)}
        title={`Disconnect ${account.name}?`}
        lead="Its access is taken back and forgotten. What was published stays; pipelines that use it stop with a message."
        act="Disconnect"
        danger
        onAct={() => disconnect.mutateAsync()}
      />
      {hook.data && (
        <Dialog
          open
          title={`Webhooks of ${account.name}`}
          lead={`Enter these at ${account.title}, so that it tells what becomes of posts.`}
          onClose={() => hook.reset()}
        >
          <div className="grid gap-3">
            <CopyField label="Address" value={hook.data.url} />
            {hook.data.secret && <CopyField label="Signing secret" value={hook.data.secret} />}
          </div>
        </Dialog>
      )}
    </li>
  );
}
