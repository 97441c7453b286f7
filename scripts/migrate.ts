/**
 * Brings the database of DATABASE_URL to this version's schema, and lets the logins of servers and workers act as the
 * roles they need (scripts/production/logins.sh makes them; where they are missing nothing is granted). For the migrator
 * of docker-compose.yml; `npm start` migrates by itself. DATABASE_URL is the migrator's login: CREATEROLE, owner of the
 * database.
 */
import pg from 'pg';
import { DatabaseError } from '../db/connect.ts';
import { migrate } from '../db/migrate.ts';

const GRANTS: Record<string, string[]> = {
  spliceboard_server: ['app', 'auth', 'metrics'],
  spliceboard_worker: ['app', 'metrics', 'owner'], // graphile-worker's tables belong to owner and ask row-level security
};

async function grantRoles(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // reported by the query that meets it
  await client.connect();
  try {
    for (const [login, roles] of Object.entries(GRANTS)) {
      const { rowCount } = await client.query('select from pg_roles where rolname = $1', [login]);
      if (!rowCount) continue;
      for (const role of roles) await client.query(`grant ${role} to ${client.escapeIdentifier(login)}`);
    }
  } finally {
    await client.end();
  }
}

const url = process.env.DATABASE_URL;
if (!url) {
  console.error('Set DATABASE_URL to the login that may migrate.');
  process.exit(1);
}
try {
  const applied = await migrate(url);
  await grantRoles(url);
  console.log(applied.length > 0 ? `Applied ${applied.join(', ')}.` : 'The schema is up to date.');
} catch (error) {
  if (!(error instanceof DatabaseError)) throw error;
  console.error(error.message);
  process.exit(1);
}
