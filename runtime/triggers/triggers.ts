/**
 * Starts what is due, each second: schedules whose time has come, uploads that were finished, feeds that are to be looked
 * at. Any number of workers do this at once: a schedule and an upload are locked by the transaction that starts their
 * runs, a feed is held by who looks at it, and the key of an event makes it start one run whatever happens.
 */
import { randomUUID } from 'node:crypto';
import { findAsset } from '../../db/assets.ts';
import type { Database } from '../../db/connect.ts';
import { pipelineVersion } from '../../db/pipelines.ts';
import {
  acceptEventIn,
  getTrigger,
  moveTrigger,
  rememberKeys,
  type TriggerRow,
  takeDueFeed,
  triggersOn,
  unknownKeys,
  withDueSchedule,
  withNextArrival,
} from '../../db/triggers.ts';
import { digestOf } from '../../db/values.ts';
import { inWorkspace, type WorkspaceTx } from '../../db/workspace.ts';
import { type ErrorJson, NodeError } from '../../nodes/contract.ts';
import type { Catalogue } from '../catalogue.ts';
import { FetchError, type Fetcher } from '../fetch.ts';
import { Graph } from '../graph/graph.ts';
import { dueTimes, type Missed, readWhen, wallClock } from '../graph/schedule.ts';
import { type RunTrigger, startOf, startText } from '../graph/triggers.ts';
import { typesOf } from '../plugins.ts';
import { decodeFeed, type Feed, type FeedItem, readFeed } from './feed.ts';

export type TriggersOptions = {
  db: Database;
  catalogue: Catalogue;
  fetcher: Fetcher;
  log(line: string, details: Record<string, unknown>): void;
  /** The time by which things are due; tests have their own. */
  now?: () => Date;
};
export type Triggers = {
  /** Starts what is due now, and resolves when it is started. */
  look(): Promise<void>;
  stop(): Promise<void>;
};

const LOOK_MS = 1_000;
/** Of one kind in one look: others want their turn. */
const MOST_AT_ONCE = 100;
/** Runs of one look at a feed; the others come with the next one, a minute later. */
const MOST_ITEMS = 50;
const SOON_MS = 60_000;
const FEED_BYTES = 4 * 1024 * 1024;
const FEED_MS = 20_000;

export function startTriggers(options: TriggersOptions): Triggers {
  const look = () => lookOnce(options);
  let current: Promise<void> = Promise.resolve();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    current = look().finally(() => {
      isBusy = false;
    });
  }, LOOK_MS);
  return {
    look,
    async stop() {
      clearInterval(timer);
      await current;
    },
  };
}

/** One look; what fails is said, and the others get their turn all the same. */
export async function lookOnce(options: TriggersOptions): Promise<void> {
  for (const [what, work] of [
    ['Schedules', schedules],
    ['Uploads', arrivals],
    ['Feeds', feeds],
  ] as const) {
    await work(options).catch((error: unknown) => options.log(`${what} could not be looked at.`, { err: error }));
  }
}

// ---------------------------------------------------------------- what a run begins with

type Starter = { ok: true; text(trigger: RunTrigger): string } | { ok: false; error: ErrorJson };

async function starterOf({ catalogue }: TriggersOptions, tx: WorkspaceTx, trigger: TriggerRow): Promise<Starter> {
  const saved = await pipelineVersion(tx, trigger.pipelineId, trigger.version);
  const started = saved && startOf(Graph.parse(saved.graph), await typesOf(tx, catalogue, saved.pins));
  if (started?.ok) return { ok: true, text: startText(started.start, digestOf(started.start)) };
  const found = started?.problems[0];
  return {
    ok: false,
    error: {
      code: 'TRIGGER_NOT_READY',
      message: found?.message ?? 'The published version is gone.',
      hint: found?.hint ?? 'Publish the pipeline again.',
      retry: 'person',
    },
  };
}

// ---------------------------------------------------------------- schedules

async function schedules(options: TriggersOptions): Promise<void> {
  const now = options.now?.() ?? new Date();
  for (let count = 0; count < MOST_AT_ONCE; count++) {
    const was = await withDueSchedule(options.db, now, (tx, { workspaceId, triggerId }) =>
      carrySchedule(options, tx, workspaceId, triggerId, now),
    );
    if (!was) return;
  }
}

async function carrySchedule(
  options: TriggersOptions,
  tx: WorkspaceTx,
  workspaceId: string,
  triggerId: string,
  now: Date,
): Promise<void> {
  const trigger = await getTrigger(tx, triggerId);
  if (!trigger?.nextAt) {
    await moveTrigger(tx, triggerId, { nextAt: null }); // its brand or pipeline was removed
    return;
  }
  const { when, zone, missed } = trigger.config as { when: string; zone: string; missed: Missed };
  const reading = readWhen(when);
  if (!reading.ok) {
    const problem = { code: 'SCHEDULE_UNCLEAR', message: reading.message, hint: null, retry: 'person' };
    await moveTrigger(tx, triggerId, { nextAt: null, problem });
    return;
  }
  const place = zone || trigger.brandZone;
  const due = dueTimes(reading.cron, place, trigger.nextAt, now, missed);
  const starter = await starterOf(options, tx, trigger);
  if (!starter.ok) {
    await moveTrigger(tx, triggerId, { nextAt: due.next, problem: starter.error });
    return;
  }
  for (const { at, missed: isMissed, leftOut } of due.start) {
    const event = { at: at.toISOString(), zone: place, ...wallClock(at, place), missed: isMissed, leftOut };
    await acceptEventIn(tx, {
      workspaceId,
      triggerId,
      version: trigger.version,
      key: event.at,
      run: starter.text({ node: trigger.node, kind: 'schedule', event, sample: null }),
    });
  }
  await moveTrigger(tx, triggerId, {
    nextAt: due.next,
    ...(due.leftOut > 0 ? { note: leftOutNote(due.leftOut, trigger.nextAt, missed, now) } : {}),
  });
}

function leftOutNote(count: number, since: Date, policy: Missed, now: Date): string {
  const times = count === 1 ? '1 planned time' : `${count} planned times`;
  const what =
    policy === 'skip'
      ? 'left out'
      : policy === 'once'
        ? 'made up for by one run'
        : 'left out: the latest 100 were made up for';
  return `${times} between ${since.toISOString().slice(0, 16)}Z and ${now.toISOString().slice(0, 16)}Z passed while nothing was running, and ${count === 1 ? 'was' : 'were'} ${what}.`;
}

// ---------------------------------------------------------------- uploads

async function arrivals(options: TriggersOptions): Promise<void> {
  for (let count = 0; count < MOST_AT_ONCE; count++) {
    const was = await withNextArrival(options.db, async (tx, { workspaceId, sha256, brandId, at }) => {
      const asset = (await findAsset(tx, sha256))?.asset;
      if (!asset || (asset.kind !== 'video' && asset.kind !== 'audio')) return;
      for (const trigger of await triggersOn(tx, 'asset')) {
        if (brandId !== null && trigger.brandId !== brandId) continue;
        const { kind, nameContains } = trigger.config as { kind: string; nameContains: string };
        if (kind !== 'any' && kind !== asset.kind) continue;
        if (!(asset.name ?? '').toLowerCase().includes(nameContains.toLowerCase())) continue;
        const starter = await starterOf(options, tx, trigger);
        if (!starter.ok) {
          await moveTrigger(tx, trigger.id, { nextAt: null, problem: starter.error });
          continue;
        }
        const event = { at: at.toISOString(), asset };
        await acceptEventIn(tx, {
          workspaceId,
          triggerId: trigger.id,
          version: trigger.version,
          key: sha256,
          run: starter.text({ node: trigger.node, kind: 'asset', event, sample: null }),
        });
      }
    });
    if (!was) return;
  }
}

// ---------------------------------------------------------------- feeds

async function feeds(options: TriggersOptions): Promise<void> {
  const now = options.now?.() ?? new Date();
  for (let count = 0; count < MOST_AT_ONCE; count++) {
    const looker = randomUUID();
    const due = await takeDueFeed(options.db, now, looker);
    if (!due) return;
    await lookAtFeed(options, due, looker, now);
  }
}

type Cursor = { etag?: string; modified?: string; title?: string; begun?: boolean };
type Look =
  | { kind: 'same' }
  | { kind: 'feed'; feed: Feed; etag?: string; modified?: string }
  | { kind: 'failed'; error: ErrorJson };

async function lookAtFeed(
  options: TriggersOptions,
  { workspaceId, triggerId }: { workspaceId: string; triggerId: string },
  looker: string,
  now: Date,
): Promise<void> {
  const inside = <T>(work: (tx: WorkspaceTx) => Promise<T>) => inWorkspace(options.db, workspaceId, work);
  const trigger = await inside((tx) => getTrigger(tx, triggerId));
  if (!trigger) return inside(async (tx) => void (await moveTrigger(tx, triggerId, { nextAt: null })));
  const { url, everyMinutes, first, latest } = trigger.config as {
    url: string;
    everyMinutes: number;
    first: string;
    latest: number;
  };
  const cursor = trigger.cursor as Cursor;
  const nextAt = new Date(now.getTime() + everyMinutes * 60_000);
  const found = await ask(options.fetcher, url, cursor);
  await inside(async (tx) => {
    if (found.kind !== 'feed') {
      const problem = found.kind === 'failed' ? found.error : null;
      await moveTrigger(tx, triggerId, { nextAt, problem, heldBy: looker });
      return;
    }
    const keys = found.feed.items.map((item) => item.id);
    const isFirst = cursor.begun !== true;
    // oldest first, so that runs are numbered as the items came
    const wanted = isFirst ? (first === 'the latest' ? newest(found.feed.items, latest) : []) : found.feed.items;
    const starter = await starterOf(options, tx, trigger);
    const fresh = new Set(
      await unknownKeys(
        tx,
        triggerId,
        wanted.map((item) => item.id),
      ),
    );
    const items = byAge(wanted.filter((item) => fresh.has(item.id)));
    const batch = items.slice(0, MOST_ITEMS);
    const isAll = starter.ok && batch.length === items.length;
    const isOurs = await moveTrigger(tx, triggerId, {
      nextAt: isAll || !starter.ok ? nextAt : new Date(nextAt.getTime() - everyMinutes * 60_000 + SOON_MS),
      problem: starter.ok ? null : starter.error,
      // an etag says that everything was read: what is left over asks again
      cursor: isAll
        ? { begun: true, title: found.feed.title, etag: found.etag, modified: found.modified }
        : { ...cursor, begun: starter.ok || cursor.begun === true, etag: undefined, modified: undefined },
      heldBy: looker,
    });
    if (!isOurs || !starter.ok) return; // another looks by now, or it was turned off
    for (const item of batch) {
      const event = { at: new Date().toISOString(), feed: found.feed.title, item };
      await acceptEventIn(tx, {
        workspaceId,
        triggerId,
        version: trigger.version,
        key: item.id,
        run: starter.text({ node: trigger.node, kind: 'feed', event, sample: null }),
      });
    }
    if (isFirst) await rememberKeys(tx, triggerId, keys);
  });
}

async function ask(fetcher: Fetcher, url: string, cursor: Cursor): Promise<Look> {
  try {
    const reply = await fetcher.request(url, {
      headers: {
        accept: 'application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5',
        'user-agent': 'Spliceboard (feed reader)',
        ...(cursor.etag ? { 'if-none-match': cursor.etag } : {}),
        ...(cursor.modified ? { 'if-modified-since': cursor.modified } : {}),
      },
      timeoutMs: FEED_MS,
      maxBytes: FEED_BYTES,
    });
    const bytes = await reply.bytes();
    if (reply.status === 304) return { kind: 'same' };
    if (reply.status !== 200) {
      return {
        kind: 'failed',
        error: {
          code: 'FEED_REFUSED',
          message: `The feed answered with status ${reply.status}.`,
          hint: 'It is looked at again; check its address if this stays.',
          retry: 'later',
        },
      };
    }
    const feed = readFeed(decodeFeed(bytes, reply.headers.get('content-type') ?? ''));
    const [etag, modified] = [reply.headers.get('etag'), reply.headers.get('last-modified')];
    return { kind: 'feed', feed, ...(etag ? { etag } : {}), ...(modified ? { modified } : {}) };
  } catch (error) {
    if (!(error instanceof FetchError) && !(error instanceof NodeError)) throw error;
    const { code, message, hint, retry } = error;
    return { kind: 'failed', error: { code, message, hint, retry } };
  }
}

/** By date where every item has one, else in the order of the feed, which is the newest first. */
function byAge(items: FeedItem[]): FeedItem[] {
  const oldestFirst = items.toReversed();
  if (items.some((item) => item.published === null)) return oldestFirst;
  return oldestFirst.sort((a, b) => a.published!.localeCompare(b.published!));
}

function newest(items: FeedItem[], count: number): FeedItem[] {
  return byAge(items).slice(-count);
}
