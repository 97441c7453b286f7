/** The brand this browser works for in a workspace: chosen in the bar, kept until another one is. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { create } from 'zustand';
import { client, type Outputs, queryClient } from '../api.ts';

export type Brand = Outputs['brands']['list'][number];

export const brandsQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['brands', workspaceId],
    queryFn: () => client.brands.list.query({ workspaceId }),
    staleTime: 30_000,
  });

const KEY = 'spliceboard.brand';
const stored = (workspaceId: string): string | null => localStorage.getItem(`${KEY}.${workspaceId}`);
const useChosen = create<Record<string, string | undefined>>(() => ({}));

export function chooseBrand(workspaceId: string, brandId: string): void {
  localStorage.setItem(`${KEY}.${workspaceId}`, brandId);
  useChosen.setState({ [workspaceId]: brandId });
}

/** The same for what is no component: null where brands were not loaded, or the chosen one is gone. */
export function currentBrandId(workspaceId: string): string | null {
  const brands = queryClient.getQueryData(brandsQuery(workspaceId).queryKey) ?? [];
  const chosen = useChosen.getState()[workspaceId] ?? stored(workspaceId);
  return (brands.find(({ id }) => id === chosen) ?? brands[0])?.id ?? null;
}

/** The chosen brand, or the first one; null while brands load or where there are none. */
export function useCurrentBrand(workspaceId: string): { brand: Brand | null; brands: Brand[] } {
  const { data } = useQuery(brandsQuery(workspaceId));
  const chosen = useChosen((state) => state[workspaceId]) ?? stored(workspaceId);
  const brands: Brand[] = data ?? [];
  return { brand: brands.find(({ id }) => id === chosen) ?? brands[0] ?? null, brands };
}
