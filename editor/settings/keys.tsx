/** Keys of services: sealed, never shown again; and how often each service is asked. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { dateTime, exact } from '../shell/dates.ts';
import { Button } from '../ui/button.tsx';
import { Confirm, FormDialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Badge, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';

const count = (number: number) => number.toLocaleString('en');

type Key = Outputs['settings']['keys'][number];
const SERVICES: Record<Key['name'], { label: string; short: string; help: string; base: boolean }> = {
  openai: {
    short: 'OpenAI',
    label: 'OpenAI, or a server that speaks its language',
    help: 'Transcribes, and writes titles and summaries. Sound and text go to the address below.',
    base: true,
  },
  assemblyai: {
    short: 'AssemblyAI',
    label: 'AssemblyAI',
    help: 'Transcribes and tells speakers apart. The sound goes to AssemblyAI.',
    base: false,
  },
};

export function Keys({ workspaceId }: { workspaceId: string }) {
  const cache = useQueryClient();
  const [setting, setSetting] = useState<Key | null>(null);
  const [leaving, setLeaving] = useState<Key | null>(null);
  const [limiting, setLimiting] = useState<Key | null>(null);
  const found = useQuery({
    queryKey: ['keys', workspaceId],
    queryFn: () => client.settings.keys.query({ workspaceId }),
  });
  const refresh = async () => {
    await cache.invalidateQueries({ queryKey: ['keys', workspaceId] });
    await cache.invalidateQueries({ queryKey: ['engines', workspaceId] });
  };
  const remove = useMutation({
    mutationFn: (key: Key) => client.settings.removeKey.mutate({ workspaceId, name: key.name }),
    onSuccess: refresh,
    onError: sayProblem,
  });
  if (found.error) return <ErrorOf error={found.error} onRetry={() => found.refetch()} />;
  if (!found.data)
    return (
      <Loading>
        <Skeleton height={104} />
      </Loading>
    );
  return (
    <>
      <ul className="card rows">
        {found.data.map((key) => (
          <li key={key.name} className="flex-wrap">
            <Icon name="key-round" className="text-muted" />
            <div className="grow min-w-52">
              <div className="font-[550]">{SERVICES[key.name].label}</div>
              <div className="t-12 muted">
                {SERVICES[key.name].help}
                {key.baseUrl && (
                  <>
                    {' '}
                    Address: <span className="mono">{key.baseUrl}</span>
                  </>
                )}
              </div>
              {key.present && <RateOf service={key} />}
            </div>
            <Badge tone={key.present ? 'ok' : 'plain'}>{key.present ? 'Set' : 'Not set'}</Badge>
            <Button size="sm" onClick={() => setSetting(key)}>
              {key.present ? 'Replace' : 'Set key'}
            </Button>
            {key.present && (
              <>
                <Button size="sm" look="quiet" onClick={() => setLimiting(key)}>
                  Limit
                </Button>
                <Button size="sm" look="quiet" onClick={() => setLeaving(key)}>
                  Remove
                </Button>
              </>
            )}
          </li>
        ))}
      </ul>
      {setting && (
        <SetKey
          workspaceId={workspaceId}
          service={setting}
          onClose={() => setSetting(null)}
          onDone={async () => {
            await refresh();
            setSetting(null);
            toast({ title: 'Key stored', tone: 'success' });
          }}
        />
      )}
      {limiting && (
        <SetRate
          workspaceId={workspaceId}
          service={limiting}
          onClose={() => setLimiting(null)}
          onDone={async () => {
            await refresh();
            setLimiting(null);
            toast({ title: 'Limit stored', tone: 'success' });
          }}
        />
      )}
      <Confirm
        open={leaving !== null}
        onClose={() => setLeaving(null)}
        title={`Remove the key of ${leaving ? SERVICES[leaving.name].label : 'this service'}?`}
        lead="Runs that need it stop with a sentence that says so."
        act="Remove key"
        danger={true}
        onAct={() => leaving && remove.mutateAsync(leaving).catch(() => {})}
      />
    </>
  );
}

/** How often it is asked, and until when not at all. */
function RateOf({ service: { perMinute, usualPerMinute, heldUntil, name } }: { service: Key }) {
  const most = perMinute ?? usualPerMinute;
  return (
    <div className="t-12 muted">
      {most === null ? 'Asked without a limit.' : `Asked ${count(most)} times a minute at most.`}
      {heldUntil && (
        <span className="text-warning" title={exact(heldUntil)}>
          {' '}
          {SERVICES[name].short} asked to wait until {dateTime(heldUntil)}.
        </span>
      )}
    </div>
  );
}

type DialogProps = { workspaceId: string; service: Key; onClose: () => void; onDone: () => void };

function SetKey({ workspaceId, service, onClose, onDone }: DialogProps) {
  const { label, base } = SERVICES[service.name];
  const [value, setValue] = useState('');
  const [baseUrl, setBaseUrl] = useState(service.baseUrl ?? '');
  const store = useMutation({
    mutationFn: () =>
      client.settings.setKey.mutate({
        workspaceId,
        name: service.name,
        value: value.trim(),
        ...(base && baseUrl.trim() !== '' ? { baseUrl: baseUrl.trim() } : {}),
      }),
    onSuccess: onDone,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (value.trim() !== '') store.mutate();
  };
  return (
    <FormDialog
      open={true}
      onClose={onClose}
      title={`Key of ${label}`}
      act="Store key"
      busy={store.isPending}
      ready={value.trim() !== ''}
      error={store.error}
      onSubmit={submit}
    >
      <Field label="Key" help="Stored sealed. It cannot be read again, only replaced.">
        {({ id, describedBy }) => (
          <Input
            id={id}
            aria-describedby={describedBy}
            type="password"
            autoComplete="off"
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        )}
      </Field>
      {base && (
        <Field label="Address" help="Only for another server, a local one included. Empty: OpenAI's own.">
          {({ id, describedBy }) => (
            <Input
              id={id}
              aria-describedby={describedBy}
              type="url"
              placeholder="https://api.openai.com/v1"
              value={baseUrl}
              onChange={(event) => setBaseUrl(event.target.value)}
            />
          )}
        </Field>
      )}
    </FormDialog>
  );
}

function SetRate({ workspaceId, service, onClose, onDone }: DialogProps) {
  const { short } = SERVICES[service.name];
  const [text, setText] = useState(service.perMinute === null ? '' : String(service.perMinute));
  const perMinute = text.trim() === '' ? null : Number(text);
  const isGood = perMinute === null || (Number.isInteger(perMinute) && perMinute >= 1 && perMinute <= 100_000);
  const store = useMutation({
    mutationFn: () => client.settings.setRate.mutate({ workspaceId, name: service.name, perMinute }),
    onSuccess: onDone,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isGood) store.mutate();
  };
  return (
    <FormDialog
      open={true}
      onClose={onClose}
      title={`How often ${short} is asked`}
      act="Store limit"
      busy={store.isPending}
      ready={isGood}
      error={store.error}
      onSubmit={submit}
    >
      <Field
        label="Requests in a minute"
        help="Counted for all runs and workers together; what comes sooner waits for its turn. Look up what your account may."
        error={isGood ? undefined : 'A whole number from 1 to 100,000, or nothing.'}
      >
        {({ id, describedBy }) => (
          <Input
            id={id}
            aria-describedby={describedBy}
            inputMode="numeric"
            bad={!isGood}
            placeholder={service.usualPerMinute === null ? 'No limit' : count(service.usualPerMinute)}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      {service.heldUntil && (
        <p className="t-12 muted">
          {short} asked to wait until {dateTime(service.heldUntil)}. Storing a limit asks again at once.
        </p>
      )}
    </FormDialog>
  );
}
