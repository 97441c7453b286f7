/**
 * Plugins of a workspace: packages, the node types in them, which is in use, and what each may do (0070_plugins.sql).
 * A package is never changed; what changes is which of them is in use, and its grants. Every such change moves `revision`.
 */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type PackageSource =
  | { kind: 'file' }
  | { kind: 'folder' }
  | { kind: 'npm'; registry: string; integrity: string | null };
export type PackageState = 'checking' | 'ready' | 'refused';
export type PackageRow = {
  digest: string;
  name: string;
  version: string;
  source: PackageSource;
  state: PackageState;
  error: unknown;
  bytes: number;
  createdAt: Date;
};
export type PluginTypeRow = {
  type: string;
  version: string;
  behaviour: string;
  manifest: unknown;
  /** Of the package and of the plugin it belongs to. */
  digest: string;
  plugin: string;
  place: number;
};
export type PluginState = 'on' | 'deprecated' | 'removed';
export type PluginRow = {
  name: string;
  digest: string;
  version: string;
  previous: { digest: string; version: string } | null;
  state: PluginState;
  note: string | null;
  isDev: boolean;
  revision: number;
  installedAt: Date;
  changedAt: Date;
  by: string | null;
  source: PackageSource;
};

// ---------------------------------------------------------------- packages

/** Keeps a packed file to be checked; one that is known is checked anew, which changes nothing for what runs. */
export async function addPackage(
  tx: WorkspaceTx,
  given: { digest: string; name: string; version: string; source: PackageSource; file: string; by: string | null },
): Promise<void> {
  const { by, source, ...rest } = given;
  await tx
    .insertInto('plugin_package')
    .values({ ...rest, source: JSON.stringify(source), by_user: by })
    .onConflict((conflict) =>
      conflict.columns(['workspace_id', 'digest']).doUpdateSet({ state: 'checking', error: null }),
    )
    .execute();
}

export async function getPackage(tx: WorkspaceTx, digest: string): Promise<PackageRow | undefined> {
  const row = await tx
    .selectFrom('plugin_package')
    .select(['digest', 'name', 'version', 'source', 'state', 'error', 'created_at'])
    .select(sql<number>`octet_length(file)`.as('bytes'))
    .where('digest', '=', digest)
    .executeTakeFirst();
  return (
    row && {
      digest: row.digest,
      name: row.name,
      version: row.version,
      source: row.source as PackageSource,
      state: row.state as PackageState,
      error: row.error,
      bytes: row.bytes,
      createdAt: row.created_at,
    }
  );
}

export async function packageFile(tx: WorkspaceTx, digest: string): Promise<string | undefined> {
  const row = await tx.selectFrom('plugin_package').select('file').where('digest', '=', digest).executeTakeFirst();
  return row?.file;
}

/** What the check came to: the node types in it, or why it is refused. */
export async function settlePackage(
  tx: WorkspaceTx,
  digest: string,
  found:
    | { types: { type: string; version: string; behaviour: string; place: number; manifest: unknown }[] }
    | { error: unknown },
): Promise<void> {
  if ('types' in found) {
    for (const { manifest, ...type } of found.types) {
      await tx
        .insertInto('plugin_type')
        .values({ digest, ...type, manifest: JSON.stringify(manifest) })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  }
  await tx
    .updateTable('plugin_package')
    .set('types' in found ? { state: 'ready', error: null } : { state: 'refused', error: JSON.stringify(found.error) })
    .where('digest', '=', digest)
    .execute();
}

export async function typesOfPackage(tx: WorkspaceTx, digest: string): Promise<PluginTypeRow[]> {
  return typeRows(await selectTypes(tx).where('plugin_type.digest', '=', digest).orderBy('place').execute());
}

/** Those of the packages in use. */
export async function typesInUse(tx: WorkspaceTx): Promise<(PluginTypeRow & { state: PluginState })[]> {
  const rows = await selectTypes(tx)
    .innerJoin('plugin', (join) =>
      join
        .onRef('plugin.workspace_id', '=', 'plugin_type.workspace_id')
        .onRef('plugin.digest', '=', 'plugin_type.digest'),
    )
    .select('plugin.state')
    .where('plugin.state', '<>', 'removed')
    .orderBy('type')
    .execute();
  return rows.map((row) => ({ ...typeRow(row), state: row.state as PluginState }));
}

/** Node types as they were pinned, whichever is in use now; not of plugins that were removed. */
export async function pinnedTypes(
  tx: WorkspaceTx,
  pins: readonly { type: string; behaviour: string }[],
): Promise<PluginTypeRow[]> {
  if (pins.length === 0) return [];
  const rows = await selectTypes(tx)
    .innerJoin('plugin', (join) =>
      join
        .onRef('plugin.workspace_id', '=', 'plugin_type.workspace_id')
        .onRef('plugin.name', '=', 'plugin_package.name'),
    )
    .where('plugin.state', '<>', 'removed')
    .where(sql<boolean>`(type, behaviour) in (select * from unnest(
      ${pins.map(({ type }) => type)}::text[], ${pins.map(({ behaviour }) => behaviour)}::text[]))`)
    .orderBy('plugin_package.created_at', 'desc')
    .execute();
  const once = new Map(rows.map((row) => [row.type, typeRow(row)])); // the same script packed twice is the same
  return [...once.values()];
}

function selectTypes(tx: WorkspaceTx) {
  return tx
    .selectFrom('plugin_type')
    .innerJoin('plugin_package', (join) =>
      join
        .onRef('plugin_package.workspace_id', '=', 'plugin_type.workspace_id')
        .onRef('plugin_package.digest', '=', 'plugin_type.digest'),
    )
    .select([
      'plugin_type.type',
      'plugin_type.version',
      'plugin_type.behaviour',
      'plugin_type.manifest',
      'plugin_type.digest',
      'plugin_type.place',
      'plugin_package.name as plugin',
    ]);
}
type TypeColumns = Awaited<ReturnType<ReturnType<typeof selectTypes>['execute']>>[number];
const typeRow = ({ type, version, behaviour, manifest, digest, place, plugin }: TypeColumns): PluginTypeRow => ({
  type,
  version,
  behaviour,
  manifest,
  digest,
  place,
  plugin,
});
const typeRows = (rows: TypeColumns[]) => rows.map(typeRow);

// ---------------------------------------------------------------- what is in use

function selectPlugins(tx: WorkspaceTx) {
  return tx
    .selectFrom('plugin')
    .innerJoin('plugin_package as now', (join) =>
      join.onRef('now.workspace_id', '=', 'plugin.workspace_id').onRef('now.digest', '=', 'plugin.digest'),
    )
    .leftJoin('plugin_package as before', (join) =>
      join.onRef('before.workspace_id', '=', 'plugin.workspace_id').onRef('before.digest', '=', 'plugin.previous'),
    )
    .select([
      'plugin.name',
      'plugin.digest',
      'now.version',
      'now.source',
      'plugin.previous',
      'before.version as previous_version',
      'plugin.state',
      'plugin.note',
      'plugin.is_dev',
      'plugin.revision',
      'plugin.installed_at',
      'plugin.changed_at',
      'plugin.by_user',
    ]);
}
type PluginColumns = Awaited<ReturnType<ReturnType<typeof selectPlugins>['execute']>>[number];
const pluginRow = (row: PluginColumns): PluginRow => ({
  name: row.name,
  digest: row.digest,
  version: row.version,
  previous: row.previous === null ? null : { digest: row.previous, version: row.previous_version! },
  state: row.state as PluginState,
  note: row.note,
  isDev: row.is_dev,
  revision: Number(row.revision),
  installedAt: row.installed_at,
  changedAt: row.changed_at,
  by: row.by_user,
  source: row.source as PackageSource,
});

export async function listPlugins(tx: WorkspaceTx): Promise<PluginRow[]> {
  return (await selectPlugins(tx).orderBy('plugin.name').execute()).map(pluginRow);
}

/** `lock`: nobody else changes it until the transaction ends. */
export async function getPlugin(
  tx: WorkspaceTx,
  name: string,
  { lock = false }: { lock?: boolean } = {},
): Promise<PluginRow | undefined> {
  const query = selectPlugins(tx).where('plugin.name', '=', name);
  const row = await (lock ? query.forUpdate('plugin') : query).executeTakeFirst();
  return row && pluginRow(row);
}

/** Puts a package in use, in the place of the one of that name; `rights` are all that it may do from now on. */
export async function usePackage(
  tx: WorkspaceTx,
  given: { name: string; digest: string; rights: readonly string[]; isDev: boolean; by: string | null },
): Promise<void> {
  const { name, digest, rights, isDev, by } = given;
  await tx
    .insertInto('plugin')
    .values({ name, digest, is_dev: isDev, by_user: by })
    .onConflict((conflict) =>
      conflict.columns(['workspace_id', 'name']).doUpdateSet({
        // packed again and again by its author, it can be taken back to what was there before
        previous: sql`case when plugin.digest = excluded.digest or (plugin.is_dev and excluded.is_dev) then plugin.previous else plugin.digest end`,
        digest,
        is_dev: isDev,
        state: 'on',
        note: null,
        revision: sql`plugin.revision + 1`,
        by_user: by,
        changed_at: sql<Date>`now()`,
      }),
    )
    .execute();
  await setGrants(tx, name, rights, by);
}

/** Exactly these are allowed from now on; what is taken back is kept as taken back. */
export async function setGrants(
  tx: WorkspaceTx,
  plugin: string,
  rights: readonly string[],
  by: string | null,
): Promise<void> {
  await tx
    .updateTable('plugin_grant')
    .set({ revoked_at: sql<Date>`now()`, revoked_by: by })
    .where('plugin', '=', plugin)
    .where('revoked_at', 'is', null)
    .where(sql<boolean>`right_id <> all(${[...rights]}::text[])`)
    .execute();
  for (const right of rights) {
    await tx
      .insertInto('plugin_grant')
      .values({ plugin, right_id: right, granted_by: by })
      .onConflict((conflict) =>
        conflict
          .columns(['workspace_id', 'plugin', 'right_id'])
          .doUpdateSet({ granted_by: by, granted_at: sql<Date>`now()`, revoked_at: null, revoked_by: null })
          .where('plugin_grant.revoked_at', 'is not', null),
      )
      .execute();
  }
  await tx
    .updateTable('plugin')
    .set({ revision: sql`revision + 1`, changed_at: sql<Date>`now()` })
    .where('name', '=', plugin)
    .execute();
}

export async function setPluginState(
  tx: WorkspaceTx,
  name: string,
  change: { state: PluginState; note: string | null },
): Promise<void> {
  await tx
    .updateTable('plugin')
    .set({ ...change, revision: sql`revision + 1`, changed_at: sql<Date>`now()` })
    .where('name', '=', name)
    .execute();
}

export type GrantRow = { right: string; grantedBy: string | null; grantedAt: Date; revokedAt: Date | null };
export async function listGrants(tx: WorkspaceTx, plugin: string): Promise<GrantRow[]> {
  const rows = await tx
    .selectFrom('plugin_grant')
    .select(['right_id', 'granted_by', 'granted_at', 'revoked_at'])
    .where('plugin', '=', plugin)
    .orderBy('right_id')
    .execute();
  return rows.map((row) => ({
    right: row.right_id,
    grantedBy: row.granted_by,
    grantedAt: row.granted_at,
    revokedAt: row.revoked_at,
  }));
}

/** What the worker holds plugins to; a plugin that is not here, or removed, may do nothing. */
export async function grantsOf(
  tx: WorkspaceTx,
  plugins: readonly string[],
): Promise<{ name: string; state: PluginState; isDev: boolean; revision: number; rights: string[] }[]> {
  const rows = await tx
    .selectFrom('plugin')
    .leftJoin('plugin_grant', (join) =>
      join
        .onRef('plugin_grant.workspace_id', '=', 'plugin.workspace_id')
        .onRef('plugin_grant.plugin', '=', 'plugin.name')
        .on('plugin_grant.revoked_at', 'is', null),
    )
    .select(['plugin.name', 'plugin.state', 'plugin.is_dev', 'plugin.revision'])
    .select(sql<string[]>`coalesce(array_agg(right_id) filter (where right_id is not null), '{}')`.as('rights'))
    .where(sql<boolean>`plugin.name = any(${[...plugins]}::text[])`)
    .groupBy(['plugin.name', 'plugin.state', 'plugin.is_dev', 'plugin.revision'])
    .execute();
  return rows.map(({ name, state, is_dev: isDev, revision, rights }) => ({
    name,
    state: state as PluginState,
    isDev,
    revision: Number(revision),
    rights,
  }));
}

// ---------------------------------------------------------------- where they are fetched from

export async function getRegistry(tx: WorkspaceTx): Promise<{ url: string; sealed: string | null } | undefined> {
  return tx.selectFrom('plugin_registry').select(['url', 'sealed']).executeTakeFirst();
}

/** Null: the installation's. */
export async function setRegistry(
  tx: WorkspaceTx,
  registry: { url: string; sealed: string | null } | null,
): Promise<void> {
  if (registry === null) {
    await tx.deleteFrom('plugin_registry').execute();
    return;
  }
  const row = { ...registry, updated_at: new Date() };
  await tx
    .insertInto('plugin_registry')
    .values(row)
    .onConflict((conflict) => conflict.column('workspace_id').doUpdateSet(row))
    .execute();
}

// ---------------------------------------------------------------- drafts that are carried over

export type CarryRow = {
  pipelineId: string;
  pipelineName: string;
  revision: number;
  operations: unknown;
  inverse: unknown;
  review: unknown;
  doneRevision: number | null;
};

/** Drafts that have a node of one of these types. */
export async function draftsWith(
  tx: WorkspaceTx,
  types: readonly string[],
): Promise<{ id: string; revision: number; draft: unknown }[]> {
  return tx
    .selectFrom('pipeline')
    .select(['id', 'revision', 'draft'])
    .where('removed_at', 'is', null)
    .where(sql<boolean>`exists (select 1 from jsonb_array_elements(draft -> 'nodes') n
                                 where n ->> 'type' = any(${[...types]}::text[]))`)
    .orderBy('id')
    .execute();
}

/** In the place of what was worked out before and not done. */
export async function keepCarries(
  tx: WorkspaceTx,
  digest: string,
  carries: readonly Pick<CarryRow, 'pipelineId' | 'revision' | 'operations' | 'inverse' | 'review'>[],
): Promise<void> {
  await tx.deleteFrom('plugin_carry').where('digest', '=', digest).where('done_revision', 'is', null).execute();
  for (const { pipelineId, revision, operations, inverse, review } of carries) {
    await tx
      .insertInto('plugin_carry')
      .values({
        digest,
        pipeline_id: pipelineId,
        revision,
        operations: JSON.stringify(operations),
        inverse: JSON.stringify(inverse),
        review: JSON.stringify(review),
      })
      .onConflict((conflict) =>
        conflict.columns(['workspace_id', 'digest', 'pipeline_id']).doUpdateSet((eb) => ({
          revision: eb.ref('excluded.revision'),
          operations: eb.ref('excluded.operations'),
          inverse: eb.ref('excluded.inverse'),
          review: eb.ref('excluded.review'),
          done_revision: null,
        })),
      )
      .execute();
  }
}

export async function listCarries(tx: WorkspaceTx, digest: string): Promise<CarryRow[]> {
  const rows = await tx
    .selectFrom('plugin_carry')
    .innerJoin('pipeline', (join) =>
      join
        .onRef('pipeline.workspace_id', '=', 'plugin_carry.workspace_id')
        .onRef('pipeline.id', '=', 'plugin_carry.pipeline_id')
        .on('pipeline.removed_at', 'is', null),
    )
    .selectAll('plugin_carry')
    .select('pipeline.name')
    .where('digest', '=', digest)
    .orderBy('pipeline.name')
    .execute();
  return rows.map((row) => ({
    pipelineId: row.pipeline_id,
    pipelineName: row.name,
    revision: row.revision,
    operations: row.operations,
    inverse: row.inverse,
    review: row.review,
    doneRevision: row.done_revision,
  }));
}

export async function markCarried(
  tx: WorkspaceTx,
  digest: string,
  pipelineId: string,
  doneRevision: number | null,
): Promise<void> {
  await tx
    .updateTable('plugin_carry')
    .set({ done_revision: doneRevision })
    .where('digest', '=', digest)
    .where('pipeline_id', '=', pipelineId)
    .execute();
}

// ---------------------------------------------------------------- what it did

export type PluginUse = {
  plugin: string;
  right: string;
  calls: number;
  refused: number;
  sentBytes: number;
  receivedBytes: number;
};

/** Adds to today's counts. */
export async function addPluginUse(tx: WorkspaceTx, uses: readonly PluginUse[]): Promise<void> {
  await sql`
    insert into plugin_use (plugin, day, right_id, calls, refused, sent_bytes, received_bytes)
    select u.plugin, (now() at time zone 'utc')::date, u.right, u.calls, u.refused, u."sentBytes", u."receivedBytes"
      from json_to_recordset(${JSON.stringify(uses)}::json)
        as u (plugin text, "right" text, calls bigint, refused bigint, "sentBytes" bigint, "receivedBytes" bigint)
     where exists (select 1 from plugin p where p.name = u.plugin)
     order by u.plugin, u.right
    on conflict (workspace_id, plugin, day, right_id) do update
       set calls = plugin_use.calls + excluded.calls, refused = plugin_use.refused + excluded.refused,
           sent_bytes = plugin_use.sent_bytes + excluded.sent_bytes,
           received_bytes = plugin_use.received_bytes + excluded.received_bytes`.execute(tx);
}

/** Of the last `days`, by right. */
export async function pluginUses(tx: WorkspaceTx, plugin: string, days: number): Promise<Omit<PluginUse, 'plugin'>[]> {
  const { rows } = await sql<Record<'calls' | 'refused' | 'sent' | 'received', string> & { right_id: string }>`
    select right_id, sum(calls) as calls, sum(refused) as refused, sum(sent_bytes) as sent, sum(received_bytes) as received
      from plugin_use where plugin = ${plugin} and day > (now() at time zone 'utc')::date - ${days}::int
     group by right_id order by right_id`.execute(tx);
  return rows.map((row) => ({
    right: row.right_id,
    calls: Number(row.calls),
    refused: Number(row.refused),
    sentBytes: Number(row.sent),
    receivedBytes: Number(row.received),
  }));
}
