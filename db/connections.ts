/**
 * Accounts at services, the attempts to connect them, and the clients that services know us as. What is sealed is opened by
 * runtime/connections/ alone. Whose an account is: of one brand, and of the plugin that connected it; null: the product's own.
 */
import { sql } from 'kysely';
import type { Database } from './connect.ts';
import type { WorkspaceTx } from './workspace.ts';

export type ConnectionState = 'ready' | 'reconnect' | 'removed';
export type ConnectionRow = {
  id: string;
  brandId: string;
  plugin: string | null;
  platform: string;
  title: string;
  server: string;
  account: string;
  name: string;
  url: string | null;
  scopes: string[];
  state: ConnectionState;
  error: unknown;
  sealed: string | null;
  expiresAt: Date | null;
  revision: number;
  hookSealed: string | null;
  createdAt: Date;
};
/** A service as a plugin connects to it. */
export type ServiceName = { plugin: string | null; platform: string };

const COLUMNS = [
  'id',
  'brand_id as brandId',
  'plugin',
  'platform',
  'title',
  'server',
  'account',
  'name',
  'url',
  'scopes',
  'state',
  'error',
  'sealed',
  'expires_at as expiresAt',
  'revision',
  'hook_sealed as hookSealed',
  'created_at as createdAt',
] as const;
const asRow = <T extends { state: string }>(row: T) => ({ ...row, state: row.state as ConnectionState });

/** Of these brands, the removed ones left out, in the order in which they were connected. */
export async function listConnections(
  tx: WorkspaceTx,
  brandIds: readonly string[],
  of?: ServiceName,
): Promise<ConnectionRow[]> {
  if (brandIds.length === 0) return [];
  let query = tx
    .selectFrom('connection')
    .select(COLUMNS)
    .where('brand_id', 'in', [...brandIds])
    .where('state', '<>', 'removed');
  if (of) query = query.where('platform', '=', of.platform).where('plugin', 'is not distinct from', of.plugin);
  return (await query.orderBy('created_at').orderBy('id').execute()).map(asRow);
}

export async function getConnection(tx: WorkspaceTx, id: string): Promise<ConnectionRow | undefined> {
  const row = await tx.selectFrom('connection').select(COLUMNS).where('id', '=', id).executeTakeFirst();
  return row && asRow(row);
}

/** An account that is connected anew is the same connection, with other secrets. */
export async function keepConnection(
  tx: WorkspaceTx,
  row: ServiceName & {
    id: string;
    brandId: string;
    title: string;
    server: string;
    account: string;
    name: string;
    url: string | null;
    scopes: string[];
    sealed: (id: string) => string;
    expiresAt: Date | null;
    by: string | null;
  },
): Promise<string> {
  const known = await tx
    .selectFrom('connection')
    .select('id')
    .where('brand_id', '=', row.brandId)
    .where('plugin', 'is not distinct from', row.plugin)
    .where('platform', '=', row.platform)
    .where('server', '=', row.server)
    .where('account', '=', row.account)
    .where('state', '<>', 'removed')
    .forUpdate()
    .executeTakeFirst();
  const id = known?.id ?? row.id;
  const values = {
    title: row.title,
    name: row.name,
    url: row.url,
    scopes: row.scopes,
    state: 'ready',
    error: null,
    sealed: row.sealed(id),
    expires_at: row.expiresAt,
    renewing_until: null,
    changed_at: new Date(),
    by_user: row.by,
  };
  if (known) {
    await tx
      .updateTable('connection')
      .set({ ...values, revision: sql<number>`revision + 1` })
      .where('id', '=', id)
      .execute();
    return id;
  }
  const { plugin, platform, server, account, brandId } = row;
  await tx
    .insertInto('connection')
    .values({ id, brand_id: brandId, plugin, platform, server, account, ...values })
    .execute();
  return id;
}

/** For at most `seconds` nobody else renews it. False: somebody does, or it was renewed since. */
export async function beginRenewal(
  tx: WorkspaceTx,
  { id, revision }: { id: string; revision: number },
  seconds: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('connection')
    .set({ renewing_until: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})` })
    .where('id', '=', id)
    .where('revision', '=', revision)
    .where('state', '=', 'ready')
    .where((where) =>
      where.or([where('renewing_until', 'is', null), where('renewing_until', '<', sql<Date>`clock_timestamp()`)]),
    )
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Written before any of it is used. False: it was connected anew, or removed, meanwhile. */
export async function endRenewal(
  tx: WorkspaceTx,
  { id, revision }: { id: string; revision: number },
  end: { sealed: string; expiresAt: Date | null } | { reconnect: unknown } | 'as it was',
): Promise<boolean> {
  const set =
    end === 'as it was'
      ? {}
      : 'sealed' in end
        ? { sealed: end.sealed, expires_at: end.expiresAt, error: null, revision: sql<number>`revision + 1` }
        : { state: 'reconnect', error: JSON.stringify(end.reconnect) };
  const { numUpdatedRows } = await tx
    .updateTable('connection')
    .set({ ...set, renewing_until: null, changed_at: new Date() })
    .where('id', '=', id)
    .where('revision', '=', revision)
    .where('state', '=', 'ready')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Its secrets go at once. */
export async function removeConnection(tx: WorkspaceTx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('connection')
    .set({ state: 'removed', sealed: null, hook_sha256: null, hook_sealed: null, changed_at: new Date() })
    .where('id', '=', id)
    .where('state', '<>', 'removed')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The address of its webhooks, which opens nothing else, and their secret. */
export async function setHook(
  tx: WorkspaceTx,
  id: string,
  hook: { sha256: string; sealed: string | null },
): Promise<void> {
  await tx
    .updateTable('connection')
    .set({ hook_sha256: hook.sha256, hook_sealed: hook.sealed })
    .where('id', '=', id)
    .where('state', '<>', 'removed')
    .execute();
}

/** The account whose webhooks come to an address. */
export async function connectionOfHook(
  db: Database,
  sha256: string,
): Promise<{ workspaceId: string; connectionId: string } | undefined> {
  const { rows } = await sql<{ workspace_id: string; connection_id: string }>`
    select * from door.connection_hook(${sha256})`.execute(db);
  return rows[0] && { workspaceId: rows[0].workspace_id, connectionId: rows[0].connection_id };
}

// ---------------------------------------------------------------- connecting

export type Connecting = {
  id: string;
  brandId: string;
  type: string;
  server: string;
  sealed: string | null;
  redirectUri: string;
  stage: 'begun' | 'away' | 'back' | 'done' | 'failed';
  url: string | null;
  error: unknown;
  connectionId: string | null;
  by: string;
};

export async function beginConnecting(
  tx: WorkspaceTx,
  row: {
    id: string;
    brandId: string;
    type: string;
    server: string;
    sealed: string | null;
    redirectUri: string;
    by: string;
  },
): Promise<void> {
  await tx
    .insertInto('connecting')
    .values({
      id: row.id,
      brand_id: row.brandId,
      type: row.type,
      server: row.server,
      sealed: row.sealed,
      redirect_uri: row.redirectUri,
      by_user: row.by,
    })
    .execute();
}

export async function getConnecting(tx: WorkspaceTx, id: string): Promise<Connecting | undefined> {
  const row = await tx
    .selectFrom('connecting')
    .select([
      'id',
      'brand_id as brandId',
      'type',
      'server',
      'sealed',
      'redirect_uri as redirectUri',
      'stage',
      'url',
      'error',
      'connection_id as connectionId',
      'by_user as by',
    ])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { ...row, stage: row.stage as Connecting['stage'] };
}

/** From one stage to the next; false where it stands elsewhere: a code that comes twice is used once. */
export async function moveConnecting(
  tx: WorkspaceTx,
  id: string,
  from: Connecting['stage'],
  to: {
    stage: Connecting['stage'];
    stateSha256?: string | null;
    sealed?: string | null;
    url?: string | null;
    error?: unknown;
    connectionId?: string;
  },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('connecting')
    .set({
      stage: to.stage,
      ...(to.stateSha256 !== undefined && { state_sha256: to.stateSha256 }),
      ...(to.sealed !== undefined && { sealed: to.sealed }),
      ...(to.url !== undefined && { url: to.url }),
      ...(to.error !== undefined && { error: JSON.stringify(to.error) }),
      ...(to.connectionId !== undefined && { connection_id: to.connectionId }),
    })
    .where('id', '=', id)
    .where('stage', '=', from)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The attempt that somebody comes back from. */
export async function connectingBehind(
  db: Database,
  sha256: string,
): Promise<{ workspaceId: string; connectingId: string } | undefined> {
  const { rows } = await sql<{ workspace_id: string; connecting_id: string }>`
    select * from door.connecting(${sha256})`.execute(db);
  return rows[0] && { workspaceId: rows[0].workspace_id, connectingId: rows[0].connecting_id };
}

// ---------------------------------------------------------------- apps

export type PlatformApp = { clientId: string; sealed: string };
/** `redirectUri` is empty for a client that an administrator entered. */
export type AppName = ServiceName & { server: string; redirectUri: string };

export async function getApp(tx: WorkspaceTx, of: AppName): Promise<PlatformApp | undefined> {
  return tx
    .selectFrom('platform_app')
    .select(['client_id as clientId', 'sealed'])
    .where('plugin', '=', of.plugin ?? '')
    .where('platform', '=', of.platform)
    .where('server', '=', of.server)
    .where('redirect_uri', '=', of.redirectUri)
    .executeTakeFirst();
}

export async function setApp(
  tx: WorkspaceTx,
  of: AppName,
  { clientId, sealed, by }: PlatformApp & { by: string | null },
): Promise<void> {
  await tx
    .insertInto('platform_app')
    .values({
      plugin: of.plugin ?? '',
      platform: of.platform,
      server: of.server,
      redirect_uri: of.redirectUri,
      client_id: clientId,
      sealed,
      by_user: by,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['workspace_id', 'plugin', 'platform', 'server', 'redirect_uri'])
        .doUpdateSet({ client_id: clientId, sealed, by_user: by }),
    )
    .execute();
}

/** Clients that administrators entered: which services have one. */
export async function listApps(tx: WorkspaceTx): Promise<(ServiceName & { clientId: string })[]> {
  const rows = await tx
    .selectFrom('platform_app')
    .select(['plugin', 'platform', 'client_id as clientId'])
    .where('redirect_uri', '=', '')
    .execute();
  return rows.map((row) => ({ ...row, plugin: row.plugin === '' ? null : row.plugin }));
}

// ---------------------------------------------------------------- quotas

/**
 * Takes units of what is given anew at `startsAt`; false where fewer are left, and nothing is taken. Counted for all workers
 * together: the row is the lock.
 */
export async function takeUnits(
  tx: WorkspaceTx,
  quota: { of: string; name: string; startsAt: Date; units: number; most: number },
): Promise<boolean> {
  if (quota.units > quota.most) return false;
  const { rows } = await sql<{ used: string }>`
    insert into quota_use as q (of, name, starts_at, used)
    values (${quota.of}, ${quota.name}, ${quota.startsAt}, ${quota.units})
    on conflict (workspace_id, of, name, starts_at) do update set used = q.used + ${quota.units}
     where q.used + ${quota.units} <= ${quota.most}
    returning used`.execute(tx);
  return rows.length > 0;
}

/** Units taken since then. */
export async function unitsUsed(tx: WorkspaceTx, of: string, name: string, startsAt: Date): Promise<number> {
  const row = await tx
    .selectFrom('quota_use')
    .select('used')
    .where('of', '=', of)
    .where('name', '=', name)
    .where('starts_at', '=', startsAt)
    .executeTakeFirst();
  return Number(row?.used ?? 0);
}
