/**
 * A real database for a test file: the run's cluster holds one migrated template, each file gets a clone of its own.
 *
 *   const database = await testDatabase();          // in beforeAll
 *   const db = database.db('app');                  // Kysely as a role; `database.pool(role)` for plain SQL
 *   const { workspaceId, brandId } = await database.workspace('Name');
 *   await database.close();                         // in afterAll: ends all pools, drops the clone
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createDatabase, createPool, type Database, type Role } from '../../db/connect.ts';
import { migrate } from '../../db/migrate.ts';
import { ensureDatabase } from '../../db/roles.ts';
import { inWorkspace } from '../../db/workspace.ts';
import type { BrandKit } from '../../nodes/contract.ts';
import { startPostgres } from '../../scripts/postgres.ts';

export const TEST_KIT: BrandKit = {
  name: 'Test brand',
  colors: { primary: '#ff5a36', light: '#fff3d6', ink: '#16130f', paper: '#fffdf8' },
  fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
  logo: null,
  voice: 'plain',
  captions: { style: 'marker' },
  links: [],
};

type Cluster = { url: string; adminUrl: string };

/** Durability is not what these tests look at; those that kill PostgreSQL start their own. */
const FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' };

async function cluster(): Promise<Cluster> {
  const folder = process.env.SPLICEBOARD_TEST_CLUSTER;
  if (!folder)
    throw new Error('tests/support/global-setup.ts has not run: start tests with vitest from the project folder.');
  const ready = path.join(folder, 'ready.json');
  const failed = path.join(folder, 'failed');
  let isStarter = true;
  try {
    mkdirSync(path.join(folder, 'lock'));
  } catch {
    isStarter = false;
  }
  if (isStarter) {
    try {
      chmodSync(folder, 0o755); // the server's user passes through it
      const server = await startPostgres(path.join(folder, 'cluster'), { settings: FAST });
      await migrate(server.url);
      writeFileSync(`${ready}.tmp`, JSON.stringify({ url: server.url, adminUrl: server.adminUrl }));
      renameSync(`${ready}.tmp`, ready);
    } catch (error) {
      writeFileSync(failed, String(error));
      throw error;
    }
  }
  for (let waited = 0; !existsSync(ready); waited += 50) {
    if (existsSync(failed)) throw new Error(`The test cluster did not start: ${readFileSync(failed, 'utf8')}`);
    if (waited > 90_000) throw new Error('The test cluster did not start within 90 s.');
    await sleep(50);
  }
  return JSON.parse(readFileSync(ready, 'utf8')) as Cluster;
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function asAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // reported by the query that meets it
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export type TestDatabase = {
  /** For what opens its own connections; add the role with `createPool(url, role)`. */
  url: string;
  pool(role: Role): pg.Pool;
  db(role: Role): Database;
  /** A new workspace with one brand. */
  workspace(name?: string): Promise<{ workspaceId: string; brandId: string }>;
  /** Sees all rows, whatever their policy: for looking at the world after the fact. */
  admin: pg.Pool;
  close(): Promise<void>;
};

export async function testWorkspace(db: Database, title = 'Test workspace') {
  const workspaceId = randomUUID();
  const brandId = randomUUID();
  await inWorkspace(db, workspaceId, async (tx) => {
    await tx.insertInto('workspace').values({ id: workspaceId, name: title }).execute();
    await tx
      .insertInto('brand')
      .values({ id: brandId, name: 'Test brand', slug: `brand-${brandId}`, kit: JSON.stringify(TEST_KIT) })
      .execute();
  });
  return { workspaceId, brandId };
}

/** `empty: true` gives a database without our schema, to test migrations on. */
export async function testDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const { url, adminUrl } = await cluster();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(adminUrl, async (client) => {
    if (options.empty) return ensureDatabase(client, name);
    // One clone at a time: PostgreSQL refuses to copy a database that is being copied.
    await client.query('select pg_advisory_lock(1)');
    await client.query(`create database ${name} template spliceboard owner owner`);
  });
  const own = withDatabase(url, name);
  const pools = new Map<Role, pg.Pool>();
  const admin = new pg.Pool({ connectionString: withDatabase(adminUrl, name), max: 2 });
  admin.on('error', () => {}); // the clone is dropped under it
  const pool = (role: Role) => {
    const made = pools.get(role) ?? createPool(own, role, { max: 6, name: 'test' });
    pools.set(role, made);
    return made;
  };
  return {
    url: own,
    pool,
    db: (role) => createDatabase(pool(role)),
    admin,
    workspace: (title) => testWorkspace(createDatabase(pool('app')), title),
    async close() {
      await Promise.all([...pools.values(), admin].map((each) => each.end()));
      await asAdmin(adminUrl, (client) => client.query(`drop database ${name} with (force)`));
    },
  };
}
