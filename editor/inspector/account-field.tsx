/** The account a node works with: the brand's only one, or one that is chosen by its name. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ManifestJson } from '../../nodes/contract.ts';
import { client } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { ErrorOf } from '../ui/error-card.tsx';
import { Select } from '../ui/field.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import type { Json } from './form-schema.ts';

/** A choice has a value; the setting is empty for it. */
const ONLY = '-';

type AccountFieldProps = {
  id: string;
  workspaceId: string;
  manifest: ManifestJson;
  value: Json | undefined;
  disabled: boolean;
  onChange: (value: Json | undefined) => void;
};

export function AccountField({ id, workspaceId, manifest, value, disabled, onChange }: AccountFieldProps) {
  const { brand } = useCurrentBrand(workspaceId);
  const found = useQuery({
    queryKey: ['connections', workspaceId, brand?.id],
    queryFn: () => client.connections.list.query({ workspaceId, brandId: brand!.id }),
    enabled: brand !== null,
  });
  if (found.error) return <ErrorOf error={found.error} onRetry={() => found.refetch()} />;
  if (!found.data)
    return (
      <Loading>
        <Skeleton height={28} />
      </Loading>
    );
  const chosen = typeof value === 'string' ? value : '';
  const accounts = found.data.connections.filter(({ platform }) => platform === manifest.connection?.platform);
  const names = accounts.map(({ name }) => name);
  const isGone = chosen !== '' && !names.includes(chosen);
  const options = [
    { value: ONLY, label: accounts.length === 1 ? names[0]! : "The brand's own account" },
    ...(accounts.length > 1 ? names : []).map((name) => ({ value: name, label: name })),
    ...(isGone || (accounts.length === 1 && chosen !== '') ? [{ value: chosen, label: chosen }] : []),
  ];
  return (
    <div className="grid gap-2">
      <Select
        id={id}
        dense={true}
        label="Account"
        value={chosen === '' ? ONLY : chosen}
        options={options}
        disabled={disabled}
        bad={isGone}
        onChange={(next) => onChange(next === ONLY ? '' : next)}
      />
      {(accounts.length === 0 || isGone) && (
        <p className="muted t-12">
          {isGone ? `${chosen} is not connected for ${brand?.name}.` : `${brand?.name} has no account there yet.`}{' '}
          <Link to="/w/$workspaceId/connections" params={{ workspaceId }} search={{}} className="link">
            Connect one
          </Link>
        </p>
      )}
    </div>
  );
}
