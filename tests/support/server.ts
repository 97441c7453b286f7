/**
 * A real server on a database of its own: listens on a free port, has node types but no worker.
 *
 *   await using server = await startTestServer();
 *   server.url, server.services, server.database
 *   const { token } = await server.member(workspaceId, 'editor', [brandId]);   // an API token of a new user
 */
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createToken, type MemberRole } from '../../db/accounts.ts';
import { saveCatalogue } from '../../db/catalogue.ts';
import { inWorkspace } from '../../db/workspace.ts';
import type { ManifestJson } from '../../nodes/contract.ts';
import { type RunningServer, startServer } from '../../server/main.ts';
import { createUser } from '../../server/session.ts';
import { type TestDatabase, testDatabase } from './database.ts';

/** Says a word: one node type is enough for graphs that nobody runs. */
export const SAY: ManifestJson = {
  id: 'test.say',
  version: '1.0.0',
  title: 'Say',
  help: '',
  icon: 'puzzle',
  family: 'other',
  aliases: [],
  shape: 'step',
  effect: 'pure',
  weight: 'light',
  reuseForSeconds: 0,
  inputs: {},
  outputs: { text: { type: 'text', list: false, optional: false, title: null, help: null } },
  config: { type: 'object', properties: { word: { type: 'string', default: '' } }, additionalProperties: false },
  capabilities: {},
  fields: [],
  example: {},
  exports: ['run'],
};

/** Begins a run for each upload: so that a pipeline can be turned on. */
export const BEGIN: ManifestJson = {
  ...SAY,
  id: 'test.begin',
  title: 'Begin',
  shape: 'trigger',
  trigger: { kind: 'asset' },
  config: { type: 'object', properties: {}, additionalProperties: false },
};

export type TestServer = AsyncDisposable & {
  url: string;
  dataDir: string;
  database: TestDatabase;
  app: RunningServer['app'];
  services: RunningServer['services'];
  /** A new user; `password` lets them sign in with the e-mail address. */
  user(name: string, password?: string): Promise<{ userId: string; email: string }>;
  /** A new user who is a member, with a token that has the same role. */
  member(
    workspaceId: string,
    role: MemberRole,
    brands?: string[] | null,
  ): Promise<{ userId: string; email: string; token: string; tokenId: string }>;
  close(): Promise<void>;
};

export async function startTestServer(
  options: {
    publicUrl?: string;
    dataDir?: string;
    /** Somebody else's, who closes it. */
    database?: TestDatabase;
  } = {},
): Promise<TestServer> {
  const database = options.database ?? (await testDatabase());
  const dataDir = options.dataDir ?? mkdtempSync(path.join(os.tmpdir(), 'spliceboard-server-'));
  await saveCatalogue(
    database.db('app'),
    [SAY, BEGIN].map((manifest) => ({
      id: manifest.id,
      version: manifest.version,
      digest: 'd',
      behaviour: `${manifest.id}@${manifest.version}`,
      manifest,
    })),
  );
  const port = await freePort();
  const server = await startServer({
    host: '127.0.0.1',
    port,
    dataDir,
    databaseUrl: database.url,
    editorDir: path.join(dataDir, 'no-editor'),
    version: '0.0.0-test',
    ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }),
  });
  let users = 0;
  const user = async (name: string, password?: string) => {
    users += 1;
    const email = `${name.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()}-${users}@example.org`;
    const made = await createUser(server.services.auth, {
      name,
      email,
      ...(password === undefined ? {} : { password }),
    });
    return { userId: made.id, email };
  };
  const close = async () => {
    await server.close();
    if (!options.database) await database.close();
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  return {
    url: `http://localhost:${port}`,
    dataDir,
    database,
    app: server.app,
    services: server.services,
    user,
    async member(workspaceId, role, brands = null) {
      const { userId, email } = await user(role);
      const { id, token } = await inWorkspace(server.services.db, workspaceId, async (tx) => {
        await tx.insertInto('member').values({ user_id: userId, role, brands }).execute();
        return createToken(tx, { name: role, role, userId });
      });
      return { userId, email, token, tokenId: id };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as net.AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
