/** The workspace one is in, the others, and a new one. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { client } from '../api.ts';
import { meQuery } from '../session/session.ts';
import { FormDialog } from '../ui/dialog.tsx';
import { Field, Input } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';

export function WorkspaceSwitcher({ workspaceId }: { workspaceId: string }) {
  const { data: me } = useQuery(meQuery);
  const navigate = useNavigate();
  const [making, setMaking] = useState(false);
  const workspaces: { id: string; name: string }[] = me?.workspaces ?? [];
  const current = workspaces.find(({ id }) => id === workspaceId);
  return (
    <>
      <Menu
        trigger={
          <button type="button" className="btn quiet px-2">
            <span className="sr">Workspace</span>
            <span className="cut max-w-40 max-sm:max-w-28">{current?.name ?? 'Workspaces'}</span>
            <Icon name="chevrons-up-down" size={14} />
          </button>
        }
        items={[
          { caption: 'Workspace' },
          ...workspaces.map(({ id, name }) => ({
            label: name,
            checked: id === workspaceId,
            onSelect: () => void navigate({ to: '/w/$workspaceId', params: { workspaceId: id } }),
          })),
          'line' as const,
          { label: 'New workspace', icon: 'plus', onSelect: () => setMaking(true) },
        ]}
      />
      <NewWorkspace open={making} onClose={() => setMaking(false)} />
    </>
  );
}

function NewWorkspace({ open, onClose }: { open: boolean; onClose: () => void }) {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const create = useMutation({
    mutationFn: (wanted: string) => client.workspaces.create.mutate({ name: wanted }),
    onSuccess: async ({ id }) => {
      await cache.invalidateQueries(meQuery);
      onClose();
      setName('');
      await navigate({ to: '/w/$workspaceId/gallery', params: { workspaceId: id } });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== '') create.mutate(name.trim());
  };
  return (
    <FormDialog
      open={open}
      onClose={onClose}
      title="New workspace"
      lead="It has its own pipelines, recordings, brands, members and keys. Nothing is shared with the others."
      act="Make workspace"
      busy={create.isPending}
      ready={name.trim() !== ''}
      error={create.error}
      onSubmit={submit}
    >
      <Field label="Name">
        {({ id }) => <Input id={id} maxLength={80} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
