/** Brands: a name, a kit, a time zone and the address of the public page. The kit is JSON here. */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type BrandRow = { id: string; name: string; slug: string; kit: unknown; timeZone: string };

/** `only` limits to these ids (a member of some brands). */
export async function listBrands(tx: WorkspaceTx, only?: string[] | null): Promise<BrandRow[]> {
  let query = tx
    .selectFrom('brand')
    .select(['id', 'name', 'slug', 'kit', 'time_zone'])
    .where('removed_at', 'is', null)
    .orderBy('created_at');
  if (only) query = query.where(sql<boolean>`id = any(${only}::uuid[])`);
  return (await query.execute()).map((row) => ({
    id: row.id,
    name: row.name,
    slug: row.slug,
    kit: row.kit,
    timeZone: row.time_zone,
  }));
}

export async function getBrand(tx: WorkspaceTx, brandId: string): Promise<BrandRow | undefined> {
  return (await listBrands(tx, [brandId]))[0];
}

/** The slug is the name's, with a number where another brand of this installation has it. */
export async function createBrand(
  tx: WorkspaceTx,
  brand: { name: string; kit: unknown; timeZone: string },
): Promise<BrandRow> {
  const base =
    brand.name
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 50) || 'brand';
  for (let attempt = 1; ; attempt++) {
    const slug = attempt === 1 ? base : `${base}-${attempt}`;
    const row = await tx
      .insertInto('brand')
      .values({ name: brand.name, slug, kit: JSON.stringify(brand.kit), time_zone: brand.timeZone })
      .onConflict((conflict) => conflict.column('slug').doNothing())
      .returning('id')
      .executeTakeFirst();
    if (row) return { id: row.id, slug, ...brand };
  }
}

export async function updateBrand(
  tx: WorkspaceTx,
  brandId: string,
  change: { name?: string; kit?: unknown; timeZone?: string },
): Promise<boolean> {
  const set = {
    ...(change.name === undefined ? {} : { name: change.name }),
    ...(change.kit === undefined ? {} : { kit: JSON.stringify(change.kit) }),
    ...(change.timeZone === undefined ? {} : { time_zone: change.timeZone }),
  };
  if (Object.keys(set).length === 0) return true;
  const { numUpdatedRows } = await tx
    .updateTable('brand')
    .set(set)
    .where('id', '=', brandId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Its runs and pages stay; its public address answers no more. */
export async function removeBrand(tx: WorkspaceTx, brandId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('brand')
    .set({ removed_at: new Date() })
    .where('id', '=', brandId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
