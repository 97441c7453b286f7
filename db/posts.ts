/** What was published at platforms, with its figures, and the webhooks that tell of it. */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type PostState = 'live' | 'removing' | 'removed';
export type PostRow = {
  id: string;
  brandId: string;
  connectionId: string;
  runId: string | null;
  node: string;
  type: string;
  postId: string;
  post: unknown;
  state: PostState;
  note: string | null;
  error: unknown;
  metrics: unknown;
  metricsAt: Date | null;
  createdAt: Date;
};

const COLUMNS = [
  'id',
  'brand_id as brandId',
  'connection_id as connectionId',
  'run_id as runId',
  'node',
  'type',
  'post_id as postId',
  'post',
  'state',
  'note',
  'error',
  'metrics',
  'metrics_at as metricsAt',
  'created_at as createdAt',
] as const;
const asRow = <T extends { state: string }>(row: T) => ({ ...row, state: row.state as PostState });

/** One that is known already stays as it is: a step that is tried again published it before. */
export async function keepPost(
  tx: WorkspaceTx,
  row: { brandId: string; connectionId: string; runId: string; node: string; type: string; post: { id: string } },
): Promise<void> {
  await tx
    .insertInto('platform_post')
    .values({
      brand_id: row.brandId,
      connection_id: row.connectionId,
      run_id: row.runId,
      node: row.node,
      type: row.type,
      post_id: row.post.id,
      post: JSON.stringify(row.post),
    })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'connection_id', 'post_id']).doNothing())
    .execute();
}

/** Newest first, at most 100. */
export async function listPosts(tx: WorkspaceTx, brandIds: readonly string[]): Promise<PostRow[]> {
  if (brandIds.length === 0) return [];
  const rows = await tx
    .selectFrom('platform_post')
    .select(COLUMNS)
    .where('brand_id', 'in', [...brandIds])
    .orderBy('created_at', 'desc')
    .limit(100)
    .execute();
  return rows.map(asRow);
}

export async function getPost(tx: WorkspaceTx, id: string): Promise<PostRow | undefined> {
  const row = await tx.selectFrom('platform_post').select(COLUMNS).where('id', '=', id).executeTakeFirst();
  return row && asRow(row);
}

/** Posts of an account that are still there, newest first, at most 50. */
export async function livePosts(tx: WorkspaceTx, connectionId: string): Promise<PostRow[]> {
  const rows = await tx
    .selectFrom('platform_post')
    .select(COLUMNS)
    .where('connection_id', '=', connectionId)
    .where('state', '=', 'live')
    .orderBy('created_at', 'desc')
    .limit(50)
    .execute();
  return rows.map(asRow);
}

export async function movePost(
  tx: WorkspaceTx,
  id: string,
  from: PostState,
  to: { state: PostState; note?: string | null; error?: unknown },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('platform_post')
    .set({
      state: to.state,
      ...(to.note !== undefined && { note: to.note }),
      error: to.error === undefined ? null : JSON.stringify(to.error),
    })
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Figures replace those of the same name. */
export async function keepMetrics(
  tx: WorkspaceTx,
  connectionId: string,
  metrics: Record<string, Record<string, number>>,
): Promise<void> {
  await sql`
    update platform_post p set metrics = coalesce(p.metrics, '{}') || m.value, metrics_at = now()
      from jsonb_each(${JSON.stringify(metrics)}::jsonb) m
     where p.connection_id = ${connectionId} and p.post_id = m.key`.execute(tx);
}

/** What the platform told of a post. One that it took away is not there any more, whoever did it. */
export async function keepTold(
  tx: WorkspaceTx,
  connectionId: string,
  told: { post: string; isRemoved: boolean; note: string | null },
): Promise<void> {
  if (!told.isRemoved && told.note === null) return;
  await tx
    .updateTable('platform_post')
    .set({ ...(told.isRemoved && { state: 'removed' }), ...(told.note !== null && { note: told.note }) })
    .where('connection_id', '=', connectionId)
    .where('post_id', '=', told.post)
    .execute();
}

/** False: it came before. */
export async function keepEvent(
  tx: WorkspaceTx,
  row: { connectionId: string; event: string; headers: Record<string, string>; body: unknown },
): Promise<boolean> {
  const kept = await tx
    .insertInto('platform_event')
    .values({
      connection_id: row.connectionId,
      event: row.event,
      headers: JSON.stringify(row.headers),
      body: JSON.stringify(row.body),
    })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'connection_id', 'event']).doNothing())
    .returning('event')
    .executeTakeFirst();
  return kept !== undefined;
}

export async function getEvent(
  tx: WorkspaceTx,
  connectionId: string,
  event: string,
): Promise<{ headers: unknown; body: unknown; receivedAt: Date } | undefined> {
  return tx
    .selectFrom('platform_event')
    .select(['headers', 'body', 'received_at as receivedAt'])
    .where('connection_id', '=', connectionId)
    .where('event', '=', event)
    .where('state', '=', 'waiting')
    .executeTakeFirst();
}

export async function endEvent(
  tx: WorkspaceTx,
  connectionId: string,
  event: string,
  end: { error?: unknown },
): Promise<void> {
  await tx
    .updateTable('platform_event')
    .set(end.error === undefined ? { state: 'read' } : { state: 'failed', error: JSON.stringify(end.error) })
    .where('connection_id', '=', connectionId)
    .where('event', '=', event)
    .execute();
}
