/**
 * The account a step works with: found by its brand, its secrets opened here, added to requests, and renewed. They are never
 * given to a node, never to another host than the service's own, and are taken out of what comes back.
 *
 * Renewing is done by one worker at a time: the row is held for as long as an answer may take, the new pair is written before
 * it is used, and whoever waits takes what was written. A failure of transport keeps what there was; only a definite no means
 * that a person has to connect again.
 *
 * Errors: CONNECTION_MISSING, CONNECTION_AMBIGUOUS, CONNECTION_REFUSED, CONNECTION_BUSY, QUOTA_SPENT.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../db/connect.ts';
import {
  beginRenewal,
  type ConnectionRow,
  endRenewal,
  getConnection,
  listConnections,
  takeUnits,
} from '../../db/connections.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import type { ErrorJson, Platform } from '../../nodes/contract.ts';
import { CapabilityError, type StepConnection } from '../capabilities/capability.ts';
import type { Fetcher } from '../fetch.ts';
import { windowOf } from '../graph/quotas.ts';
import { Secrets, secretsPlace } from '../graph/sealed.ts';
import { type SealKey, seal, unseal } from '../seal.ts';
import { filled, hostsOf, Refused, renewTokens } from './oauth.ts';

export type Accounts = { db: Database; sealKey: SealKey; fetcher: Fetcher };

/** Renewed before it ends: a request may take a while. */
const EARLY_MS = 60_000;
/** Longer than a service is waited for. */
const HELD_SECONDS = 25;
const LOOK_MS = 100;

/** The account of a brand that a node works with. `wanted`: a person's choice, by name or id; empty: the only one there is. */
export async function openConnection(
  accounts: Accounts,
  of: {
    workspaceId: string;
    brandId: string;
    plugin: string | null;
    platform: string;
    about: Platform;
    scopes: readonly string[];
    wanted: string;
  },
): Promise<StepConnection> {
  const rows = await inWorkspace(accounts.db, of.workspaceId, (tx) => listConnections(tx, [of.brandId], of));
  const wanted = of.wanted.trim().toLowerCase();
  const fits = rows.filter(
    ({ id, name, account }) => wanted === '' || [id, name.toLowerCase(), account.toLowerCase()].includes(wanted),
  );
  const { title } = of.about;
  if (fits.length === 0) {
    throw new CapabilityError(
      'CONNECTION_MISSING',
      wanted === ''
        ? `No account at ${title} is connected for this brand.`
        : `${of.wanted} at ${title} is not connected for this brand.`,
      { hint: 'Connect it under Connections, then retry.', retry: 'person' },
    );
  }
  if (fits.length > 1) {
    throw new CapabilityError('CONNECTION_AMBIGUOUS', `This brand has ${fits.length} accounts at ${title}.`, {
      hint: `Choose one in the node's settings: ${fits.map(({ name }) => name).join(', ')}.`.slice(0, 900),
      retry: 'person',
    });
  }
  const row = fits[0]!;
  if (of.about.connect.kind === 'oauth2' && row.scopes.length > 0) {
    const lacking = of.scopes.filter((scope) => !row.scopes.includes(scope));
    if (lacking.length > 0) {
      throw new CapabilityError('CONNECTION_REFUSED', `${row.name} was connected without: ${lacking.join(', ')}.`, {
        hint: 'Connect it again under Connections, and agree to all of it.',
        retry: 'person',
      });
    }
  }
  return stepConnection(accounts, of.workspaceId, row, of.about);
}

export function stepConnection(
  { db, sealKey, fetcher }: Accounts,
  workspaceId: string,
  row: ConnectionRow,
  about: Platform,
): StepConnection {
  const { id } = row;
  const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(db, workspaceId, work);
  const place = secretsPlace(workspaceId, id);
  const open = (sealed: string) => Secrets.parse(JSON.parse(unseal(sealKey, sealed, place)));

  async function read(): Promise<ConnectionRow & { sealed: string }> {
    const now = await inside((tx) => getConnection(tx, id));
    if (now?.state === 'ready' && now.sealed !== null) return { ...now, sealed: now.sealed };
    throw refusedAs(now ?? row);
  }

  /** The row with other secrets than in `revision`, whoever renewed them; as it was where that could not be done now. */
  async function renewed(known: ConnectionRow & { sealed: string }): Promise<ConnectionRow & { sealed: string }> {
    const { connect } = about;
    const secrets = open(known.sealed);
    if (connect.kind !== 'oauth2' || !('access' in secrets)) return known;
    for (const since = performance.now(); ; ) {
      if (await inside((tx) => beginRenewal(tx, known, HELD_SECONDS))) break;
      const now = await read();
      if (now.revision !== known.revision) return now;
      if (performance.now() - since > (HELD_SECONDS + 5) * 1_000) return known;
      await sleep(LOOK_MS);
    }
    try {
      const tokens = await renewTokens(fetcher, connect, { server: row.server, client: secrets.client }, secrets);
      if (tokens === null) {
        await inside((tx) => endRenewal(tx, known, 'as it was'));
        return known;
      }
      const kept: Secrets = { access: tokens.access, refresh: tokens.refresh, client: secrets.client };
      const sealed = seal(sealKey, JSON.stringify(kept), place);
      await inside((tx) => endRenewal(tx, known, { sealed, expiresAt: tokens.expiresAt }));
      return read();
    } catch (error) {
      if (error instanceof Refused && error.reason !== 'temporarily_unavailable') {
        await inside((tx) => endRenewal(tx, known, { reconnect: refusedAs({ ...row, error: null }).error }));
        return read(); // throws, unless somebody connected it anew meanwhile
      }
      await inside((tx) => endRenewal(tx, known, 'as it was'));
      if (known.expiresAt === null || known.expiresAt.getTime() > Date.now()) return known;
      throw new CapabilityError('CONNECTION_BUSY', `${row.server} did not renew the access of ${row.name}.`, {
        hint: 'It is tried again by itself.',
        retry: 'later',
        cause: error,
      });
    }
  }

  return {
    id,
    name: row.name,
    platform: row.platform,
    account: row.account,
    server: row.server,
    hosts: hostsOf(about, row.server),

    async authorize() {
      let now = await read();
      if (now.expiresAt && now.expiresAt.getTime() - Date.now() < EARLY_MS) now = await renewed(now);
      const secrets = open(now.sealed);
      if ('access' in secrets) {
        const hidden = [secrets.access, secrets.refresh ?? '', secrets.client.secret].filter((text) => text.length > 7);
        return { revision: now.revision, headers: { authorization: `Bearer ${secrets.access}` }, secrets: hidden };
      }
      const { connect } = about;
      if (connect.kind !== 'keys') throw refusedAs(now);
      const value = filled(connect.header.value, secrets.keys);
      const hidden = Object.values(secrets.keys).filter((text) => text.length > 7);
      return { revision: now.revision, headers: { [connect.header.name]: value }, secrets: hidden };
    },

    async refused(revision) {
      const now = await read();
      if (now.revision !== revision) return true; // others renewed them since
      if ((await renewed(now)).revision !== revision) return true;
      await inside((tx) => endRenewal(tx, now, { reconnect: refusedAs({ ...row, error: null }).error }));
      return false;
    },

    takeUnits: (uses) =>
      takeFrom(inside, about, uses, async (quota) => {
        if (quota.of === 'account') return id;
        const secrets = open((await read()).sealed);
        return appKey(row.platform, secrets) ?? id;
      }),
  };
}

/** Of accounts that share a client; server/connections.ts shows the same. Null: they share none. */
export const appKey = (platform: string, secrets: Secrets) =>
  'client' in secrets ? `app ${platform} ${secrets.client.id}` : null;

/** Takes units of each quota that is used; of one that has none left nothing is taken, and which it was is given back. */
export async function takeFrom(
  inside: <T>(work: (tx: WorkspaceTx) => Promise<T>) => Promise<T>,
  { quotas = [] }: Platform,
  uses: Record<string, number>,
  whose: (quota: { of: 'account' | 'app' }) => Promise<string | null>,
): Promise<{ name: string; until: Date } | null> {
  for (const [name, units] of Object.entries(uses)) {
    const quota = quotas.find((each) => each.name === name);
    const of = quota && (await whose(quota));
    if (!quota || !of) continue;
    const { startsAt, endsAt } = windowOf(quota, new Date());
    const isTaken = await inside((tx) => takeUnits(tx, { of, name, startsAt, units, most: quota.units }));
    if (!isTaken) return { name, until: endsAt };
  }
  return null;
}

function refusedAs({
  name,
  server,
  state,
  error,
}: Pick<ConnectionRow, 'name' | 'server' | 'state' | 'error'>): CapabilityError {
  const known = error as ErrorJson | null;
  const message =
    state === 'removed' ? `${name} was disconnected.` : (known?.message ?? `${server} refuses the access of ${name}.`);
  return new CapabilityError('CONNECTION_REFUSED', message, {
    hint: 'Connect the account again under Connections, then retry.',
    retry: 'person',
  });
}
