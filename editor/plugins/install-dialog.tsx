/**
 * From a packed file to a plugin in use: sent, checked, and then the sheet that says what it may do. An upgrade shows only what
 * is new beside what is given up. Closing it leaves nothing in use.
 */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type DragEvent, type FormEvent, useEffect, useRef, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { ErrorCard, ErrorOf } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { bytes, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { Rights } from './rights.tsx';

type Package = Outputs['plugins']['look'];
const CHECK_MS = 300;

export function InstallDialog({
  workspaceId,
  open,
  onClose,
}: {
  workspaceId: string;
  open: boolean;
  onClose: () => void;
}) {
  const [digest, setDigest] = useState<string | null>(null);
  const close = () => {
    setDigest(null);
    onClose();
  };
  if (digest === null) return <Choose workspaceId={workspaceId} open={open} onClose={close} onSent={setDigest} />;
  return (
    <Sheet workspaceId={workspaceId} digest={digest} open={open} onClose={close} onOther={() => setDigest(null)} />
  );
}

async function send(workspaceId: string, file: File): Promise<string> {
  const reply = await fetch(`/api/plugins?workspaceId=${workspaceId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: await file.text(),
  });
  const answer = (await reply.json()) as { digest?: string; problem?: object };
  if (answer.digest) return answer.digest;
  throw Object.assign(new Error('The plugin was not taken.'), { problem: answer.problem });
}

type ChooseProps = { workspaceId: string; open: boolean; onClose: () => void; onSent: (digest: string) => void };

function Choose({ workspaceId, open, onClose, onSent }: ChooseProps) {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const sending = useMutation({ mutationFn: (file: File) => send(workspaceId, file), onSuccess: onSent });
  const take = (files: FileList | null) => {
    const file = files?.[0];
    if (file) sending.mutate(file);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation(); // not a recording
    setOver(false);
    take(event.dataTransfer.files);
  };
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="Install a plugin"
      lead="A plugin is one packed file. It is looked at before anything of it runs, and you are asked what it may do."
      footer={
        <Button look="quiet" onClick={onClose}>
          Cancel
        </Button>
      }
    >
      {sending.error && <ErrorOf error={sending.error} />}
      <section
        aria-label="Packed file"
        className={`plugin-drop ${isOver ? 'over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          event.stopPropagation();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <Icon name="package" size={24} />
        <p>
          Drop the file here, or{' '}
          <Button size="sm" busy={sending.isPending} onClick={() => input.current?.click()}>
            Choose a file
          </Button>
        </p>
        <p className="muted t-12">The one that its author made with “node pack”.</p>
        <input
          ref={input}
          type="file"
          accept=".json,application/json"
          className="sr"
          aria-label="Packed plugin"
          onChange={(event) => {
            take(event.target.files);
            event.target.value = '';
          }}
        />
      </section>
      <ByName workspaceId={workspaceId} onFound={onSent} />
    </Dialog>
  );
}

/** Fetches one from the registry; long work says what it does, and a refusal stays until something else is tried. */
function ByName({ workspaceId, onFound }: { workspaceId: string; onFound: (digest: string) => void }) {
  const [name, setName] = useState('');
  const asking = useMutation({
    mutationFn: async (text: string) => {
      const [, wanted = text, version = null] = /^(@?[^@]+)@(.+)$/.exec(text) ?? [];
      const { errandId } = await client.plugins.fetch.mutate({ workspaceId, name: wanted, version });
      for (;;) {
        const errand = await client.plugins.fetched.query({ workspaceId, errandId });
        if (errand.digest) return errand.digest;
        if (errand.error) throw Object.assign(new Error(errand.error.message), { problem: errand.error });
        await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
      }
    },
    onSuccess: onFound,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== '') asking.mutate(name.trim());
  };
  return (
    <form onSubmit={submit} className="grid gap-3 mt-4">
      {asking.error && <ErrorOf error={asking.error} />}
      <div className="flex gap-2 items-end">
        <Field label="Or by its name on npm" className="grow">
          {({ id }) => (
            <Input
              id={id}
              placeholder="name or name@1.2.3"
              maxLength={300}
              spellCheck={false}
              autoCapitalize="none"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" busy={asking.isPending} disabled={name.trim() === ''}>
          Fetch
        </Button>
      </div>
    </form>
  );
}

type SheetProps = { workspaceId: string; digest: string; open: boolean; onClose: () => void; onOther: () => void };

function Sheet({ workspaceId, digest, open, onClose, onOther }: SheetProps) {
  const cache = useQueryClient();
  const found = useQuery({
    queryKey: ['plugin-package', workspaceId, digest],
    queryFn: () => client.plugins.look.query({ workspaceId, digest }),
    refetchInterval: ({ state }) => (state.data?.state === 'checking' ? CHECK_MS : false),
    gcTime: 0,
  });
  const pack = found.data;
  const [allowed, setAllowed] = useState<ReadonlySet<string> | null>(null);
  useEffect(() => {
    if (pack?.state !== 'ready') return;
    // what was refused before stays so until somebody says otherwise
    const ids = pack.rights.flatMap(({ id, wasRefused }) => (wasRefused ? [] : id));
    setAllowed((now) => now ?? new Set(ids));
  }, [pack]);
  const install = useMutation({
    mutationFn: () => client.plugins.install.mutate({ workspaceId, digest, rights: [...(allowed ?? [])] }),
    onSuccess: async ({ carried }) => {
      await Promise.all([
        cache.invalidateQueries({ queryKey: ['plugins', workspaceId] }),
        cache.invalidateQueries({ queryKey: ['plugin', workspaceId] }),
        cache.invalidateQueries({ queryKey: ['catalogue', workspaceId] }),
      ]);
      toast({
        title: pack?.replaces ? `${pack.name} is version ${pack.version} now` : `${pack?.name} is installed`,
        text:
          carried > 0
            ? `${plural(carried, 'draft')} changed with it. “Go back” on its page undoes all of it.`
            : `${plural(pack?.nodes.length ?? 0, 'node')} in the palette.`,
        tone: 'success',
      });
      onClose();
    },
    onError: sayProblem,
  });
  const isReady = pack?.state === 'ready' && allowed !== null;
  const isPart = isReady && pack.rights.some(({ id, wasRefused }) => !allowed.has(id) && !wasRefused);
  const act = pack?.replaces ? 'Upgrade' : 'Install';
  return (
    <Dialog
      open={open}
      onClose={onClose}
      large={true}
      title={pack ? `${act} ${pack.name} ${pack.version}` : 'Being looked at'}
      lead={isReady ? leadOf(pack) : undefined}
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          {pack?.state === 'refused' ? (
            <Button onClick={onOther}>Choose another file</Button>
          ) : (
            <Button look="main" disabled={!isReady} busy={install.isPending} onClick={() => install.mutate()}>
              {isPart ? `${act} with less` : pack && asksNothing(pack) ? act : `Allow and ${act.toLowerCase()}`}
            </Button>
          )}
        </>
      }
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {pack?.state === 'checking' && (
        <div className="grid gap-3 mt-2" aria-busy="true">
          <p className="muted">
            It is being looked at: nothing of it runs but its description, where it can ask for nothing.
          </p>
          <Skeleton height={120} className="rounded-3" />
        </div>
      )}
      {pack?.state === 'refused' && (
        <div className="mt-2">
          <ErrorCard
            problem={{
              code: pack.error?.code ?? 'PLUGIN_REFUSED',
              message: `This plugin is refused: ${pack.error?.message ?? 'it could not be checked.'}`,
              hint: pack.error?.hint ?? 'Its author has to look at it.',
              retry: 'never',
            }}
          />
        </div>
      )}
      {isReady && <Ready pack={pack} allowed={allowed} onChange={setAllowed} />}
    </Dialog>
  );
}

/** Nothing is left to be allowed. */
const asksNothing = ({ rights }: Package) => rights.every(({ isAllowed, wasRefused }) => isAllowed || wasRefused);

function leadOf({ replaces, rights, version }: Package): string {
  const more = rights.filter(({ isAllowed, wasRefused }) => !isAllowed && !wasRefused).length;
  if (replaces === null)
    return rights.length === 0
      ? 'It asks for nothing: it only works on what is wired into it.'
      : 'This is what it may do. You can allow less.';
  if (more === 0) return `Version ${version} asks for nothing new.`;
  return `Version ${version} also wants what you see here. You can allow less, or stay on ${replaces}.`;
}

type ReadyProps = { pack: Package; allowed: ReadonlySet<string>; onChange: (allowed: ReadonlySet<string>) => void };

function Ready({ pack, allowed, onChange }: ReadyProps) {
  const isUpgrade = pack.replaces !== null;
  const shown = isUpgrade ? pack.rights.filter(({ isAllowed }) => !isAllowed) : pack.rights;
  const kept = pack.rights.length - shown.length;
  return (
    <div className="grid gap-4 mt-2">
      <ul className="plugin-nodes" aria-label="Its nodes">
        {pack.nodes.map((node) => (
          <li key={node.type}>
            <span className="plugin-icon">
              <Icon name={node.icon} size={16} />
            </span>
            <div className="min-w-0">
              <p className="row flex-wrap gap-2">
                <b>{node.title}</b>
                {node.effect === 'writes-external' && <Badge tone="warn">writes outside</Badge>}
              </p>
              <p className="muted t-12">{node.help}</p>
            </div>
          </li>
        ))}
      </ul>
      {shown.length > 0 && <Rights rights={shown} allowed={allowed} onChange={onChange} />}
      {isUpgrade && kept > 0 && (
        <p className="muted t-12">{plural(kept, 'thing')} it may do already stay as they are.</p>
      )}
      {pack.carries.length > 0 && <Carries carries={pack.carries} />}
      {pack.dropped.length > 0 && (
        <p className="muted t-12">
          It no longer asks for {plural(pack.dropped.length, 'thing')}, which end with the upgrade.
        </p>
      )}
      <p className="muted t-12">
        By {pack.publisher}, {pack.license}, {bytes(pack.bytes)}. Its fingerprint:{' '}
        <span className="mono" title={pack.digest}>
          {pack.digest.slice(0, 16)}
        </span>
      </p>
    </div>
  );
}

/** What a person reads of a setting: short, whatever it holds. */
function shown(value: unknown): string {
  if (value === undefined) return 'not set';
  const text = typeof value === 'string' ? `“${value}”` : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function Carries({ carries }: { carries: Package['carries'] }) {
  return (
    <section className="carries" aria-label="What changes in your drafts">
      <h3 className="rights-head">
        <Icon name="pen-line" size={14} />
        Changes in your drafts
      </h3>
      <p className="muted t-12">
        {plural(carries.length, 'draft')} with these nodes, all at once. What is published stays as it is.
      </p>
      <ul>
        {carries.map((carry) => (
          <li key={carry.pipelineId}>
            <details>
              <summary>
                <Icon name="chevron-right" size={12} />
                <b>{carry.name}</b> <span className="muted">{plural(carry.nodes.length, 'node')}</span>
                {carry.nodes.some(({ problem }) => problem !== null) && <Badge tone="warn">needs a look</Badge>}
              </summary>
              {carry.nodes.map((node) => (
                <div key={node.node} className="carry-node">
                  <p>
                    {node.name} <span className="muted mono t-12">{node.to}</span>
                  </p>
                  {node.fields.length === 0 && <p className="muted t-12">Its settings stay as they are.</p>}
                  {node.fields.map(({ field, was, is }) => (
                    <p key={field} className="t-12">
                      <span className="mono">{field}</span> <span className="muted">{shown(was)}</span> →{' '}
                      <span>{shown(is)}</span>
                    </p>
                  ))}
                  {node.problem && <p className="t-12 carry-problem">{node.problem}</p>}
                </div>
              ))}
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
