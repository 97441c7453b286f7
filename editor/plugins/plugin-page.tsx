/** One plugin: its nodes, what it may do and did, where it is used, and the ways to upgrade it, go back, or be rid of it. */
import './plugins.css';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { atLeast, useRole } from '../session/session.ts';
import { dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { Confirm, FormDialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { bytes, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { InstallDialog } from './install-dialog.tsx';
import { StateBadge } from './plugins-page.tsx';
import { Rights } from './rights.tsx';
import { Trials } from './trials.tsx';

type Found = Outputs['plugins']['get'];
type Right = Found['rights'][number];
type Act = 'upgrade' | 'back' | 'deprecate' | 'remove' | null;

export function PluginPage() {
  const { workspaceId, name } = useParams({ strict: false }) as { workspaceId: string; name: string };
  const found = useQuery({
    queryKey: ['plugin', workspaceId, name],
    queryFn: () => client.plugins.get.query({ workspaceId, name }),
    refetchInterval: 10_000,
  });
  return (
    <Page
      title={found.data?.plugin.title ?? name}
      narrow={true}
      lead={
        <Link className="link" to="/w/$workspaceId/plugins" params={{ workspaceId }}>
          All plugins
        </Link>
      }
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <Skeleton height={240} className="rounded-3" />
        </Loading>
      )}
      {found.data && <Whole workspaceId={workspaceId} found={found.data} />}
    </Page>
  );
}

function Whole({ workspaceId, found }: { workspaceId: string; found: Found }) {
  const { plugin, rights, uses } = found;
  const mayManage = atLeast(useRole(workspaceId), 'admin');
  const cache = useQueryClient();
  const [act, setAct] = useState<Act>(null);
  const refresh = () =>
    Promise.all(
      ['plugin', 'plugins', 'catalogue'].map((key) => cache.invalidateQueries({ queryKey: [key, workspaceId] })),
    );
  const setRights = useMutation({
    mutationFn: (allowed: ReadonlySet<string>) =>
      client.plugins.setRights.mutate({ workspaceId, name: plugin.name, rights: [...allowed] }),
    onSuccess: refresh,
    onError: sayProblem,
  });
  const advise = useMutation({
    mutationFn: (note: string | null) => client.plugins.deprecate.mutate({ workspaceId, name: plugin.name, note }),
    onSuccess: async () => {
      setAct(null);
      await refresh();
    },
  });
  const isThere = plugin.state !== 'removed';
  const allowed = new Set(
    setRights.isPending ? setRights.variables : rights.flatMap((right) => (right.isAllowed ? right.id : [])),
  );
  return (
    <>
      <section className="card plugin-about" aria-label="About">
        <dl>
          <dt>Made by</dt>
          <dd>
            {plugin.publisher}, {plugin.license} <StateBadge plugin={plugin} />
          </dd>
          <dt>Version</dt>
          <dd>
            {plugin.version}, {FROM[plugin.source]},{' '}
            <time dateTime={plugin.changedAt} title={exact(plugin.changedAt)}>
              {dateTime(plugin.changedAt)}
            </time>
            {plugin.by && ` by ${plugin.by}`}
          </dd>
          <dt>Fingerprint</dt>
          <dd className="mono break">{plugin.digest}</dd>
        </dl>
        {plugin.note && (
          <p className="row">
            <Icon name="triangle-alert" size={14} />
            {plugin.note}
          </p>
        )}
        {mayManage && (
          <div className="row flex-wrap">
            <Button size="sm" onClick={() => setAct('upgrade')}>
              {isThere ? 'Upgrade' : 'Install again'}
            </Button>
            {plugin.previous && isThere && (
              <Button size="sm" onClick={() => setAct('back')}>
                Go back to {plugin.previous.version}
              </Button>
            )}
            {isThere && (
              <Button
                size="sm"
                onClick={() => (plugin.state === 'deprecated' ? advise.mutate(null) : setAct('deprecate'))}
              >
                {plugin.state === 'deprecated' ? 'May be used again' : 'Advise against it'}
              </Button>
            )}
            {isThere && (
              <Button size="sm" look="danger" onClick={() => setAct('remove')}>
                Remove
              </Button>
            )}
          </div>
        )}
      </section>
      <Part title="Nodes" lead={`${plural(plugin.nodes.length, 'node')} in the palette.`}>
        <ul className="plugin-nodes card" aria-label="Nodes">
          {plugin.nodes.map((node) => (
            <li key={node.type}>
              <span className="plugin-icon">
                <Icon name={node.icon} size={16} />
              </span>
              <div className="min-w-0">
                <p className="row gap-2 flex-wrap">
                  <b>{node.title}</b>
                  {node.effect === 'writes-external' && <Badge tone="warn">writes outside</Badge>}
                  <span className="muted mono t-12">{node.type}</span>
                </p>
                <p className="muted t-12">{node.help}</p>
              </div>
            </li>
          ))}
        </ul>
      </Part>
      <Part
        title="What it may do"
        lead={
          rights.length === 0
            ? 'It asks for nothing: it only works on what is wired into it.'
            : 'Taken back, a right ends at once, for what is running too. Figures are of the last 30 days.'
        }
      >
        {rights.length > 0 && (
          <div className="card plugin-rights">
            <Rights
              rights={rights}
              allowed={allowed}
              onChange={mayManage && isThere ? (next) => setRights.mutate(next) : undefined}
              more={(right) => <Done right={right} />}
            />
          </div>
        )}
      </Part>
      {plugin.isDev && isThere && (
        <Part
          title="What it did lately"
          lead="While it is in development, each execution is kept with what it said, asked for and took. Secrets are taken out."
        >
          <Trials workspaceId={workspaceId} name={plugin.name} />
        </Part>
      )}
      <Part
        title="Where it is used"
        lead="Drafts go by the version in use; what is published keeps the one it was published with."
      >
        {uses.length === 0 ? (
          <Empty icon="workflow" title="No pipeline uses it" text="Its nodes are in the palette of every pipeline." />
        ) : (
          <ul className="card rows" aria-label="Pipelines">
            {uses.map((use) => (
              <li key={use.pipelineId}>
                <Link
                  className="link grow"
                  to="/w/$workspaceId/p/$pipelineId"
                  params={{ workspaceId, pipelineId: use.pipelineId }}
                >
                  {use.name}
                </Link>
                {use.inDraft && <Badge>draft</Badge>}
                {use.inPublished && <Badge tone="ok">published</Badge>}
              </li>
            ))}
          </ul>
        )}
      </Part>
      <InstallDialog workspaceId={workspaceId} open={act === 'upgrade'} onClose={() => setAct(null)} />
      <Advise
        open={act === 'deprecate'}
        name={plugin.title}
        busy={advise.isPending}
        error={advise.error}
        onClose={() => setAct(null)}
        onAdvise={(note) => advise.mutate(note)}
      />
      <Confirm
        open={act === 'back'}
        onClose={() => setAct(null)}
        title={`Go back to ${plugin.previous?.version ?? ''}?`}
        lead={`Drafts go by ${plugin.previous?.version ?? 'the version from before'} again, with the settings they had and what it was allowed. What is published stays as it is.`}
        act="Go back"
        onAct={async () => {
          const { version, left } = await client.plugins.goBack.mutate({ workspaceId, name: plugin.name });
          toast({
            title: `${plugin.title} is version ${version} again`,
            text: left.length > 0 ? `${left.join(', ')} changed since: look at its nodes yourself.` : undefined,
            tone: left.length > 0 ? 'warning' : 'success',
          });
          await refresh();
        }}
      />
      <Confirm
        open={act === 'remove'}
        onClose={() => setAct(null)}
        danger={true}
        title={`Remove ${plugin.title}?`}
        lead={removalOf(uses)}
        act="Remove"
        onAct={async () => {
          await client.plugins.remove.mutate({ workspaceId, name: plugin.name });
          toast({ title: `${plugin.title} is removed`, tone: 'success' });
          await refresh();
        }}
      />
    </>
  );
}

function removalOf(uses: Found['uses']): string {
  const ends = 'What is running ends. It can be installed again.';
  if (uses.length === 0) return `No pipeline uses it. ${ends}`;
  const names = uses
    .slice(0, 3)
    .map(({ name }) => name)
    .join(', ');
  const rest = uses.length > 3 ? ` and ${uses.length - 3} more` : '';
  return `${names}${rest} cannot run without it; its nodes stay there with their settings. ${ends}`;
}

type AdviseProps = {
  open: boolean;
  name: string;
  busy: boolean;
  error: unknown;
  onClose: () => void;
  onAdvise: (note: string) => void;
};

function Advise({ open, name, busy, error, onClose, onAdvise }: AdviseProps) {
  const [note, setNote] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onAdvise(note.trim());
  };
  return (
    <FormDialog
      open={open}
      onClose={onClose}
      title={`Advise against ${name}`}
      lead="It goes on working. Whoever uses it is told why they should not."
      act="Advise against it"
      busy={busy}
      ready={note.trim() !== ''}
      error={error}
      onSubmit={submit}
    >
      <Field label="Why, and what to use instead">
        {({ id }) => <Input id={id} maxLength={300} value={note} onChange={(event) => setNote(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}

const FROM: Record<Found['plugin']['source'], string> = {
  file: 'from a file',
  folder: 'from its author’s folder',
  npm: 'from npm',
};

function Part({ title, lead, children }: { title: string; lead: string; children: ReactNode }) {
  return (
    <section className="blk" aria-label={title}>
      <header>
        <div className="grow">
          <h2 className="h-16">{title}</h2>
          <p className="muted">{lead}</p>
        </div>
      </header>
      {children}
    </section>
  );
}

function Done({ right }: { right: Right }) {
  if (right.calls + right.refused === 0) return null;
  return (
    <p className="t-12 row gap-3 flex-wrap mt-1">
      <span>{plural(right.calls, 'call')}</span>
      <span>{bytes(right.sentBytes)} out</span>
      <span>{bytes(right.receivedBytes)} in</span>
      {right.refused > 0 && <Badge tone="warn">{right.refused} refused</Badge>}
    </p>
  );
}
