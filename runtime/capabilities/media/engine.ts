/**
 * Starts the children that do the work of native or heavy libraries on content nobody trusts: drawing, finding people,
 * finding speech. Each is one bundled script read from its standard input, confined like ffmpeg (spawn.ts), under
 * Node's permission model, without network, environment or writable files. It answers one request at a time over a
 * socket and is killed when it takes too long, grows too large or its caller gives up.
 *
 * Units: milliseconds, bytes. Throws ENGINE_FAILED and ENGINE_TIMEOUT as CapabilityError.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { engineProgram } from '../../bundle.ts';
import { type ConfinedProcess, spawnConfined, usageOf } from '../../sandbox/spawn.ts';
import { CapabilityError } from '../capability.ts';
import { type Message, receive, send } from './wire.ts';

export type EngineOptions = {
  /** The child's TypeScript file. */
  entry: URL;
  /** A native addon, handed over as an open file: the child sees it as `/proc/self/fd/4` (elsewhere by its path). */
  addon?: string;
  /** Folders it may read by name. A confined uid must be able to walk there, else it keeps ours. */
  reads?: string[];
  /** Resident memory at which it is killed. */
  memoryBytes: number;
  /** One request may take this long. */
  timeoutMs: number;
  nice?: number;
};

export type Engine = {
  request(header: unknown, bytes?: Uint8Array, signal?: AbortSignal): Promise<Message>;
  readonly isOpen: boolean;
  close(): void;
};

const ADDRESS_SPACE_BYTES = 32 * 1024 ** 3; // WebAssembly reserves 8 GB for each memory it opens
const WATCH_MS = 200;

/** Whether any uid can walk to this folder. */
function isReachable(folder: string): boolean {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      if ((statSync(at).mode & 0o001) === 0) return false;
    } catch {
      return false;
    }
    if (at === path.dirname(at)) return true;
  }
}

export async function startEngine(options: EngineOptions): Promise<Engine> {
  const script = await engineProgram(fileURLToPath(options.entry));
  const byDescriptor = process.platform === 'linux';
  const addonFd = options.addon && byDescriptor ? openSync(options.addon, 'r') : undefined;
  const reads = [...(options.reads ?? []), ...(options.addon && !byDescriptor ? [path.dirname(options.addon)] : [])];
  let child: ConfinedProcess;
  try {
    child = await spawnConfined(
      process.execPath,
      [
        '--no-node-snapshot',
        '--permission',
        ...(options.addon || options.reads ? ['--allow-addons'] : []),
        ...reads.map((folder) => `--allow-fs-read=${folder}`),
        '--disable-sigusr1',
        '--no-warnings',
        '--v8-pool-size=1',
        '-',
        options.addon ? (byDescriptor ? '/proc/self/fd/4' : options.addon) : '',
      ],
      {
        cwd: tmpdir(),
        filesystem: reads.length === 0 ? 'none' : 'host',
        ...(reads.every(isReachable) ? {} : { uid: process.getuid?.() ?? 0 }),
        env: { TZ: 'UTC', UV_THREADPOOL_SIZE: '1' },
        stdio: ['pipe', 'ignore', 'pipe', 'pipe', ...(addonFd === undefined ? [] : [addonFd])],
        addressSpaceBytes: ADDRESS_SPACE_BYTES,
        fileSizeBytes: 0,
        nice: options.nice ?? 5,
      },
    );
  } finally {
    if (addonFd !== undefined) closeSync(addonFd);
  }
  child.stdin?.on('error', () => {}); // it may end before it has read all of its script
  child.stdin?.end(script);
  const socket = child.child.stdio[3] as unknown as Duplex;
  socket.on('error', () => {});
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });

  type Waiting = { resolve(message: Message): void; reject(error: Error): void; timer: NodeJS.Timeout };
  const queue: Waiting[] = [];
  let isOpen = true;
  let ended: CapabilityError | undefined;
  const end = (error: CapabilityError) => {
    ended ??= error;
    isOpen = false;
    clearInterval(watch);
    child.kill();
    for (const waiting of queue.splice(0)) {
      clearTimeout(waiting.timer);
      waiting.reject(ended);
    }
  };
  const failed = (what: string) =>
    new CapabilityError('ENGINE_FAILED', what, { retry: 'later', hint: 'It is tried again by itself.' });
  const watch = setInterval(() => {
    const used = usageOf(child.pid);
    if (used && used.residentBytes > options.memoryBytes) {
      end(failed(`A helper process was ended: it took more than ${Math.round(options.memoryBytes / 1024 ** 2)} MB.`));
    }
  }, WATCH_MS);
  watch.unref();
  void child.exited.then(({ code, signal }) => {
    const words =
      said
        .split('\n')
        .filter((line) => /error/i.test(line))
        .at(-1) ??
      said.split('\n')[0] ??
      '';
    end(failed(`A helper process ended (${signal ?? code})${words ? `: ${words.slice(0, 200)}` : ''}.`));
  });
  receive(
    socket,
    (message) => {
      const waiting = queue.shift();
      if (!waiting) return;
      clearTimeout(waiting.timer);
      const { error } = message.header as { error?: { code: string; message: string; hint?: string } };
      if (error) waiting.reject(new CapabilityError(error.code, error.message, error.hint ? { hint: error.hint } : {}));
      else waiting.resolve(message);
    },
    (error) => end(failed(`A helper process answered with nonsense: ${error.message}`)),
  );

  return {
    get isOpen() {
      return isOpen;
    },
    async request(header, bytes, signal) {
      signal?.throwIfAborted();
      if (ended) throw ended;
      const giveUp = () => end(failed('A helper process was given up.'));
      signal?.addEventListener('abort', giveUp, { once: true });
      try {
        return await new Promise<Message>((resolve, reject) => {
          const timer = setTimeout(() => {
            end(
              new CapabilityError(
                'ENGINE_TIMEOUT',
                `A helper process was ended: it took longer than ${options.timeoutMs / 1000} s.`,
                {
                  hint: 'Use a smaller picture or a shorter recording.',
                },
              ),
            );
          }, options.timeoutMs);
          queue.push({ resolve, reject, timer });
          send(socket, header, bytes);
        });
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        signal?.removeEventListener('abort', giveUp);
      }
    },
    close() {
      isOpen = false;
      clearInterval(watch);
      child.kill();
    },
  };
}
