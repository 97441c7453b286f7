/** Node types as the workers found them: manifests and digests for editor and server, which never run plugin code. */
import { sql } from 'kysely';
import type { Database } from './connect.ts';

export type NodeTypeRow = { id: string; version: string; digest: string; behaviour: string; manifest: unknown };

/** Puts what a worker loaded in the place of what was known. */
export async function saveCatalogue(db: Database, types: readonly NodeTypeRow[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`
      insert into node_type (id, version, digest, behaviour, manifest)
      select id, version, digest, behaviour, manifest from json_to_recordset(${JSON.stringify(types)}::json)
        as t (id text, version text, digest text, behaviour text, manifest json)
      on conflict (id) do update set version = excluded.version, digest = excluded.digest, behaviour = excluded.behaviour,
        manifest = excluded.manifest, seen_at = now()`.execute(tx);
    await sql`delete from node_type where id <> all(${types.map((type) => type.id)}::text[])`.execute(tx);
  });
}

export async function readCatalogue(db: Database): Promise<NodeTypeRow[]> {
  return db
    .selectFrom('node_type')
    .select(['id', 'version', 'digest', 'behaviour', 'manifest'])
    .orderBy('id')
    .execute();
}
