/** Connects one account: names the server or pastes keys, enters the app where an admin has to, then goes to the service. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { client, type Outputs } from '../api.ts';
import { CopyField } from '../members/copy-field.tsx';
import { FormDialog } from '../ui/dialog.tsx';
import { Field, Input } from '../ui/field.tsx';

export type Service = Outputs['connections']['list']['services'][number];
const LOOK_MS = 250;
const LONGEST_MS = 60_000;

/** How the attempt stands once a worker has done its part. */
async function settled(workspaceId: string, id: string, isDone: (stage: string) => boolean) {
  for (const since = Date.now(); ; ) {
    const attempt = await client.connections.get.query({ workspaceId, id });
    if (isDone(attempt.stage)) return attempt;
    if (Date.now() - since > LONGEST_MS) throw new Error('No worker has taken this up. Look whether one is running.');
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Waits for an attempt that came back from the service. */
export const ended = (workspaceId: string, id: string) =>
  settled(workspaceId, id, (stage) => stage === 'done' || stage === 'failed');

type ConnectDialogProps = {
  workspaceId: string;
  brand: { id: string; name: string };
  service: Service;
  /** Of the account that is connected anew. */
  server?: string | undefined;
  onClose: () => void;
  onDone: () => void;
};

export function ConnectDialog({
  workspaceId,
  brand,
  service,
  server: known = '',
  onClose,
  onDone,
}: ConnectDialogProps) {
  const [server, setServer] = useState(service.serverExample === null ? '' : known);
  const [keys, setKeys] = useState<Record<string, string>>({});
  const connect = useMutation({
    mutationFn: async () => {
      const { id } = await client.connections.begin.mutate({
        workspaceId,
        brandId: brand.id,
        type: service.type,
        server,
        ...(service.keys && { keys }),
      });
      const attempt = await settled(workspaceId, id, (stage) => stage !== 'begun' && stage !== 'back');
      if (attempt.error) throw Object.assign(new Error(attempt.error.message), { problem: attempt.error });
      if (attempt.url) window.location.assign(attempt.url);
      else onDone();
    },
  });
  const isReady =
    (service.serverExample === null || server.trim() !== '') &&
    (service.keys ?? []).every(({ name }) => (keys[name] ?? '').trim() !== '');
  return (
    <FormDialog
      open
      title={`Connect ${service.title}`}
      lead={
        service.keys
          ? `For ${brand.name}. What you paste is sealed and never shown again.`
          : `For ${brand.name}. You sign in at ${service.title} and come back here.`
      }
      act={service.keys ? 'Connect' : `Go on to ${service.title}`}
      busy={connect.isPending || connect.isSuccess}
      ready={isReady}
      error={connect.error}
      onSubmit={(event) => {
        event.preventDefault();
        connect.mutate();
      }}
      onClose={onClose}
    >
      {service.serverExample !== null && (
        <Field label="Server" help={`The host your account is on, such as ${service.serverExample}.`}>
          {({ id, describedBy }) => (
            <Input
              id={id}
              aria-describedby={describedBy}
              value={server}
              placeholder={service.serverExample!}
              autoCapitalize="off"
              spellCheck={false}
              onChange={(event) => setServer(event.target.value)}
            />
          )}
        </Field>
      )}
      {service.keys?.map((field) => (
        <Field key={field.name} label={field.title} {...(field.help && { help: field.help })}>
          {({ id, describedBy }) => (
            <Input
              id={id}
              type="password"
              autoComplete="off"
              aria-describedby={describedBy}
              value={keys[field.name] ?? ''}
              onChange={(event) => setKeys({ ...keys, [field.name]: event.target.value })}
            />
          )}
        </Field>
      ))}
      {service.policies.map(({ text, url }) => (
        <p key={text} className="muted t-12">
          {text}{' '}
          {url && (
            <a className="link" href={url} target="_blank" rel="noreferrer">
              Read more
            </a>
          )}
        </p>
      ))}
    </FormDialog>
  );
}

export function AppDialog({ workspaceId, service, onClose, onDone }: Omit<ConnectDialogProps, 'brand' | 'server'>) {
  const [clientId, setClientId] = useState('');
  const [clientSecret, setClientSecret] = useState('');
  const store = useMutation({
    mutationFn: () => client.connections.setApp.mutate({ workspaceId, type: service.type, clientId, clientSecret }),
    onSuccess: onDone,
  });
  return (
    <FormDialog
      open
      title={`Set ${service.title} up`}
      lead={service.app?.help}
      act="Store"
      busy={store.isPending}
      ready={clientId.trim() !== '' && clientSecret.trim() !== ''}
      error={store.error}
      onSubmit={(event) => {
        event.preventDefault();
        store.mutate();
      }}
      onClose={onClose}
    >
      <CopyField label="Address to send people back to" value={service.app?.redirectUri ?? ''} />
      <Field label="Client id">
        {({ id }) => <Input id={id} value={clientId} onChange={(event) => setClientId(event.target.value)} />}
      </Field>
      <Field label="Client secret" help="Sealed, and never shown again.">
        {({ id, describedBy }) => (
          <Input
            id={id}
            type="password"
            autoComplete="off"
            aria-describedby={describedBy}
            value={clientSecret}
            onChange={(event) => setClientSecret(event.target.value)}
          />
        )}
      </Field>
    </FormDialog>
  );
}
