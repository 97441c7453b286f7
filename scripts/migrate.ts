/**
 * Brings the database of DATABASE_URL to this version's schema, and lets the login that servers and workers use act as
 * the roles they need. For the migrator of docker-compose.yml; `npm start` migrates by itself.
 *
 *   DATABASE_URL           the migrator's login: CREATEROLE, owner of the database
 *   SPLICEBOARD_RUN_LOGIN  the other login (default spliceboard_run); left alone where it does not exist
 */
import pg from 'pg';
import { DatabaseError } from '../db/connect.ts';
import { migrate } from '../db/migrate.ts';

/** What servers and workers act as. Never `owner`: they change no table's shape and bypass no policy. */
const RUN_ROLES = ['app', 'auth', 'metrics'];

async function grantTo(url: string, login: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // reported by the query that meets it
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [login]);
    if (!rowCount) return;
    for (const role of RUN_ROLES) await client.query(`grant ${role} to ${client.escapeIdentifier(login)}`);
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
  await grantTo(url, process.env.SPLICEBOARD_RUN_LOGIN ?? 'spliceboard_run');
  console.log(applied.length > 0 ? `Applied ${applied.join(', ')}.` : 'The schema is up to date.');
} catch (error) {
  if (!(error instanceof DatabaseError)) throw error;
  console.error(error.message);
  process.exit(1);
}
