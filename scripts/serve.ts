/**
 * A server alone, for production: `node scripts/serve.ts`. Workers and migrations are processes of their own
 * (docker-compose.yml). Settings come from the environment:
 *
 *   DATABASE_URL            required; migrated already
 *   SPLICEBOARD_DATA        the data folder, shared with the workers
 *   SPLICEBOARD_HOST, _PORT where to listen (127.0.0.1, 4400)
 *   SPLICEBOARD_PUBLIC_URL  the https address people use
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { checkDatabase, DatabaseError } from '../db/connect.ts';
import { requireSchema } from '../db/migrate.ts';
import { StoreError } from '../runtime/assets.ts';
import { ensureLocalOwner, makeOwnerLink, startServer } from '../server/main.ts';
import { EDITOR } from './build-editor.ts';

const { DATABASE_URL: databaseUrl, SPLICEBOARD_DATA: dataDir, SPLICEBOARD_HOST, SPLICEBOARD_PORT } = process.env;
if (!databaseUrl || !dataDir) {
  console.error('Set DATABASE_URL and SPLICEBOARD_DATA. On one machine npm start needs neither.');
  process.exit(1);
}
try {
  await checkDatabase(databaseUrl);
  await requireSchema(databaseUrl);
  const manifest = path.join(path.dirname(import.meta.dirname), 'package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const server = await startServer({
    host: SPLICEBOARD_HOST || '127.0.0.1',
    port: Number(SPLICEBOARD_PORT || 4400),
    dataDir: path.resolve(dataDir),
    databaseUrl,
    editorDir: EDITOR,
    version,
  });
  if (await ensureLocalOwner(server))
    console.log(`The first owner signs in with this link, once: ${await makeOwnerLink(server)}`);
  console.log(`Spliceboard ${version} listens at ${server.url}`);
  let isEnding = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isEnding) return;
      isEnding = true;
      void server.close().finally(() => process.exit(0));
    });
  }
} catch (error) {
  console.error(error instanceof DatabaseError || error instanceof StoreError ? error.message : error);
  process.exit(1);
}
