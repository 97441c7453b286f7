/**
 * What a worker does once for the whole installation, asked for by a person: fetching a speech engine. One at a time;
 * one that died with its worker is taken again after a minute and goes on where the download broke off.
 */
import * as z from 'zod';
import { type Chore, reportChore, takeChore } from '../db/chores.ts';
import type { Database } from '../db/connect.ts';
import { CapabilityError } from './capabilities/capability.ts';
import { offerFor } from './doctor.ts';
import type { Fetcher } from './fetch.ts';
import { installables, installEngine } from './speech/install.ts';

export type ChoresOptions = {
  db: Database;
  fetcher: Fetcher;
  /** Folder of the models. */
  models: string;
  /** After one that changed what this machine has. */
  changed(): void;
  log(line: string, details: Record<string, unknown>): void;
};

const LOOK_MS = 1_000;
const TOUCH_MS = 1_000;
const Install = z.object({ engine: z.string().max(60) });

export function startChores(options: ChoresOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let current: Promise<void> = Promise.resolve();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    current = look(options, stopping.signal)
      .catch((error: unknown) => options.log('Looking for chores failed.', { err: error }))
      .finally(() => {
        isBusy = false;
      });
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await current;
    },
  };
}

async function look(options: ChoresOptions, signal: AbortSignal): Promise<void> {
  const chore = await takeChore(options.db);
  if (!chore) return;
  try {
    await install(options, chore, signal);
    await reportChore(options.db, chore.id, { state: 'done', progress: { done: true } });
    options.changed();
  } catch (error) {
    if (signal.aborted) return; // untouched for a minute, another worker takes it
    const { code, message, hint, retry } =
      error instanceof CapabilityError
        ? error.error
        : {
            code: 'INSTALL_FAILED',
            message: (error as Error).message,
            hint: 'Try again; what is there already is kept.',
            retry: 'person' as const,
          };
    await reportChore(options.db, chore.id, { state: 'failed', error: { code, message, hint, retry } });
  }
}

async function install(options: ChoresOptions, chore: Chore, signal: AbortSignal): Promise<void> {
  const { engine } = Install.parse(chore.input);
  const offer = offerFor(engine, await installables(options.models));
  const total = offer?.bytes ?? undefined;
  let news: { bytes?: number; total?: number; message: string } = { message: 'Beginning.', total };
  const touch = setInterval(() => {
    void reportChore(options.db, chore.id, { state: 'running', progress: news }).catch(() => {}); // the next one tells
  }, TOUCH_MS);
  try {
    await installEngine(offer?.id ?? engine, {
      fetcher: options.fetcher,
      folder: options.models,
      signal,
      onProgress({ fraction, note }) {
        news = { message: note, total, ...(total === undefined ? {} : { bytes: Math.round(fraction * total) }) };
      },
    });
  } finally {
    clearInterval(touch);
  }
}
