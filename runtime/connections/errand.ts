/**
 * What a worker does with accounts outside of runs, each an errand: connect one, let it go, ask for its figures, take a post
 * away, read a webhook. All network and all of a plugin's code is here, none in the server.
 *
 *   begin       a client at the service, and the address the person is sent to; where keys were pasted, the account at once
 *   finish      the code they came back with becomes tokens, and the account gets its name
 *   disconnect  tokens are taken back where the service has a way for it; they are gone in any case
 *   metrics, remove, event
 *
 * A worker that dies between a code's use and the commit loses that attempt only: the person connects once more.
 * Errors: CONNECT_TYPE, CONNECT_APP, CONNECT_LOST, those of oauth.ts, account.ts and platform.ts.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import * as z from 'zod';
import {
  type AppName,
  type Connecting,
  type ConnectionRow,
  getApp,
  getConnecting,
  getConnection,
  keepConnection,
  moveConnecting,
  removeConnection,
  setApp,
  setHook,
} from '../../db/connections.ts';
import { typesInUse } from '../../db/plugins.ts';
import { endEvent, getEvent, getPost, keepMetrics, keepTold, livePosts, movePost } from '../../db/posts.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import { type ManifestJson, NodeError, type Platform, PostEvent } from '../../nodes/contract.ts';
import type { AssetStore } from '../assets.ts';
import type { StepConnection } from '../capabilities/capability.ts';
import type { Catalogue, Plugin } from '../catalogue.ts';
import { type EgressMap, FetchError } from '../fetch.ts';
import { appPlace, connectingPlace, hookPlace, Secrets, secretsPlace, Underway } from '../graph/sealed.ts';
import type { ForeignPlugin } from '../plugins.ts';
import type { Json } from '../sandbox/sandbox.ts';
import { seal, unseal } from '../seal.ts';
import { appKey, stepConnection, takeFrom } from './account.ts';
import {
  authorizeUrl,
  type Client,
  exchangeCode,
  filled,
  hostsOf,
  newState,
  registerClient,
  revokeTokens,
  serverOf,
  type Tokens,
} from './oauth.ts';
import { askPlatform, type PlatformHost, unclear } from './platform.ts';

export type ConnectionHost = PlatformHost & { catalogue: Catalogue; egress: EgressMap; site: string };

const Asked = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('begin'), connecting: z.uuid() }),
  z.strictObject({ do: z.literal('finish'), connecting: z.uuid() }),
  z.strictObject({ do: z.literal('disconnect'), connection: z.uuid() }),
  z.strictObject({ do: z.literal('metrics'), connection: z.uuid(), at: z.number() }),
  z.strictObject({ do: z.literal('remove'), post: z.uuid() }),
  z.strictObject({ do: z.literal('event'), connection: z.uuid(), event: z.string().max(300) }),
]);
export type ConnectionErrand = z.infer<typeof Asked>;

const Account = z.object({
  id: z.string().min(1).max(300),
  name: z.string().min(1).max(200),
  handle: z.string().max(200).optional(),
  url: z.string().max(500).optional(),
});
const Figures = z.record(z.string().max(300), z.record(z.string().max(60), z.number()));
const Removed = z.object({ state: z.enum(['removed', 'absent']) });

type Known = { plugin: Plugin | ForeignPlugin; manifest: ManifestJson; platform: Platform; name: string };
type Here = ConnectionHost & { workspaceId: string; assets: AssetStore; signal: AbortSignal };

export async function carryConnection(
  host: ConnectionHost,
  errand: { workspaceId: string; input: unknown; assets: AssetStore; signal: AbortSignal; givenUp: boolean },
): Promise<void> {
  const asked = Asked.parse(errand.input);
  const here: Here = { ...host, workspaceId: errand.workspaceId, assets: errand.assets, signal: errand.signal };
  if (errand.givenUp && asked.do !== 'disconnect') {
    throw new NodeError('CONNECT_LOST', 'Workers ended over it several times.', { hint: 'Try it again.' });
  }
  switch (asked.do) {
    case 'begin':
    case 'finish':
      return connecting(here, asked.connecting, asked.do);
    case 'disconnect':
      return disconnect(here, asked.connection, errand.givenUp);
    case 'metrics':
      return metrics(here, asked.connection);
    case 'remove':
      return remove(here, asked.post);
    case 'event':
      return readEvent(here, asked.connection, asked.event);
    default:
      return asked satisfies never;
  }
}

const inside = <T>({ db, workspaceId }: Here, work: (tx: WorkspaceTx) => Promise<T>) =>
  inWorkspace(db, workspaceId, work);

// ---------------------------------------------------------------- connecting

async function connecting(here: Here, id: string, what: 'begin' | 'finish'): Promise<void> {
  const from = what === 'begin' ? 'begun' : 'back';
  const attempt = await inside(here, (tx) => getConnecting(tx, id));
  if (attempt?.stage !== from) return; // done before
  try {
    await (what === 'begin' ? begin(here, attempt) : finish(here, attempt));
  } catch (error) {
    if (here.signal.aborted) throw error;
    const told = toldOf(error);
    if (told === null) throw error;
    await inside(here, (tx) => moveConnecting(tx, id, from, { stage: 'failed', error: told, sealed: null }));
  }
}

async function begin(here: Here, attempt: Connecting): Promise<void> {
  const known = await byType(here, attempt.type);
  const server = serverOf(known.platform, attempt.server);
  const { connect } = known.platform;
  if (connect.kind === 'keys') {
    const { keys = {} } = opened(here, attempt);
    return keepAccount(here, attempt, known, { keys }, null);
  }
  const client = await clientFor(here, attempt, known, server);
  const { state, verifier } = newState();
  const { redirectUri } = attempt;
  const scopes = known.manifest.connection!.scopes;
  const url = authorizeUrl(connect, { server, client, redirectUri, scopes, state, verifier }, here.egress);
  const sealed = seal(here.sealKey, JSON.stringify({ state, verifier }), connectingPlace(here.workspaceId, attempt.id));
  const stateSha256 = createHash('sha256').update(state).digest('hex');
  await inside(here, (tx) => moveConnecting(tx, attempt.id, 'begun', { stage: 'away', stateSha256, sealed, url }));
}

async function clientFor(here: Here, attempt: Connecting, known: Known, server: string): Promise<Client> {
  const { platform, manifest } = known;
  const { connect } = platform;
  if (connect.kind !== 'oauth2') throw new Error('This service has no clients.');
  const isOurs = connect.app.from === 'server';
  const of: AppName = { ...serviceOf(known), server, redirectUri: isOurs ? attempt.redirectUri : '' };
  const app = await inside(here, (tx) => getApp(tx, of));
  if (app) return { id: app.clientId, secret: unseal(here.sealKey, app.sealed, appPlace(here.workspaceId, of)) };
  if (!isOurs) {
    throw new NodeError('CONNECT_APP', `${platform.title} knows this workspace under no name yet.`, {
      hint: 'An admin enters the client id and secret under Connections.',
      retry: 'person',
    });
  }
  const { redirectUri } = attempt;
  const scopes = manifest.connection!.scopes;
  const client = await registerClient(here.fetcher, connect, { server, redirectUri, scopes, site: here.site });
  const sealed = seal(here.sealKey, client.secret, appPlace(here.workspaceId, of));
  await inside(here, (tx) => setApp(tx, of, { clientId: client.id, sealed, by: null }));
  return client;
}

async function finish(here: Here, attempt: Connecting): Promise<void> {
  const known = await byType(here, attempt.type);
  const { connect } = known.platform;
  const { code, verifier } = opened(here, attempt);
  if (connect.kind !== 'oauth2' || code === undefined || verifier === undefined) {
    throw new NodeError('CONNECT_LOST', 'This attempt has lost its way.', { hint: 'Connect the account once more.' });
  }
  const server = serverOf(known.platform, attempt.server);
  const client = await clientFor(here, attempt, known, server);
  const { redirectUri } = attempt;
  const tokens = await exchangeCode(here.fetcher, connect, { server, client, redirectUri, code, verifier });
  await keepAccount(here, attempt, known, { access: tokens.access, refresh: tokens.refresh, client }, tokens);
}

const opened = ({ sealKey, workspaceId }: Here, { id, sealed }: Connecting) =>
  Underway.parse(JSON.parse(sealed === null ? '{}' : unseal(sealKey, sealed, connectingPlace(workspaceId, id))));

/** Asks who it is, and keeps it. */
async function keepAccount(
  here: Here,
  attempt: Connecting,
  known: Known,
  secrets: Secrets,
  tokens: Tokens | null,
): Promise<void> {
  const { manifest, platform } = known;
  const server = serverOf(platform, attempt.server);
  const wanted = manifest.connection!.scopes;
  const lacking = tokens?.scopes ? wanted.filter((scope) => !tokens.scopes!.includes(scope)) : [];
  if (lacking.length > 0) {
    throw new NodeError('CONNECT_REFUSED', `Not everything was agreed to: ${lacking.join(', ')}.`, {
      hint: 'Connect the account once more, and agree to all of it.',
      retry: 'person',
    });
  }
  let account: z.infer<typeof Account> = { id: 'account', name: platform.title };
  if (manifest.exports.includes('account')) {
    const connection = passing(here, known, server, secrets);
    const { workspaceId, assets, signal } = here;
    const { plugin } = known;
    const asked = { workspaceId, brandId: attempt.brandId, plugin, connection, inputs: null, assets, signal };
    const said = Account.safeParse(await askPlatform(here, { ...asked, entry: 'account' }));
    if (!said.success) throw unclear(manifest, 'account');
    account = said.data;
  }
  await inside(here, async (tx) => {
    const connectionId = await keepConnection(tx, {
      ...serviceOf(known),
      id: randomUUID(),
      brandId: attempt.brandId,
      title: platform.title,
      server,
      account: account.id,
      name: account.handle ?? account.name,
      url: account.url && /^https:\/\//.test(account.url) ? account.url : null,
      scopes: tokens?.scopes ?? wanted,
      sealed: (id) => seal(here.sealKey, JSON.stringify(secrets), secretsPlace(here.workspaceId, id)),
      expiresAt: tokens?.expiresAt ?? null,
      by: attempt.by,
    });
    if (platform.webhooks && (await getConnection(tx, connectionId))?.hookSealed == null) {
      const path = randomBytes(32).toString('base64url');
      const secret = randomBytes(32).toString('base64url');
      const sealed = seal(here.sealKey, JSON.stringify({ path, secret }), hookPlace(here.workspaceId, connectionId));
      await setHook(tx, connectionId, { sha256: createHash('sha256').update(path).digest('hex'), sealed });
    }
    const isOurs = await moveConnecting(tx, attempt.id, attempt.stage, { stage: 'done', connectionId, sealed: null });
    if (!isOurs) throw new NodeError('CONNECT_LOST', 'Another worker has finished this.');
  });
}

/** Tokens that are no connection yet: good for asking who they belong to. */
function passing(here: Here, { manifest, platform }: Known, server: string, secrets: Secrets): StepConnection {
  const { connect } = platform;
  const headers: Record<string, string> =
    'access' in secrets
      ? { authorization: `Bearer ${secrets.access}` }
      : connect.kind === 'keys'
        ? { [connect.header.name]: filled(connect.header.value, secrets.keys) }
        : {};
  const hidden = ('access' in secrets ? [secrets.access] : Object.values(secrets.keys)).filter(
    (text) => text.length > 7,
  );
  return {
    id: '',
    name: platform.title,
    platform: manifest.connection!.platform,
    account: '',
    server,
    hosts: hostsOf(platform, server),
    authorize: async () => ({ revision: 0, headers, secrets: hidden }),
    refused: async () => false,
    // an account that is not there yet has none of its own
    takeUnits: (uses) =>
      takeFrom(
        (work) => inside(here, work),
        platform,
        uses,
        async ({ of }) => (of === 'app' ? appKey(manifest.connection!.platform, secrets) : null),
      ),
  };
}

async function disconnect(here: Here, id: string, isGivenUp: boolean): Promise<void> {
  const row = await inside(here, (tx) => getConnection(tx, id));
  const known = row && (await byService(here, row).catch(() => null));
  const connect = known?.platform.connect;
  if (row?.sealed && connect?.kind === 'oauth2' && !isGivenUp) {
    const secrets = Secrets.parse(JSON.parse(unseal(here.sealKey, row.sealed, secretsPlace(here.workspaceId, id))));
    if ('access' in secrets) {
      const at = { server: row.server, client: secrets.client };
      await revokeTokens(here.fetcher, connect, at, secrets.refresh ?? secrets.access).catch(() => {}); // gone here anyway
    }
  }
  await inside(here, (tx) => removeConnection(tx, id));
}

// ---------------------------------------------------------------- posts

async function metrics(here: Here, id: string): Promise<void> {
  const { row, known, asked } = await ofAccount(here, id);
  const posts = await inside(here, (tx) => livePosts(tx, id));
  if (posts.length === 0 || !known.manifest.exports.includes('metrics')) return;
  const inputs = { posts: posts.map(({ post }) => post) } as Json;
  const said = Figures.safeParse(await askPlatform(here, { ...asked, entry: 'metrics', inputs }));
  if (!said.success) throw unclear(known.manifest, 'metrics');
  await inside(here, (tx) => keepMetrics(tx, row.id, said.data));
}

async function remove(here: Here, id: string): Promise<void> {
  const post = await inside(here, (tx) => getPost(tx, id));
  if (post?.state !== 'removing') return;
  try {
    const { known, asked } = await ofAccount(here, post.connectionId);
    const inputs = { post: post.post } as Json;
    const said = Removed.safeParse(await askPlatform(here, { ...asked, entry: 'remove', inputs }));
    if (!said.success) throw unclear(known.manifest, 'remove');
    const note = said.data.state === 'absent' ? 'It was gone already.' : null;
    await inside(here, (tx) => movePost(tx, id, 'removing', { state: 'removed', note }));
  } catch (error) {
    if (here.signal.aborted) throw error;
    // it may be gone or not: to take it away once more does no harm
    await inside(here, (tx) => movePost(tx, id, 'removing', { state: 'live', error: toldOf(error) ?? UNKNOWN }));
    throw error;
  }
}

async function readEvent(here: Here, id: string, name: string): Promise<void> {
  const event = await inside(here, (tx) => getEvent(tx, id, name));
  if (!event) return;
  try {
    const { row, known, asked } = await ofAccount(here, id);
    const { headers, body, receivedAt } = event;
    const inputs = { event: { headers, body, receivedAt: receivedAt.toISOString() } } as Json;
    const said = z
      .array(PostEvent)
      .max(200)
      .safeParse(await askPlatform(here, { ...asked, entry: 'events', inputs }));
    if (!said.success) throw unclear(known.manifest, 'events');
    await inside(here, async (tx) => {
      for (const { post, kind, note = null, metrics } of said.data) {
        await keepTold(tx, row.id, { post, isRemoved: kind === 'removed', note });
        if (metrics) await keepMetrics(tx, row.id, { [post]: metrics });
      }
      await endEvent(tx, id, name, {});
    });
  } catch (error) {
    if (here.signal.aborted) throw error;
    await inside(here, (tx) => endEvent(tx, id, name, { error: toldOf(error) ?? UNKNOWN }));
    throw error;
  }
}

// ---------------------------------------------------------------- whose

async function ofAccount(here: Here, id: string) {
  const row = await inside(here, (tx) => getConnection(tx, id));
  if (!row || row.state === 'removed') {
    throw new NodeError('CONNECTION_REFUSED', 'This account was disconnected.', {
      hint: 'Connect it again under Connections.',
      retry: 'person',
    });
  }
  const known = await byService(here, row);
  const connection = stepConnection(here, here.workspaceId, row, known.platform);
  const { workspaceId, assets, signal } = here;
  const asked = { workspaceId, brandId: row.brandId, plugin: known.plugin, connection, assets, signal };
  return { row, known, asked };
}

const serviceOf = ({ plugin, manifest }: Known) => ({
  plugin: 'plugin' in plugin ? plugin.plugin : null,
  platform: manifest.connection!.platform,
});

/** The node type that describes a service, as it is in use now. */
async function byType(here: Here, type: string): Promise<Known> {
  const found = (await platformsOf(here)).find(({ manifest }) => manifest.id === type);
  if (!found) throw gone(type);
  return found;
}

async function byService(here: Here, { plugin, platform }: Pick<ConnectionRow, 'plugin' | 'platform'>): Promise<Known> {
  const fits = (await platformsOf(here)).filter((known) => {
    const service = serviceOf(known);
    return service.platform === platform && service.plugin === plugin;
  });
  // one that publishes knows more of the platform than one that only reads there
  const found = fits.find(({ platform: { post } }) => post !== undefined) ?? fits[0];
  if (!found) throw gone(platform);
  return found;
}

async function platformsOf(here: Here): Promise<Known[]> {
  const known = (plugin: Plugin | ForeignPlugin): Known[] => {
    const { manifest } = plugin;
    return manifest.platform && manifest.connection
      ? [{ plugin, manifest, platform: manifest.platform, name: manifest.connection.platform }]
      : [];
  };
  const own = here.catalogue.manifests.flatMap(({ id }) => known(here.catalogue.plugin(id)!));
  const rows = await inside(here, (tx) => typesInUse(tx));
  const pins = Object.fromEntries(rows.map(({ type, behaviour }) => [type, { digest: behaviour }]));
  const foreign = await here.plugins.pinned(here.workspaceId, pins);
  return [...own, ...[...foreign.values()].flatMap(known)];
}

const gone = (what: string) =>
  new NodeError('CONNECT_TYPE', `No plugin here connects to ${what}.`, {
    hint: 'It was removed, or another version of it is in use.',
    retry: 'person',
  });

const UNKNOWN = { code: 'INTERNAL', message: 'Something went wrong on our side.', hint: null, retry: 'later' };

/** As people are told; null where it is a fault of ours. */
function toldOf(error: unknown): object | null {
  if (error instanceof NodeError) {
    const { code, message, hint, retry } = error;
    return { code, message: message.slice(0, 2_000), hint, retry };
  }
  if (error instanceof FetchError)
    return { code: error.code, message: error.message, hint: error.hint, retry: error.retry };
  return (error as { error?: { code?: string } }).error?.code ? (error as { error: object }).error : null;
}
