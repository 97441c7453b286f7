/**
 * Installs speech engines that need no key: models for the local engine (fetched once from their publisher, with
 * progress, resumed where they broke off, checked by size and SHA-256), and on Debian the draft engine by apt-get.
 *
 *   models/<id>/<file>        only ever whole and checked; <file>.part while it is on its way
 *
 * SPLICEBOARD_MODELS names another folder; the same files may be put there by hand (they are checked once).
 * Errors: MODEL_UNKNOWN, MODEL_DIGEST, INSTALL_NEEDS_ROOT, INSTALL_FAILED, DISK_FULL, and fetch.ts's.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CapabilityError } from '../capabilities/capability.ts';
import { FetchError, type Fetcher } from '../fetch.ts';
import { MODELS, type Model, type ModelFile, modelBytes } from './catalogue.ts';
import { findDraft } from './draft.ts';

export type InstallProgress = { fraction: number; note: string };
export type Installable = {
  id: string;
  label: string;
  task: 'transcribe' | 'diarize';
  installed: boolean;
  bytes: number | null;
  from: string;
  licence: string;
  /** Why it cannot be installed here, or null. */
  obstacle: string | null;
};

const DRAFT = 'draft';
const DOWNLOAD_MS = 6 * 3600_000;
/** Left free on the disk after an install. */
const SPARE_BYTES = 500 * 1024 * 1024;

export function modelFolder(dataFolder?: string, environment = process.env): string {
  return environment.SPLICEBOARD_MODELS ?? path.join(dataFolder ?? path.join(process.cwd(), 'data'), 'models');
}

/** Whether all files are there and were checked. The check's result lies beside them, with sizes and times. */
export async function isInstalled(model: Model, folder: string): Promise<boolean> {
  const own = path.join(folder, model.id);
  try {
    const marks = await Promise.all(
      model.files.map(async (file) => markOf(file, await stat(path.join(own, file.name)))),
    );
    if (marks.some((mark) => mark === undefined)) return false;
    const seal = path.join(own, '.checked');
    const expected = marks.join('\n');
    const known = await readFile(seal, 'utf8').catch(() => '');
    if (known === expected) return true;
    for (const file of model.files) if ((await digestOf(path.join(own, file.name))) !== file.sha256) return false;
    await writeFile(seal, expected).catch(() => {}); // a folder that may only be read is checked anew each time
    return true;
  } catch {
    return false;
  }
}

const markOf = (file: ModelFile, found: { size: number; mtimeMs: number }) =>
  found.size === file.bytes ? `${file.name} ${file.sha256} ${found.size} ${Math.floor(found.mtimeMs)}` : undefined;

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The first installed model for a task, best first. */
export async function installedModel(
  task: Model['task'],
  folder: string,
  catalogue: readonly Model[] = MODELS,
): Promise<{ model: Model; folder: string } | undefined> {
  for (const model of catalogue) {
    if (model.task === task && (await isInstalled(model, folder)))
      return { model, folder: path.join(folder, model.id) };
  }
  return undefined;
}

/** Everything that can be installed, for Settings and `speech install`. */
export async function installables(folder: string, catalogue: readonly Model[] = MODELS): Promise<Installable[]> {
  const models = await Promise.all(
    catalogue.map(async (model) => ({
      id: model.id,
      label: model.label,
      task: model.task,
      installed: await isInstalled(model, folder),
      bytes: modelBytes(model),
      from: new URL(model.files[0]!.url).host,
      licence: model.licence,
      obstacle: null,
    })),
  );
  return [
    ...models,
    {
      id: DRAFT,
      label: 'Draft (pocketsphinx, English)',
      task: 'transcribe',
      installed: (await findDraft()) !== undefined,
      bytes: 40_000_000,
      from: 'Debian',
      licence: 'BSD-2-Clause',
      obstacle: draftObstacle(),
    },
  ];
}

function draftObstacle(): string | null {
  if (!existsSync('/usr/bin/apt-get')) return 'It comes as a Debian package, and this machine has no apt-get.';
  if (process.getuid?.() !== 0) return 'apt-get needs root. Run: sudo apt-get install pocketsphinx pocketsphinx-en-us';
  return null;
}

/** Installs one engine or model by its id. Safe to call again: what is there is kept, what broke off goes on. */
export async function installEngine(
  id: string,
  options: {
    fetcher: Fetcher;
    folder: string;
    onProgress?(progress: InstallProgress): void;
    signal?: AbortSignal;
    /** Other models than the product's own. */
    catalogue?: readonly Model[];
  },
): Promise<void> {
  const { catalogue = MODELS } = options;
  const report = options.onProgress ?? (() => {});
  if (id === DRAFT) return installDraft(report, options.signal);
  const model = catalogue.find((one) => one.id === id);
  if (!model) {
    throw new CapabilityError('MODEL_UNKNOWN', `There is no engine "${id}" to install.`, {
      hint: `There are: ${[...catalogue.map((one) => one.id), DRAFT].join(', ')}.`,
    });
  }
  if (await isInstalled(model, options.folder)) return report({ fraction: 1, note: `${model.label} is installed.` });
  const own = path.join(options.folder, model.id);
  await mkdir(own, { recursive: true });
  await checkSpace(own, modelBytes(model));
  const total = modelBytes(model);
  let done = 0;
  for (const file of model.files) {
    await fetchFile(file, own, options, (bytes) => {
      const megabytes = (value: number) => Math.round(value / 1_000_000);
      report({
        fraction: (done + bytes) / total,
        note: `${megabytes(done + bytes)} of ${megabytes(total)} MB from ${new URL(file.url).host}`,
      });
    });
    done += file.bytes;
  }
  if (!(await isInstalled(model, options.folder))) throw broken(model.label);
  report({ fraction: 1, note: `${model.label} is installed.` });
}

async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize > bytes + SPARE_BYTES) return;
  throw new CapabilityError(
    'DISK_FULL',
    `${Math.round(bytes / 1_000_000)} MB are needed, and the disk has ${Math.round((bavail * bsize) / 1_000_000)} MB left.`,
    {
      hint: 'Free some space, or name another folder with SPLICEBOARD_MODELS.',
      retry: 'person',
    },
  );
}

async function fetchFile(
  file: ModelFile,
  folder: string,
  { fetcher, signal }: { fetcher: Fetcher; signal?: AbortSignal },
  onBytes: (bytes: number) => void,
): Promise<void> {
  const target = path.join(folder, file.name);
  if (existsSync(target) && (await stat(target)).size === file.bytes && (await digestOf(target)) === file.sha256)
    return onBytes(file.bytes);
  const partial = `${target}.part`;
  let held = existsSync(partial) ? (await stat(partial)).size : 0;
  if (held > file.bytes) {
    await rm(partial);
    held = 0;
  }
  if (held < file.bytes) await download(file, partial, held, { fetcher, ...(signal ? { signal } : {}) }, onBytes);
  if ((await stat(partial)).size !== file.bytes || (await digestOf(partial)) !== file.sha256) {
    await rm(partial, { force: true });
    throw broken(file.name);
  }
  await rename(partial, target);
}

async function download(
  file: ModelFile,
  partial: string,
  held: number,
  { fetcher, signal }: { fetcher: Fetcher; signal?: AbortSignal },
  onBytes: (bytes: number) => void,
): Promise<void> {
  try {
    const reply = await fetcher.request(file.url, {
      headers: {
        'user-agent': 'Spliceboard',
        'accept-encoding': 'identity',
        ...(held > 0 ? { range: `bytes=${held}-` } : {}),
      },
      timeoutMs: DOWNLOAD_MS,
      maxBytes: file.bytes + 1024,
      ...(signal ? { signal } : {}),
    });
    if (reply.status !== 200 && reply.status !== 206) {
      await reply.body.cancel();
      throw new CapabilityError(
        'INSTALL_FAILED',
        `${new URL(file.url).host} answered with status ${reply.status} for ${file.name}.`,
        {
          hint: 'Try again later; what has arrived is kept.',
          retry: 'later',
        },
      );
    }
    const resumed = reply.status === 206;
    const handle = await open(partial, resumed ? 'a' : 'w');
    try {
      let bytes = resumed ? held : 0;
      for await (const chunk of reply.body) {
        await handle.write(chunk);
        bytes += chunk.length;
        onBytes(bytes);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    throw new CapabilityError('INSTALL_FAILED', `${file.name} could not be loaded: ${error.message}`, {
      hint: 'Try again; what has arrived is kept.',
      retry: 'later',
      cause: error,
    });
  }
}

const broken = (name: string) =>
  new CapabilityError('MODEL_DIGEST', `${name} is not the file its publisher announced: its SHA-256 differs.`, {
    hint: 'It was removed. Install it again; if it stays so, the publisher has changed it.',
  });

async function installDraft(
  report: (progress: InstallProgress) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (await findDraft()) return report({ fraction: 1, note: 'The draft engine is installed.' });
  const obstacle = draftObstacle();
  if (obstacle)
    throw new CapabilityError('INSTALL_NEEDS_ROOT', `The draft engine cannot be installed from here. ${obstacle}`, {
      retry: 'person',
    });
  report({ fraction: 0.1, note: 'Asking Debian for its list of packages.' });
  await apt(['update', '-qq'], signal);
  report({ fraction: 0.4, note: 'Loading pocketsphinx and its English model, about 40 MB.' });
  await apt(['install', '-y', '-qq', '--no-install-recommends', 'pocketsphinx', 'pocketsphinx-en-us'], signal);
  if (!(await findDraft()))
    throw new CapabilityError('INSTALL_FAILED', 'apt-get ended well, but the draft engine is not there.', {
      hint: 'Run: apt-get install pocketsphinx pocketsphinx-en-us',
    });
  report({ fraction: 1, note: 'The draft engine is installed.' });
}

function apt(args: string[], signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/apt-get', args, {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
      ...(signal ? { signal } : {}),
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const line =
        said
          .split('\n')
          .filter((one) => one.startsWith('E:'))
          .at(-1) ??
        said.trim().split('\n').at(-1) ??
        '';
      reject(
        new CapabilityError('INSTALL_FAILED', `apt-get ${args[0]} failed: ${line.slice(0, 300)}`, {
          hint: 'Run it by hand to see more.',
          retry: 'later',
        }),
      );
    });
  });
}
