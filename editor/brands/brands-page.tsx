/** Brands: each with its kit (colours, type, logo, captions, voice, links), its time zone and its Showcase. */
import './brands.css';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { client } from '../api.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { atLeast, useRole } from '../session/session.ts';
import { Page } from '../shell/page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { Confirm, FormDialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input } from '../ui/field.tsx';
import { Menu } from '../ui/menu.tsx';
import { BrandMark, Empty, Loading, Skeleton } from '../ui/parts.tsx';
import { toast } from '../ui/toast.tsx';
import { BrandKitForm } from './brand-kit-form.tsx';
import { brandsQuery, chooseBrand, useCurrentBrand } from './current-brand.ts';
import { ShowcaseBox } from './showcase-box.tsx';

export function BrandsPage() {
  const { workspaceId } = useParams({ strict: false }) as { workspaceId: string };
  const cache = useQueryClient();
  const role = useRole(workspaceId);
  const found = useQuery(brandsQuery(workspaceId));
  const { brand, brands } = useCurrentBrand(workspaceId);
  const [making, setMaking] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const remove = useMutation({
    mutationFn: (brandId: string) => client.brands.remove.mutate({ workspaceId, brandId }),
    onSuccess: async () => {
      toast({ title: `${brand?.name ?? 'The brand'} is deleted`, icon: 'trash-2' });
      await cache.invalidateQueries({ queryKey: ['brands', workspaceId] });
    },
    onError: sayProblem,
  });
  const mayManage = atLeast(role, 'admin');
  return (
    <Page
      title="Brands"
      lead="What is made for a brand wears its colours, type and voice."
      actions={
        mayManage && (
          <Button look="main" icon="plus" onClick={() => setMaking(true)}>
            New brand
          </Button>
        )
      }
    >
      {found.error && <ErrorOf error={found.error} onRetry={() => found.refetch()} />}
      {found.isPending && (
        <Loading>
          <div className="brandpage">
            <Skeleton height={120} />
            <Skeleton height={420} />
          </div>
        </Loading>
      )}
      {found.data && brands.length === 0 && (
        <Empty icon="palette" title="No brand is open to you" text="An admin can add you to one under Members." />
      )}
      {brand && (
        <div className="brandpage">
          <ul className="brandlist" aria-label="Brands">
            {brands.map((each) => (
              <li key={each.id}>
                <button
                  type="button"
                  aria-current={each.id === brand.id ? 'true' : undefined}
                  onClick={() => chooseBrand(workspaceId, each.id)}
                >
                  <BrandMark name={each.name} color={each.kit.colors.primary} />
                  <span className="cut">{each.name}</span>
                </button>
              </li>
            ))}
          </ul>
          <div className="min-w-0" key={brand.id}>
            <div className="row mb-4">
              <BrandMark name={brand.name} color={brand.kit.colors.primary} size="lg" />
              <h2 className="h-20 grow cut">{brand.name}</h2>
              {mayManage && (
                <Menu
                  align="end"
                  trigger={<IconButton icon="ellipsis" label={`More for ${brand.name}`} />}
                  items={[{ label: 'Delete brand', icon: 'trash-2', danger: true, onSelect: () => setLeaving(true) }]}
                />
              )}
            </div>
            <BrandKitForm workspaceId={workspaceId} brand={brand} mayEdit={atLeast(role, 'editor')} />
            <ShowcaseBox workspaceId={workspaceId} brand={brand} mayEdit={atLeast(role, 'editor')} />
          </div>
        </div>
      )}
      {making && <NewBrand workspaceId={workspaceId} onClose={() => setMaking(false)} />}
      <Confirm
        open={leaving}
        onClose={() => setLeaving(false)}
        title={`Delete ${brand?.name ?? 'this brand'}?`}
        lead="Its Showcase pages go offline with it. Runs made for it stay in the list."
        act="Delete brand"
        danger={true}
        onAct={() => brand && remove.mutateAsync(brand.id).catch(() => {})}
      />
    </Page>
  );
}

function NewBrand({ workspaceId, onClose }: { workspaceId: string; onClose: () => void }) {
  const cache = useQueryClient();
  const [name, setName] = useState('');
  const create = useMutation({
    mutationFn: () =>
      client.brands.create.mutate({
        workspaceId,
        name: name.trim(),
        timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      }),
    onSuccess: async ({ id }) => {
      await cache.invalidateQueries({ queryKey: ['brands', workspaceId] });
      chooseBrand(workspaceId, id);
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== '') create.mutate();
  };
  return (
    <FormDialog
      open={true}
      onClose={onClose}
      title="New brand"
      act="Make brand"
      busy={create.isPending}
      ready={name.trim() !== ''}
      error={create.error}
      onSubmit={submit}
    >
      <Field label="Name" help="As people know it: on pages, thumbnails and in feeds.">
        {({ id, describedBy }) => (
          <Input
            id={id}
            aria-describedby={describedBy}
            maxLength={80}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
    </FormDialog>
  );
}
