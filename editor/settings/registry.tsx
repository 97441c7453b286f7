/** Where plugins are fetched from by name: the installation's registry, or one of the workspace's own with a token. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { client } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { Button } from '../ui/button.tsx';
import { FormDialog } from '../ui/dialog.tsx';
import { Field, Input } from '../ui/field.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import { Block } from './block.tsx';

export function PluginRegistry({ workspaceId }: { workspaceId: string }) {
  const cache = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const [url, setUrl] = useState('');
  const [token, setToken] = useState('');
  const key = ['plugin-registry', workspaceId];
  const found = useQuery({ queryKey: key, queryFn: () => client.plugins.registry.query({ workspaceId }) });
  const close = () => {
    setOpen(false);
    setToken('');
    save.reset();
  };
  const save = useMutation({
    mutationFn: (registry: { url: string | null; token: string | null }) =>
      client.plugins.setRegistry.mutate({ workspaceId, ...registry }),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: key });
      close();
    },
    onError: (error) => (isOpen ? undefined : sayProblem(error)),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate({ url: url.trim(), token: token.trim() === '' ? null : token.trim() });
  };
  const own = found.data?.url ?? null;
  return (
    <Block
      title="Plugin registry"
      lead="Where plugins are fetched from by name. A token is sealed, never shown again, and sent to this address only."
      action={
        <span className="row">
          {own !== null && (
            <Button size="sm" look="quiet" onClick={() => save.mutate({ url: null, token: null })}>
              Use the usual one
            </Button>
          )}
          <Button
            size="sm"
            onClick={() => {
              setUrl(own ?? '');
              setOpen(true);
            }}
          >
            {own === null ? 'Use another' : 'Change'}
          </Button>
        </span>
      }
    >
      {found.isPending ? (
        <Loading>
          <Skeleton height={20} />
        </Loading>
      ) : (
        <p className="break">
          {own === null ? 'The usual one of this installation.' : own}
          {found.data?.hasToken && <span className="muted"> with a token</span>}
        </p>
      )}
      <FormDialog
        open={isOpen}
        onClose={close}
        title="Plugin registry"
        act="Save"
        busy={save.isPending}
        ready={/^https:\/\/\S+$/.test(url.trim())}
        error={save.error}
        onSubmit={submit}
      >
        <Field label="Address" help="Begins with https://">
          {({ id }) => (
            <Input id={id} type="url" maxLength={300} value={url} onChange={(event) => setUrl(event.target.value)} />
          )}
        </Field>
        <Field label="Token" help="Only where it asks for one.">
          {({ id }) => (
            <Input
              id={id}
              type="password"
              autoComplete="off"
              maxLength={1000}
              value={token}
              onChange={(event) => setToken(event.target.value)}
            />
          )}
        </Field>
      </FormDialog>
    </Block>
  );
}
