/**
 * Tells live views which runs changed. Workers announce run ids after their commits; a lost announcement costs at most
 * the view's own poll. One listening connection for the whole server, opened again when it breaks.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { listenForRuns } from '../db/ledger.ts';

export type RunHub = {
  /** Resolves when the run (or pipeline) was announced, after `ms`, or when aborted; never rejects. */
  changed(id: string, ms: number, signal: AbortSignal): Promise<void>;
  /** For changes that this server itself makes (drafts). */
  announce(id: string): void;
  close(): Promise<void>;
};

const RECONNECT_MS = 1_000;

export function createRunHub(databaseUrl: string): RunHub {
  const events = new EventEmitter().setMaxListeners(0);
  let listening: { end(): Promise<void> } | undefined;
  let closed = false;
  const listen = async () => {
    while (!closed) {
      try {
        listening = await listenForRuns(databaseUrl, {
          changed: (ids) => {
            for (const id of ids) events.emit(id);
          },
          lost: () => void sleep(RECONNECT_MS).then(listen),
        });
        if (closed) await listening.end();
        return;
      } catch {
        await sleep(RECONNECT_MS);
      }
    }
  };
  void listen();
  return {
    changed: (id, ms, signal) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          events.off(id, done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        events.on(id, done);
        signal.addEventListener('abort', done);
        if (signal.aborted) done();
      }),
    announce: (id) => void events.emit(id),
    async close() {
      closed = true;
      await listening?.end();
    },
  };
}
