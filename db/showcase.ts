/** Pages of the built-in destination, `0012_showcase.sql`. Content is JSON here; `server/showcase` draws it. */
import { sql } from 'kysely';
import type { Database } from './connect.ts';
import type { WorkspaceTx } from './workspace.ts';

export type PageRow = {
  id: string;
  brandId: string;
  key: string;
  slug: string;
  state: 'published' | 'unpublished';
  visibility: 'public' | 'unlisted';
  title: string;
  content: unknown;
  assets: string[];
  publishedAt: string;
  updatedAt: string;
};

const COLUMNS = [
  'id',
  'brand_id',
  'key',
  'slug',
  'state',
  'visibility',
  'title',
  'content',
  'assets',
  'published_at',
  'updated_at',
] as const;

function pageRow(row: {
  id: string;
  brand_id: string;
  key: string;
  slug: string;
  state: string;
  visibility: string;
  title: string;
  content: unknown;
  assets: string[];
  published_at: Date;
  updated_at: Date;
}): PageRow {
  return {
    id: row.id,
    brandId: row.brand_id,
    key: row.key,
    slug: row.slug,
    state: row.state as PageRow['state'],
    visibility: row.visibility as PageRow['visibility'],
    title: row.title,
    content: row.content,
    assets: row.assets,
    publishedAt: row.published_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

/** Publishes; the same key again changes the same page and keeps its address. */
export async function publishPage(
  tx: WorkspaceTx,
  page: {
    brandId: string;
    key: string;
    slug: string;
    visibility: PageRow['visibility'];
    title: string;
    content: unknown;
    assets: string[];
  },
): Promise<PageRow> {
  const content = JSON.stringify(page.content);
  const known = await tx
    .updateTable('showcase_page')
    .set({
      state: 'published',
      visibility: page.visibility,
      title: page.title,
      content,
      assets: page.assets,
      updated_at: new Date(),
    })
    .where('brand_id', '=', page.brandId)
    .where('key', '=', page.key)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (known) return pageRow(known);
  for (let attempt = 1; ; attempt++) {
    const made = await tx
      .insertInto('showcase_page')
      .values({
        brand_id: page.brandId,
        key: page.key,
        slug: attempt === 1 ? page.slug : `${page.slug.slice(0, 70)}-${attempt}`,
        visibility: page.visibility,
        title: page.title,
        content,
        assets: page.assets,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning(COLUMNS)
      .executeTakeFirst();
    if (made) return pageRow(made);
    const other = await pageByKey(tx, page.brandId, page.key);
    if (other) return publishPage(tx, page); // somebody published the same meanwhile
  }
}

export async function pageByKey(tx: WorkspaceTx, brandId: string, key: string): Promise<PageRow | undefined> {
  const row = await tx
    .selectFrom('showcase_page')
    .select(COLUMNS)
    .where('brand_id', '=', brandId)
    .where('key', '=', key)
    .executeTakeFirst();
  return row && pageRow(row);
}

/** Pages of a brand whose key begins so, newest first. */
export async function pagesAbout(tx: WorkspaceTx, brandId: string, beginning: string): Promise<PageRow[]> {
  const rows = await tx
    .selectFrom('showcase_page')
    .select(COLUMNS)
    .where('brand_id', '=', brandId)
    .where(sql<boolean>`starts_with(key, ${beginning})`)
    .orderBy('updated_at', 'desc')
    .limit(20)
    .execute();
  return rows.map(pageRow);
}

export async function pageBySlug(tx: WorkspaceTx, brandId: string, slug: string): Promise<PageRow | undefined> {
  const row = await tx
    .selectFrom('showcase_page')
    .select(COLUMNS)
    .where('brand_id', '=', brandId)
    .where('slug', '=', slug)
    .executeTakeFirst();
  return row && pageRow(row);
}

export async function pageById(tx: WorkspaceTx, id: string): Promise<PageRow | undefined> {
  const row = await tx.selectFrom('showcase_page').select(COLUMNS).where('id', '=', id).executeTakeFirst();
  return row && pageRow(row);
}

/** Newest first. */
export async function listPages(
  tx: WorkspaceTx,
  brandId: string,
  options: { onlyPublic?: boolean } = {},
): Promise<PageRow[]> {
  let query = tx
    .selectFrom('showcase_page')
    .select(COLUMNS)
    .where('brand_id', '=', brandId)
    .orderBy('published_at', 'desc')
    .limit(200);
  if (options.onlyPublic) query = query.where('state', '=', 'published').where('visibility', '=', 'public');
  return (await query.execute()).map(pageRow);
}

export async function setPageState(
  tx: WorkspaceTx,
  brandId: string,
  id: string,
  state: PageRow['state'],
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('showcase_page')
    .set({ state, updated_at: new Date() })
    .where('brand_id', '=', brandId)
    .where('id', '=', id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

// ---------------------------------------------------------------- doors

export async function brandOfSlug(
  db: Database,
  slug: string,
): Promise<{ workspaceId: string; brandId: string } | undefined> {
  const { rows } = await sql<{
    workspace_id: string;
    brand_id: string;
  }>`select * from door.brand_of_slug(${slug})`.execute(db);
  const row = rows[0];
  return row && { workspaceId: row.workspace_id, brandId: row.brand_id };
}

export async function workspaceOfPage(db: Database, id: string): Promise<string | undefined> {
  const { rows } = await sql<{ workspace_id: string }>`select workspace_id from door.page(${id})`.execute(db);
  return rows[0]?.workspace_id;
}
