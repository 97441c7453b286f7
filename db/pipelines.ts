/**
 * Pipelines, their drafts and versions. Graphs and operations are JSON here: what they mean is decided by the pure
 * functions that the caller hands in (`runtime/graph/operations.ts`), under the row's lock.
 */
import { sql } from 'kysely';
import type { WorkspaceTx } from './workspace.ts';

export type PipelineListing = {
  id: string;
  name: string;
  description: string;
  updatedAt: string;
  publishedVersion: number | null;
  draftRevision: number;
  graph: unknown;
  lastRun: { id: string; number: number; state: string; endedAt: string | null } | null;
};

/** Not removed ones, last changed first. Their newest run is looked for among `brandIds`, or all. */
export async function listPipelines(tx: WorkspaceTx, brandIds?: readonly string[]): Promise<PipelineListing[]> {
  const rows = await tx
    .selectFrom('pipeline')
    .leftJoinLateral(
      (eb) => {
        const newest = eb
          .selectFrom('run')
          .select([
            'run.id as run_id',
            'run.number as run_number',
            'run.state as run_state',
            'run.ended_at as run_ended_at',
          ])
          .whereRef('run.pipeline_id', '=', 'pipeline.id')
          .orderBy('run.number', 'desc')
          .limit(1);
        return (brandIds ? newest.where(sql<boolean>`run.brand_id = any(${[...brandIds]}::uuid[])`) : newest).as(
          'newest',
        );
      },
      (join) => join.onTrue(),
    )
    .select([
      'pipeline.id',
      'name',
      'description',
      'updated_at',
      'published_version',
      'revision',
      'draft',
      'run_id',
      'run_number',
      'run_state',
      'run_ended_at',
    ])
    .where('removed_at', 'is', null)
    .orderBy('updated_at', 'desc')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    updatedAt: row.updated_at.toISOString(),
    publishedVersion: row.published_version,
    draftRevision: row.revision,
    graph: row.draft,
    lastRun: row.run_id
      ? {
          id: row.run_id,
          number: row.run_number!,
          state: row.run_state!,
          endedAt: row.run_ended_at?.toISOString() ?? null,
        }
      : null,
  }));
}

export async function createPipeline(
  tx: WorkspaceTx,
  pipeline: { name: string; description?: string; graph: unknown },
): Promise<{ id: string }> {
  return tx
    .insertInto('pipeline')
    .values({ name: pipeline.name, description: pipeline.description ?? '', draft: JSON.stringify(pipeline.graph) })
    .returning('id')
    .executeTakeFirstOrThrow();
}

export type PipelineDetail = {
  id: string;
  name: string;
  description: string;
  graph: unknown;
  revision: number;
  publishedVersion: number | null;
  versions: { number: number; publishedAt: string; by: string | null; note: string | null }[];
};

export async function getPipeline(tx: WorkspaceTx, pipelineId: string): Promise<PipelineDetail | undefined> {
  const row = await tx
    .selectFrom('pipeline')
    .select(['id', 'name', 'description', 'draft', 'revision', 'published_version'])
    .where('id', '=', pipelineId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  if (!row) return undefined;
  const versions = await tx
    .selectFrom('pipeline_version')
    .select(['number', 'published_at', 'by_user', 'note'])
    .where('pipeline_id', '=', pipelineId)
    .orderBy('number', 'desc')
    .execute();
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    graph: row.draft,
    revision: row.revision,
    publishedVersion: row.published_version,
    versions: versions.map((version) => ({
      number: version.number,
      publishedAt: version.published_at.toISOString(),
      by: version.by_user,
      note: version.note,
    })),
  };
}

export async function renamePipeline(
  tx: WorkspaceTx,
  pipelineId: string,
  change: { name?: string; description?: string },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pipeline')
    .set({ ...change, updated_at: new Date() })
    .where('id', '=', pipelineId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Its runs and versions stay. */
export async function removePipeline(tx: WorkspaceTx, pipelineId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pipeline')
    .set({ removed_at: new Date() })
    .where('id', '=', pipelineId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Takes a removal back. */
export async function restorePipeline(tx: WorkspaceTx, pipelineId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pipeline')
    .set({ removed_at: null, updated_at: new Date() })
    .where('id', '=', pipelineId)
    .where('removed_at', 'is not', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The pure meaning of operations, handed in by the caller. */
export type DraftRules<Graph, Operation, Refusal> = {
  readGraph(stored: unknown): Graph;
  applyAll(graph: Graph, operations: readonly Operation[]): Graph;
  rebaseAll(
    operations: readonly Operation[],
    over: readonly Operation[],
  ): { operations: readonly Operation[]; refused: readonly Refusal[] };
};
export type Applied<Graph, Operation, Refusal> =
  | { kind: 'applied'; revision: number; graph: Graph; operations: readonly Operation[]; rebased: boolean }
  | { kind: 'conflict'; revision: number; graph: Graph; since: readonly Operation[]; refused: readonly Refusal[] }
  | { kind: 'missing' };

/**
 * Applies operations that were made on `baseRevision`. What came in between is rebased over, per field; if anything is
 * refused, nothing is applied. What the operations throw on the graph is the caller's to answer.
 */
export async function applyOperations<Graph, Operation, Refusal>(
  tx: WorkspaceTx,
  change: {
    pipelineId: string;
    baseRevision: number;
    operations: readonly Operation[];
    clientId: string;
    by: string | null;
  },
  rules: DraftRules<Graph, Operation, Refusal>,
): Promise<Applied<Graph, Operation, Refusal>> {
  const row = await tx
    .selectFrom('pipeline')
    .select(['draft', 'revision'])
    .where('id', '=', change.pipelineId)
    .where('removed_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  if (!row) return { kind: 'missing' };
  const graph = rules.readGraph(row.draft);
  const since = await operationsSince<Operation>(tx, change.pipelineId, change.baseRevision);
  const isStale = row.revision !== change.baseRevision;
  const isKnown = change.baseRevision <= row.revision && since.length >= row.revision - change.baseRevision;
  const over = since.flatMap((entry) => entry.operations);
  if (isStale && !isKnown) return { kind: 'conflict', revision: row.revision, graph, since: over, refused: [] };
  const { operations, refused } = isStale
    ? rules.rebaseAll(change.operations, over)
    : { operations: change.operations, refused: [] };
  if (refused.length > 0) return { kind: 'conflict', revision: row.revision, graph, since: over, refused };
  const changed = rules.applyAll(graph, operations);
  const revision = row.revision + 1;
  await tx
    .insertInto('pipeline_operation')
    .values({
      pipeline_id: change.pipelineId,
      revision,
      operations: JSON.stringify(operations),
      by_user: change.by,
      client_id: change.clientId,
    })
    .execute();
  await tx
    .updateTable('pipeline')
    .set({ draft: JSON.stringify(changed), revision, updated_at: new Date() })
    .where('id', '=', change.pipelineId)
    .execute();
  return { kind: 'applied', revision, graph: changed, operations, rebased: isStale };
}

/** What led from `revision` to now, oldest first. */
export async function operationsSince<Operation>(
  tx: WorkspaceTx,
  pipelineId: string,
  revision: number,
): Promise<{ revision: number; operations: Operation[]; clientId: string; by: string | null }[]> {
  const rows = await tx
    .selectFrom('pipeline_operation')
    .select(['revision', 'operations', 'client_id', 'by_user'])
    .where('pipeline_id', '=', pipelineId)
    .where('revision', '>', revision)
    .orderBy('revision')
    .limit(5000)
    .execute();
  return rows.map((row) => ({
    revision: row.revision,
    operations: row.operations as Operation[],
    clientId: row.client_id,
    by: row.by_user,
  }));
}

/** Publishes the draft of `revision`, as `graphOf` reads it, as the next version; undefined where the draft has moved on or is gone. */
export async function publishPipeline(
  tx: WorkspaceTx,
  publication: {
    pipelineId: string;
    revision: number;
    graphOf?: (draft: unknown) => unknown;
    pins: unknown;
    by: string | null;
    note: string | null;
  },
): Promise<{ version: number } | undefined> {
  const row = await tx
    .selectFrom('pipeline')
    .select(['draft', 'revision'])
    .where('id', '=', publication.pipelineId)
    .where('removed_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  if (row?.revision !== publication.revision) return undefined;
  const { number } = await tx
    .insertInto('pipeline_version')
    .values((eb) => ({
      pipeline_id: publication.pipelineId,
      number: eb
        .selectFrom('pipeline_version')
        .select(sql<number>`coalesce(max(number), 0) + 1`.as('next'))
        .where('pipeline_id', '=', publication.pipelineId),
      graph: JSON.stringify(publication.graphOf ? publication.graphOf(row.draft) : row.draft),
      pins: JSON.stringify(publication.pins),
      by_user: publication.by,
      note: publication.note,
    }))
    .returning('number')
    .executeTakeFirstOrThrow();
  await tx
    .updateTable('pipeline')
    .set({ published_version: number, updated_at: new Date() })
    .where('id', '=', publication.pipelineId)
    .execute();
  return { version: number };
}

/** The version of each pipeline that is there which is published now, by name. */
export async function publishedVersions(
  tx: WorkspaceTx,
): Promise<{ pipelineId: string; name: string; version: number; graph: unknown }[]> {
  return tx
    .selectFrom('pipeline')
    .innerJoin('pipeline_version', (join) =>
      join
        .onRef('pipeline_version.pipeline_id', '=', 'pipeline.id')
        .onRef('pipeline_version.number', '=', 'pipeline.published_version'),
    )
    .select([
      'pipeline.id as pipelineId',
      'pipeline.name',
      'pipeline_version.number as version',
      'pipeline_version.graph',
    ])
    .where('pipeline.removed_at', 'is', null)
    .orderBy('pipeline.name')
    .execute();
}

export async function pipelineVersion(
  tx: WorkspaceTx,
  pipelineId: string,
  number: number,
): Promise<{ graph: unknown; pins: unknown } | undefined> {
  return tx
    .selectFrom('pipeline_version')
    .select(['graph', 'pins'])
    .where('pipeline_id', '=', pipelineId)
    .where('number', '=', number)
    .executeTakeFirst();
}

/** Where node types are used: in drafts, and in the versions that are published. */
export async function pipelinesOfTypes(
  tx: WorkspaceTx,
  types: readonly string[],
): Promise<{ pipelineId: string; name: string; inDraft: boolean; inPublished: boolean }[]> {
  const { rows } = await sql<{ id: string; name: string; in_draft: boolean; in_published: boolean }>`
    select * from (
      select p.id, p.name,
             exists (select 1 from jsonb_array_elements(p.draft -> 'nodes') n
                      where n ->> 'type' = any(${[...types]}::text[])) as in_draft,
             coalesce(v.pins ?| ${[...types]}::text[], false) as in_published
        from pipeline p
        left join pipeline_version v on v.pipeline_id = p.id and v.number = p.published_version
       where p.removed_at is null) used
     where in_draft or in_published
     order by name`.execute(tx);
  return rows.map((row) => ({
    pipelineId: row.id,
    name: row.name,
    inDraft: row.in_draft,
    inPublished: row.in_published,
  }));
}
