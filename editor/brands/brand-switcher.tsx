/** Chooses the brand one works for. */
import { useNavigate } from '@tanstack/react-router';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { BrandMark } from '../ui/parts.tsx';
import { chooseBrand, useCurrentBrand } from './current-brand.ts';

type BrandSwitcherProps = { workspaceId: string; onChange?: (brandId: string) => void; compact?: boolean };

export function BrandSwitcher({ workspaceId, onChange, compact }: BrandSwitcherProps) {
  const { brand, brands } = useCurrentBrand(workspaceId);
  const navigate = useNavigate();
  if (!brand) return null;
  return (
    <Menu
      trigger={
        <button type="button" className="btn quiet px-2">
          <span className="sr">Brand</span>
          <BrandMark name={brand.name} color={brand.kit.colors.primary} />
          <span className={compact ? 'sr' : 'cut max-w-40'}>{brand.name}</span>
          <Icon name="chevrons-up-down" size={14} />
        </button>
      }
      items={[
        { caption: 'Brand' },
        ...brands.map((each) => ({
          label: each.name,
          checked: each.id === brand.id,
          onSelect: () => {
            chooseBrand(workspaceId, each.id);
            onChange?.(each.id);
          },
        })),
        'line' as const,
        {
          label: 'Brands',
          icon: 'palette',
          onSelect: () => void navigate({ to: '/w/$workspaceId/brands', params: { workspaceId } }),
        },
      ]}
    />
  );
}
