/**
 * Live runs for every tab of this browser over one set of event streams (HTTP/1.1 allows a browser six connections).
 *
 * The tab that holds the lock `spliceboard.stream` is the leader: it alone subscribes and passes events on over a
 * BroadcastChannel of the same name. Tabs say which runs they look at; a tab that joins is sent the whole run as the
 * leader knows it. When the leader's tab closes, the lock falls to another one, which asks all tabs what they want.
 * At most `STREAMS` runs are streamed at a time, the last asked for first; others are read every `POLL_MS`.
 * Where a browser lacks locks or channels each tab leads itself.
 */
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { client } from '../api.ts';
import { isOffline, problemOf, type ShownProblem } from '../problem.ts';
import type { RunView } from '../run-view.ts';
import { applyRunEvent, isLive, type RunEvent } from './run-events.ts';

/** connecting: nothing known yet or the stream broke; live: as the server sees it; refused: see `problem`. */
export type StreamStatus = 'idle' | 'connecting' | 'live' | 'refused';
export type RunWatch = { run: RunView | null; status: StreamStatus; problem: ShownProblem | null };

type Message =
  | { kind: 'hello' }
  | { kind: 'want'; tab: string; keys: string[] }
  | { kind: 'state'; key: string; watch: RunWatch }
  | { kind: 'event'; key: string; event: RunEvent }
  | { kind: 'refresh'; key: string };

const NAME = 'spliceboard.stream';
const STREAMS = 2;
const POLL_MS = 2000;
const POLL_ENDED_MS = 15_000;
const SAY_AGAIN_MS = 20_000;
/** Timers of hidden tabs may run once a minute only. */
const FORGET_MS = 150_000;
const NOTHING: RunWatch = { run: null, status: 'idle', problem: null };
const CONNECTING: RunWatch = { run: null, status: 'connecting', problem: null };

const keyOf = (workspaceId: string, runId: string) => `${workspaceId}/${runId}`;
const fromKey = (key: string) => {
  const [workspaceId = '', runId = ''] = key.split('/');
  return { workspaceId, runId };
};

/** What this tab shows, by key. */
const shown = new Map<string, RunWatch>();
const listeners = new Map<string, Set<() => void>>();
/** How many components of this tab look at each key. */
const wanted = new Map<string, number>();

function show(key: string, watch: RunWatch): void {
  shown.set(key, watch);
  for (const listener of listeners.get(key) ?? []) listener();
}

const tab = Math.random().toString(36).slice(2);
let channel: BroadcastChannel | null = null;
let leader: Leader | null = null;
let started = false;

function say(message: Message): void {
  channel?.postMessage(message);
  leader?.hear(message);
}

function sayWants(): void {
  say({ kind: 'want', tab, keys: [...wanted.keys()] });
}

/** Holds the subscriptions of the whole browser. Exists in one tab at a time. */
class Leader {
  private readonly tabs = new Map<string, { keys: string[]; at: number }>();
  private readonly watches = new Map<string, RunWatch>();
  private readonly open = new Map<string, { stop: () => void; streamed: boolean }>();
  /** Keys, last asked for last. */
  private order: string[] = [];

  hear(message: Message): void {
    if (message.kind === 'refresh') {
      this.close(message.key);
      this.arrange();
      return;
    }
    if (message.kind !== 'want') return;
    const before = this.tabs.get(message.tab)?.keys ?? [];
    this.tabs.set(message.tab, { keys: message.keys, at: Date.now() });
    for (const key of message.keys.filter((each) => !before.includes(each))) {
      this.order = [...this.order.filter((each) => each !== key), key];
      const watch = this.watches.get(key);
      if (watch) this.pass({ kind: 'state', key, watch });
    }
    this.arrange();
  }

  private pass(message: Message): void {
    channel?.postMessage(message);
    receive(message);
  }

  private set(key: string, watch: RunWatch): void {
    this.watches.set(key, watch);
    this.pass({ kind: 'state', key, watch });
  }

  private close(key: string): void {
    this.open.get(key)?.stop();
    this.open.delete(key);
  }

  /** Opens and closes so that every wanted run is either streamed or read again and again. */
  private arrange(): void {
    const now = Date.now();
    for (const [name, { at }] of this.tabs) if (name !== tab && now - at > FORGET_MS) this.tabs.delete(name);
    const wants = new Set([...this.tabs.values()].flatMap(({ keys }) => keys));
    this.order = this.order.filter((key) => wants.has(key));
    const streamed = new Set(this.order.slice(-STREAMS));
    for (const [key, entry] of this.open) {
      if (!wants.has(key)) {
        this.close(key);
        this.watches.delete(key);
      } else if (entry.streamed !== streamed.has(key)) this.close(key);
    }
    for (const key of wants) if (!this.open.has(key)) this.start(key, streamed.has(key));
  }

  private start(key: string, streamed: boolean): void {
    if (!this.watches.has(key)) this.set(key, CONNECTING);
    const stop = streamed ? this.stream(key) : this.poll(key);
    this.open.set(key, { stop, streamed });
  }

  private stream(key: string): () => void {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let closed = false;
    let subscription: { unsubscribe: () => void } | null = null;
    const again = (afterMs: number) => {
      if (!closed) timer = setTimeout(subscribe, afterMs);
    };
    const watch = () => this.watches.get(key) ?? CONNECTING;
    const subscribe = () => {
      subscription = client.runs.watch.subscribe(fromKey(key), {
        onData: (data) => {
          if (closed) return;
          const event = data as RunEvent;
          const run = applyRunEvent(watch().run, event);
          const before = watch();
          this.watches.set(key, { run, status: 'live', problem: null });
          if (before.status === 'live' && event.kind === 'nodes') this.pass({ kind: 'event', key, event });
          else this.pass({ kind: 'state', key, watch: { run, status: 'live', problem: null } });
        },
        onConnectionStateChange: (state) => {
          if (!closed && state.state === 'connecting' && watch().status === 'live')
            this.set(key, { ...watch(), status: 'connecting' });
        },
        onError: (error) => {
          if (closed) return;
          const gone = !isOffline(error);
          this.set(key, {
            run: watch().run,
            status: gone ? 'refused' : 'connecting',
            problem: gone ? problemOf(error) : null,
          });
          again(gone ? POLL_ENDED_MS : POLL_MS);
        },
        // The server ends the stream of a finished run; somebody may still retry or correct it elsewhere.
        onComplete: () => again(isLive(watch().run?.state ?? 'running') ? POLL_MS : POLL_ENDED_MS),
      });
    };
    subscribe();
    return () => {
      closed = true;
      if (timer) clearTimeout(timer);
      subscription?.unsubscribe();
    };
  }

  private poll(key: string): () => void {
    let closed = false;
    let timer: ReturnType<typeof setTimeout> | null = null;
    const read = async () => {
      let afterMs = POLL_MS;
      try {
        const run = await client.runs.get.query(fromKey(key));
        if (!closed) this.set(key, { run, status: 'live', problem: null });
        if (!isLive(run.state)) afterMs = POLL_ENDED_MS;
      } catch (error) {
        const run = this.watches.get(key)?.run ?? null;
        const problem = isOffline(error) ? null : problemOf(error);
        if (!closed) this.set(key, { run, status: problem ? 'refused' : 'connecting', problem });
      }
      if (!closed) timer = setTimeout(read, afterMs);
    };
    void read();
    return () => {
      closed = true;
      if (timer) clearTimeout(timer);
    };
  }
}

/** A message of the leader, in any tab. */
function receive(message: Message): void {
  if (message.kind === 'hello') sayWants();
  if (message.kind === 'state' && wanted.has(message.key)) show(message.key, message.watch);
  if (message.kind === 'event' && wanted.has(message.key)) {
    const before = shown.get(message.key) ?? CONNECTING;
    show(message.key, { run: applyRunEvent(before.run, message.event), status: 'live', problem: null });
  }
}

function lead(): void {
  leader = new Leader();
  channel?.postMessage({ kind: 'hello' } satisfies Message);
  sayWants();
}

function start(): void {
  if (started) return;
  started = true;
  if (typeof BroadcastChannel !== 'undefined' && navigator.locks) {
    channel = new BroadcastChannel(NAME);
    channel.onmessage = ({ data }: MessageEvent<Message>) => {
      leader?.hear(data);
      receive(data);
    };
    // Held until this tab goes away.
    void navigator.locks.request(NAME, () => {
      lead();
      return new Promise<never>(() => {});
    });
  } else lead();
  setInterval(sayWants, SAY_AGAIN_MS);
  addEventListener('pagehide', () => say({ kind: 'want', tab, keys: [] }));
  addEventListener('pageshow', sayWants);
}

function want(key: string): () => void {
  start();
  wanted.set(key, (wanted.get(key) ?? 0) + 1);
  if (wanted.get(key) === 1) {
    show(key, shown.get(key) ?? CONNECTING);
    sayWants();
  }
  return () => {
    const rest = (wanted.get(key) ?? 1) - 1;
    if (rest > 0) {
      wanted.set(key, rest);
      return;
    }
    wanted.delete(key);
    // A page that swaps one reader of a run for another keeps what it shows.
    setTimeout(() => {
      if (!wanted.has(key)) shown.delete(key);
    }, 1000);
    sayWants();
  };
}

function subscribeTo(key: string, listener: () => void): () => void {
  const set = listeners.get(key) ?? new Set();
  set.add(listener);
  listeners.set(key, set);
  return () => {
    set.delete(listener);
    if (set.size === 0) listeners.delete(key);
  };
}

/** A run as it is now. `runId` null: nothing is watched. The same object until something of it changes. */
export function useRunWatch(workspaceId: string, runId: string | null): RunWatch {
  const key = runId ? keyOf(workspaceId, runId) : null;
  useEffect(() => (key ? want(key) : undefined), [key]);
  const subscribe = useMemo(() => (listener: () => void) => (key ? subscribeTo(key, listener) : () => {}), [key]);
  return useSyncExternalStore(subscribe, () => (key ? (shown.get(key) ?? CONNECTING) : NOTHING));
}

/** Reads the run anew at once: after a retry or a correction, which may wake a run whose stream has ended. */
export function refreshRun(workspaceId: string, runId: string): void {
  say({ kind: 'refresh', key: keyOf(workspaceId, runId) });
}
