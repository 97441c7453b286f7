/** Settings of a workspace: its name, speech engines, keys of services, API tokens, and what this machine lacks. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { CopyField } from '../members/copy-field.tsx';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { atLeast, meQuery, ROLES, type Role, roleLabel, useRole } from '../session/session.ts';
import { date, dateTime, exact } from '../shell/dates.ts';
import { Page } from '../shell/page.tsx';
import { Button } from '../ui/button.tsx';
import { Confirm, Dialog, FormDialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input, Select } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { Block } from './block.tsx';
import { EngineList } from './engine-list.tsx';
import { Keys } from './keys.tsx';
import { MailSettings } from './mail-settings.tsx';
import { PluginRegistry } from './registry.tsx';

export function SettingsPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const role = useRole(workspaceId);
  const mayManage = atLeast(role, 'admin');
  return (
    <Page title="Settings" narrow={true}>
      {mayManage && <WorkspaceName workspaceId={workspaceId} />}
      <Block
        title="Speech and language"
        lead="Best available first. A node with the engine Auto takes the first one it can have, and says which it took."
      >
        <EngineList workspaceId={workspaceId} mayInstall={mayManage} />
      </Block>
      {mayManage && (
        <>
          <Block title="Keys" lead="Sealed before they are stored, never shown again, and never seen by a node.">
            <Keys workspaceId={workspaceId} />
          </Block>
          <Tokens workspaceId={workspaceId} />
          <PluginRegistry workspaceId={workspaceId} />
        </>
      )}
      {atLeast(role, 'editor') && <MailSettings workspaceId={workspaceId} mayTest={mayManage} />}
      {atLeast(role, 'analyst') && (
        <Block
          title="This installation"
          lead="What is there, what is missing, and what each missing thing costs."
          action={
            mayManage && (
              <span className="row">
                <Link className="btn sm" to="/w/$workspaceId/storage" params={{ workspaceId }}>
                  <Icon name="hard-drive" size={14} />
                  Storage
                </Link>
                <Link className="btn sm" to="/w/$workspaceId/operations" params={{ workspaceId }}>
                  <Icon name="gauge" size={14} />
                  Operations
                </Link>
              </span>
            )
          }
        >
          <Doctor workspaceId={workspaceId} />
        </Block>
      )}
    </Page>
  );
}

function WorkspaceName({ workspaceId }: { workspaceId: string }) {
  const cache = useQueryClient();
  const { data: me } = useQuery(meQuery);
  const current = me?.workspaces.find(({ id }) => id === workspaceId)?.name ?? '';
  const [draft, setDraft] = useState<string | null>(null);
  const rename = useMutation({
    mutationFn: (name: string) => client.workspaces.rename.mutate({ workspaceId, name }),
    onSuccess: async () => {
      await cache.invalidateQueries(meQuery);
      setDraft(null);
      toast({ title: 'Workspace renamed', tone: 'success' });
    },
    onError: sayProblem,
  });
  const name = draft ?? current;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== '' && name.trim() !== current) rename.mutate(name.trim());
  };
  return (
    <form onSubmit={submit} className="flex gap-2 items-end max-w-[480px]">
      <Field label="Name of the workspace" className="grow">
        {({ id }) => <Input id={id} maxLength={80} value={name} onChange={(event) => setDraft(event.target.value)} />}
      </Field>
      <Button type="submit" busy={rename.isPending} disabled={name.trim() === '' || name.trim() === current}>
        Rename
      </Button>
    </form>
  );
}

type Token = Outputs['tokens']['list'][number];

function Tokens({ workspaceId }: { workspaceId: string }) {
  const cache = useQueryClient();
  const [making, setMaking] = useState(false);
  const [leaving, setLeaving] = useState<Token | null>(null);
  const found = useQuery({
    queryKey: ['tokens', workspaceId],
    queryFn: () => client.tokens.list.query({ workspaceId }),
  });
  const refresh = () => cache.invalidateQueries({ queryKey: ['tokens', workspaceId] });
  const revoke = useMutation({
    mutationFn: (token: Token) => client.tokens.revoke.mutate({ workspaceId, id: token.id }),
    onSuccess: refresh,
    onError: sayProblem,
  });
  return (
    <Block
      title="API tokens"
      lead="For the command line and programs. A token can never do more than the person who made it."
      action={
        <Button size="sm" icon="plus" onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.data && found.data.length === 0 && <p className="muted">No tokens.</p>}
      {found.data && found.data.length > 0 && (
        <ul className="card rows">
          {found.data.map((token) => (
            <li key={token.id}>
              <div className="grow">
                <div className="cut font-[550]">{token.name}</div>
                <div className="t-12 muted">
                  {roleLabel(token.role)}, made by {token.by},{' '}
                  {date(token.createdAt).replace(/^[TY]/, (letter) => letter.toLowerCase())}.{' '}
                  {token.lastUsedAt ? (
                    <span title={exact(token.lastUsedAt)}>Last used {dateTime(token.lastUsedAt)}.</span>
                  ) : (
                    'Never used.'
                  )}
                </div>
              </div>
              <Button size="sm" onClick={() => setLeaving(token)}>
                Revoke
              </Button>
            </li>
          ))}
        </ul>
      )}
      {making && <NewToken workspaceId={workspaceId} onClose={() => setMaking(false)} onDone={refresh} />}
      <Confirm
        open={leaving !== null}
        onClose={() => setLeaving(null)}
        title={`Revoke ${leaving?.name ?? 'this token'}?`}
        lead="What uses it is refused from now on. This cannot be taken back."
        act="Revoke token"
        danger={true}
        onAct={() => leaving && revoke.mutateAsync(leaving).catch(() => {})}
      />
    </Block>
  );
}

type NewTokenProps = { workspaceId: string; onClose: () => void; onDone: () => void };

function NewToken({ workspaceId, onClose, onDone }: NewTokenProps) {
  const own = useRole(workspaceId);
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('editor');
  const create = useMutation({
    mutationFn: () => client.tokens.create.mutate({ workspaceId, name: name.trim(), role }),
    onSuccess: onDone,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== '') create.mutate();
  };
  if (create.data)
    return (
      <Dialog
        open={true}
        onClose={onClose}
        title={`Token ${name.trim()}`}
        lead="Copy it now. It is not shown again."
        footer={
          <Button look="main" onClick={onClose}>
            Done
          </Button>
        }
      >
        <CopyField label="Token" value={create.data.token} className="mt-3" />
      </Dialog>
    );
  return (
    <FormDialog
      open={true}
      onClose={onClose}
      title="New API token"
      act="Make token"
      busy={create.isPending}
      ready={name.trim() !== ''}
      error={create.error}
      onSubmit={submit}
    >
      <Field label="What it is for">
        {({ id }) => <Input id={id} maxLength={80} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field label="Role" help={ROLES.find(({ value }) => value === role)?.note}>
        {({ id, describedBy }) => (
          <Select
            id={id}
            describedBy={describedBy}
            value={role}
            options={ROLES.filter(({ value }) => atLeast(own, value)).map(({ value, label }) => ({ value, label }))}
            onChange={(value) => setRole(value as Role)}
          />
        )}
      </Field>
    </FormDialog>
  );
}

const LINES = {
  ok: { icon: 'check', color: 'text-faint', word: 'there' },
  warning: { icon: 'triangle-alert', color: 'text-warning', word: 'worth a look' },
  missing: { icon: 'minus', color: 'text-warning', word: 'missing' },
} as const;

function Doctor({ workspaceId }: { workspaceId: string }) {
  const found = useQuery({
    queryKey: ['doctor', workspaceId],
    queryFn: () => client.health.doctor.query({ workspaceId }),
  });
  if (found.error) return <ErrorOf error={found.error} onRetry={() => found.refetch()} />;
  if (!found.data)
    return (
      <Loading>
        <Skeleton height={220} />
      </Loading>
    );
  return (
    <ul className="card rows">
      {found.data.map((line) => {
        const look = LINES[line.state];
        return (
          <li key={line.name} className="items-start!">
            <Icon name={look.icon} className={`${look.color} mt-0.5`} label={look.word} />
            <div className="grow">
              <div>
                <span className="font-[550]">{line.name}</span> <span className="muted">{line.detail}</span>
              </div>
              {(line.cost || line.remedy) && (
                <div className="t-12 muted">
                  {line.cost} {line.remedy}
                </div>
              )}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
