/**
 * The data folder: everything a running Spliceboard keeps, and who runs on it now.
 *
 *   format.json   the folder's format and the version that wrote it last
 *   owner.json    who runs on it: pid, start of that process, address. Absent when nobody does
 *   postgres/     the embedded database (scripts/postgres.ts)
 *   assets/       the asset store: objects and job folders
 *   uploads/      unfinished uploads
 *   seal.key    seals credentials and signs addresses (0600; made by the server)
 *   sample        whether the first start has made the sample
 *   token         the local owner's API token, for the command line (0600)
 *
 * Every refusal is a `StartError`: one sentence with the remedy.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

/** A start that cannot work. `message` is shown as it is; exit code 1, or 0 where nothing is wrong. */
export class StartError extends Error {
  override name = 'StartError';
  readonly exitCode: number;
  constructor(message: string, options: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options);
    this.exitCode = options.exitCode ?? 1;
  }
}

export type Owner = {
  pid: number;
  /** Names one life of the pid: a later process with the same number has another. */
  started: string;
  /** Where it answers, or is going to. */
  url: string;
  version: string;
};

export type DataFolder = {
  path: string;
  release(): void;
};

/** Raised when an older version could no longer read the folder. */
const FORMAT = 1;
/** A new cluster takes 45 MB, its log up to 64 MB more; then media come. */
const NEW_FOLDER_BYTES = 400e6;
/** Enough to end a start in order. */
const LEAST_BYTES = 60e6;

/** Takes the folder for this process, making it where it is missing. */
export function openDataFolder(wanted: string, version: string, url: string): DataFolder {
  const folder = path.resolve(wanted);
  makeWritable(folder);
  const isNew = !existsSync(path.join(folder, 'format.json'));
  refuseForeign(folder, isNew);
  const owner = own(folder, version, url);
  try {
    refuseFull(folder, isNew);
    refuseNewer(folder);
    writeAside(path.join(folder, 'format.json'), `${JSON.stringify({ format: FORMAT, version })}\n`);
  } catch (error) {
    release(folder, owner);
    throw asStartError(error, folder);
  }
  return {
    path: folder,
    release: () => release(folder, owner),
  };
}

/** Who runs on this folder now, or undefined. */
export function ownerOf(folder: string): Owner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path.join(folder, 'owner.json'), 'utf8')) as Owner;
    return startOf(owner.pid) === owner.started ? owner : undefined;
  } catch {
    return undefined;
  }
}

/** Something that differs between two processes that got the same number, or undefined where none lives. */
export function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? undefined : fields[19];
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

function makeWritable(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    accessSync(folder, constants.W_OK | constants.X_OK);
    const probe = path.join(folder, `.write-${process.pid}`);
    writeFileSync(probe, 'x'); // root passes accessSync on a read-only file system
    rmSync(probe);
  } catch (error) {
    throw asStartError(error, folder);
  }
}

/** The sentence for what the file system refused. */
function asStartError(error: unknown, folder: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new StartError(
        `The data folder ${folder} cannot be written. Make it writable for this user, or choose another with --data DIR.`,
        { cause: error },
      );
    case 'EEXIST':
    case 'ENOTDIR':
      return new StartError(`The data folder ${folder} is not a folder. Choose another with --data DIR.`, {
        cause: error,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new StartError(
        `The disk of ${folder} is full. Free some space, or choose another folder with --data DIR.`,
        {
          cause: error,
        },
      );
    default:
      return error;
  }
}

function refuseForeign(folder: string, isNew: boolean): void {
  if (!isNew) return;
  const found = readdirSync(folder).filter((name) => !['owner.json', 'lost+found'].includes(name));
  if (found.length === 0) return;
  throw new StartError(
    `The folder ${folder} holds other things (${found.slice(0, 3).join(', ')}). Choose an empty folder with --data DIR.`,
  );
}

function refuseFull(folder: string, isNew: boolean): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const needed = isNew ? NEW_FOLDER_BYTES : LEAST_BYTES;
  if (free >= needed) return;
  throw new StartError(
    `The disk of ${folder} has ${Math.floor(free / 1e6)} MB left and Spliceboard needs ${needed / 1e6} MB to start. Free some space, or choose another folder with --data DIR.`,
  );
}

function refuseNewer(folder: string): void {
  const file = path.join(folder, 'format.json');
  if (!existsSync(file)) return;
  let found: { format?: unknown; version?: unknown };
  try {
    found = JSON.parse(readFileSync(file, 'utf8')) as typeof found;
  } catch (cause) {
    throw new StartError(
      `The file ${file} is damaged. Restore it from a backup, or choose another folder with --data DIR.`,
      {
        cause,
      },
    );
  }
  if (typeof found.format === 'number' && found.format <= FORMAT) return;
  throw new StartError(
    `The data folder ${folder} was written by Spliceboard ${String(found.version)}, which is newer than this one. Start that version, or choose another folder with --data DIR.`,
  );
}

/** One process per folder. A dead owner's record is taken over; of two that come at once one is told. */
function own(folder: string, version: string, url: string): Owner {
  const file = path.join(folder, 'owner.json');
  const owner: Owner = { pid: process.pid, started: startOf(process.pid) ?? '', url, version };
  const mine = path.join(folder, `owner.${process.pid}.tmp`);
  try {
    writeFileSync(mine, `${JSON.stringify(owner)}\n`, { mode: 0o644 });
    for (;;) {
      try {
        linkSync(mine, file); // fails where it exists: unlike a rename it overwrites nobody
        return owner;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw asStartError(error, folder);
      }
      const other = ownerOf(folder);
      if (other) {
        throw new StartError(
          `Spliceboard is already running at ${other.url} (process ${other.pid}). Open it there, or end it first.`,
          { exitCode: 0 },
        );
      }
      takeAway(file);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Removes a dead owner's record, unless somebody alive has just taken its place. */
function takeAway(file: string): void {
  const aside = `${file}.${randomBytes(4).toString('hex')}.dead`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another start was quicker
  }
  const owner = JSON.parse(readFileSync(aside, 'utf8') || '{}') as Partial<Owner>;
  if (owner.pid !== undefined && startOf(owner.pid) === owner.started) {
    try {
      linkSync(aside, file);
    } catch {
      // a third one: whoever lost reads it next
    }
  }
  rmSync(aside, { force: true });
}

function release(folder: string, owner: Owner): void {
  const current = ownerOf(folder);
  if (current?.pid === owner.pid) rmSync(path.join(folder, 'owner.json'), { force: true });
}

/** Whole or not at all. */
function writeAside(file: string, text: string): void {
  const aside = `${file}.${process.pid}.tmp`;
  writeFileSync(aside, text, { mode: 0o644 });
  renameSync(aside, file);
}
