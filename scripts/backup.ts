/**
 * `spliceboard backup FILE` and `spliceboard restore FILE`: database and assets in one file, made while everything runs.
 *
 *   spliceboard.json     format, version, migrations, tables with their columns and numbers of rows
 *   seal.key             only where the key lies in the data folder
 *   tables/NAME.gz       one JSON array a line (db/backup.ts)
 *   assets/<sha256>      each content once
 *   end.json             how many assets, and those that were removed meanwhile; the last entry: the file is whole
 *
 * The rows are of one instant; assets never change, so they are copied after it. Everything is compared with its digest
 * on both ways. A restore is one transaction: a killed one leaves the database empty.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import * as z from 'zod';
import { type BackupTable, beginRestore, openSnapshot, stateOf } from '../db/backup.ts';
import { checkDatabase, DatabaseError } from '../db/connect.ts';
import { migrate, migrations } from '../db/migrate.ts';
import { AssetDamaged, objectsFrom, StoreError } from '../runtime/assets.ts';
import { END, entriesOf, headOf, paddingOf, TarError } from '../runtime/tar.ts';
import { CommandError } from './client.ts';
import { openDataFolder, ownerOf, StartError } from './data-folder.ts';
import { runningPostgres, startPostgres } from './postgres.ts';

const FORMAT = 1;
const INSERT_BYTES = 4 * 1024 ** 2;
const { version: VERSION } = JSON.parse(
  readFileSync(path.join(path.dirname(import.meta.dirname), 'package.json'), 'utf8'),
) as { version: string };

const Head = z.object({
  format: z.literal(FORMAT),
  version: z.string(),
  madeAt: z.string(),
  migrations: z.array(z.number()),
  tables: z.array(
    z.object({
      name: z.string(),
      columns: z.array(z.object({ name: z.string(), type: z.string() })),
      isTenant: z.boolean(),
      rows: z.number(),
    }),
  ),
  assets: z.number(),
});
const End = z.object({ assets: z.number(), missing: z.array(z.string()) });
type Say = (line: string) => void;

/** The database of the environment, else the embedded one of the folder, started for this where it does not run. */
async function databaseOf(data: string): Promise<{ url: string } & AsyncDisposable> {
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
  const given = process.env.DATABASE_URL;
  if (given) {
    await checkDatabase(given);
    return { url: given, ...nothing };
  }
  const folder = path.join(data, 'postgres');
  const running = runningPostgres(folder);
  if (running !== undefined) return { url: running, ...nothing };
  const held = openDataFolder(data, VERSION, 'a backup or restore');
  try {
    const postgres = await startPostgres(folder, { untilWeEnd: true });
    return {
      url: postgres.url,
      async [Symbol.asyncDispose]() {
        await postgres.stop();
        held.release();
      },
    };
  } catch (error) {
    held.release();
    throw error;
  }
}

/** The sentence of what could not work. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      error instanceof DatabaseError ||
      error instanceof StartError ||
      error instanceof AssetDamaged ||
      error instanceof StoreError
    ) {
      throw new CommandError(error.message, null, { cause: error });
    }
    if (error instanceof TarError) throw new CommandError(`The file ${error.message}.`, null, { cause: error });
    throw error;
  }
}

export function backup(file: string, data: string, say: Say): Promise<void> {
  return told(async () => {
    if (!process.env.DATABASE_URL && !existsSync(path.join(data, 'format.json'))) {
      throw new CommandError(`There is no Spliceboard in ${path.resolve(data)}.`, 'Name its folder with --data DIR.');
    }
    const target = path.resolve(file);
    const aside = `${target}.${randomBytes(4).toString('hex')}.partial`;
    const rowsFolder = `${aside}.tables`;
    await mkdir(rowsFolder, { recursive: true, mode: 0o700 });
    try {
      await using database = await databaseOf(data);
      const { head, assets } = await takeRows(database.url, rowsFolder);
      say(`${head.tables.reduce((sum, { rows }) => sum + rows, 0)} rows of ${head.madeAt} are read.`);
      await write(aside, rowsFolder, data, head, assets, say);
      await rename(aside, target);
      const { size } = await stat(target);
      say(`${target}: ${head.assets} assets, ${Math.ceil(size / 1e6)} MB.`);
    } finally {
      await rm(rowsFolder, { recursive: true, force: true });
      await rm(aside, { force: true });
    }
  });
}

type Assets = Awaited<ReturnType<Awaited<ReturnType<typeof openSnapshot>>['assets']>>;

async function takeRows(url: string, folder: string): Promise<{ head: z.infer<typeof Head>; assets: Assets }> {
  const snapshot = await openSnapshot(url);
  try {
    const madeAt = new Date().toISOString();
    const tables: z.infer<typeof Head>['tables'] = [];
    for (const table of snapshot.tables) {
      let rows = 0;
      const lines = async function* () {
        for await (const line of snapshot.rows(table)) {
          rows += 1;
          yield `${line}\n`;
        }
      };
      const target = createWriteStream(path.join(folder, `${table.name}.gz`), { mode: 0o600 });
      await pipeline(Readable.from(lines()), createGzip({ level: 3 }), target);
      tables.push({ ...table, rows });
    }
    const assets = await snapshot.assets();
    const head = {
      format: FORMAT,
      version: VERSION,
      madeAt,
      migrations: snapshot.migrations,
      tables,
      assets: assets.length,
    };
    return { head: head as z.infer<typeof Head>, assets };
  } finally {
    await snapshot.end();
  }
}

async function write(
  file: string,
  rowsFolder: string,
  data: string,
  head: z.infer<typeof Head>,
  assets: Assets,
  say: Say,
): Promise<void> {
  const objects = await objectsFrom(path.join(data, 'assets'), process.env);
  await objects.check();
  const missing: string[] = [];
  let done = 0;
  let saidAt = Date.now();
  async function* entry(name: string, bytes: number, from: AsyncIterable<Buffer> | Iterable<Buffer>) {
    yield headOf(name, bytes);
    let written = 0;
    for await (const chunk of from) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== bytes) throw new Error(`${name} has ${written} bytes, not ${bytes}.`);
    yield paddingOf(bytes);
  }
  async function* parts(): AsyncGenerator<Buffer> {
    const text = (value: unknown) => [Buffer.from(`${JSON.stringify(value)}\n`)];
    const whole = (value: Buffer[]) => value.reduce((sum, each) => sum + each.length, 0);
    const opening = text(head);
    yield* entry('spliceboard.json', whole(opening), opening);
    const key = path.join(data, 'seal.key');
    if (!process.env.SPLICEBOARD_KEY && existsSync(key)) {
      const bytes = readFileSync(key);
      yield* entry('seal.key', bytes.length, [bytes]);
    }
    for (const { name } of head.tables) {
      const rows = path.join(rowsFolder, `${name}.gz`);
      yield* entry(`tables/${name}.gz`, (await stat(rows)).size, createReadStream(rows));
    }
    for (const { sha256, storageKey, bytes } of assets) {
      let source: Readable;
      try {
        source = await objects.read(storageKey, sha256);
      } catch (error) {
        if (!(error instanceof AssetDamaged)) throw error;
        missing.push(sha256); // somebody removed it after the rows were read
        continue;
      }
      yield* entry(`assets/${sha256}`, bytes, checked(source, sha256));
      done += 1;
      if (Date.now() - saidAt > 5_000) {
        saidAt = Date.now();
        say(`${done} of ${assets.length} assets.`);
      }
    }
    const closing = text({ assets: done, missing });
    yield* entry('end.json', whole(closing), closing);
    yield END;
  }
  await pipeline(Readable.from(parts()), createWriteStream(file, { mode: 0o600, flush: true }));
  if (missing.length > 0) say(`${missing.length} assets were not there and are left out.`);
}

async function* checked(source: AsyncIterable<Buffer>, sha256: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== sha256) throw new AssetDamaged(sha256, 'are not what its name says');
}

// ---------------------------------------------------------------- restore

export function restore(file: string, data: string, say: Say): Promise<void> {
  return told(async () => {
    const source = path.resolve(file);
    if (!existsSync(source)) throw new CommandError(`There is no file ${source}.`);
    if (ownerOf(data))
      throw new CommandError(`Spliceboard runs on ${path.resolve(data)}.`, 'Restore into an empty folder.');
    const used = ['postgres', 'assets/objects', 'seal.key'].filter((name) => existsSync(path.join(data, name)));
    if (used.length > 0) {
      throw new CommandError(
        `The folder ${path.resolve(data)} holds data already (${used.join(', ')}).`,
        'Restore into an empty folder with --data DIR.',
      );
    }
    const held = openDataFolder(data, VERSION, 'a restore');
    held.release(); // `databaseOf` takes it again; its format is written
    try {
      await using database = await databaseOf(data);
      await fill(source, data, database.url, say);
    } catch (error) {
      await clear(data);
      throw error;
    }
    await writeFile(path.join(data, 'sample'), 'restored\n');
    say(`Restored into ${process.env.DATABASE_URL ? 'the database of DATABASE_URL and ' : ''}${path.resolve(data)}.`);
  });
}

/** What a failed restore has put into the folder goes, so that it can be repeated. */
async function clear(data: string): Promise<void> {
  for (const name of readdirSync(data)) {
    if (['format.json', 'assets', 'seal.key', ...(process.env.DATABASE_URL ? [] : ['postgres'])].includes(name)) {
      await rm(path.join(data, name), { recursive: true, force: true });
    }
  }
}

async function fill(file: string, data: string, url: string, say: Say): Promise<void> {
  const objects = await objectsFrom(path.join(data, 'assets'), process.env);
  await objects.check();
  const jobs = path.join(data, 'assets', 'jobs');
  await mkdir(jobs, { recursive: true });
  let head: z.infer<typeof Head> | undefined;
  let work: Awaited<ReturnType<typeof beginRestore>> | undefined;
  let wanted = new Map<string, { workspaceId: string; sha256: string; bytes: number }[]>();
  let end: z.infer<typeof End> | undefined;
  let tablesDone = 0;
  const found: string[] = [];
  try {
    for await (const entry of entriesOf(createReadStream(file))) {
      if (head === undefined) {
        if (entry.name !== 'spliceboard.json') throw new CommandError(`${file} is not a backup of Spliceboard.`);
        head = await opening(entry.read(), file, url, data);
        work = await beginRestore(url, head.tables);
      } else if (entry.name === 'seal.key') {
        await writeFile(path.join(data, 'seal.key'), await textOf(entry.read()), { mode: 0o600 });
      } else if (entry.name.startsWith('tables/')) {
        const table = head.tables[tablesDone++]!;
        if (entry.name !== `tables/${table.name}.gz`) throw new Error('The tables of the file are out of order.');
        const rows = await insertAll(work!, table, entry.read());
        if (rows !== table.rows) throw new Error(`${table.name} has ${rows} of ${table.rows} rows.`);
        if (tablesDone === head.tables.length) {
          wanted = Map.groupBy(await work!.assets(), ({ sha256 }) => sha256);
          say(`${head.tables.reduce((sum, each) => sum + each.rows, 0)} rows of ${head.madeAt}.`);
        }
      } else if (entry.name.startsWith('assets/')) {
        const sha256 = entry.name.slice('assets/'.length);
        const copy = path.join(jobs, `restore-${randomBytes(8).toString('hex')}`);
        await pipeline(Readable.from(checked(entry.read(), sha256)), createWriteStream(copy));
        const places = wanted.get(sha256) ?? [];
        for (const [index, place] of places.entries()) {
          const own = index === places.length - 1 ? copy : `${copy}.${index}`;
          if (own !== copy) await pipeline(createReadStream(copy), createWriteStream(own));
          await work!.keepAsset(place, await objects.put(own, { sha256, bytes: entry.bytes }));
        }
        found.push(sha256);
      } else if (entry.name === 'end.json') end = End.parse(JSON.parse(await textOf(entry.read())));
    }
    if (!head || !end || end.assets !== found.length || tablesDone !== head.tables.length) {
      throw new CommandError(`${file} is not whole.`, 'Take another backup.');
    }
    await work!.finish();
    work = undefined;
  } finally {
    await work?.abandon();
  }
  await migrate(url); // to this version's schema, with the rows in it
  say(`${found.length} assets, each with its digest compared.`);
  if (end.missing.length > 0) say(`${end.missing.length} assets were missing when the backup was made.`);
}

/** Reads the first entry, and makes the tables as they were then. */
async function opening(bytes: AsyncIterable<Buffer>, file: string, url: string, data: string) {
  const parsed = Head.safeParse(JSON.parse(await textOf(bytes)));
  if (!parsed.success)
    throw new CommandError(`${file} was made by a version of Spliceboard that this one cannot read.`);
  const head = parsed.data;
  const known = new Set(migrations().map(({ number }) => number));
  if (head.migrations.some((number) => !known.has(number))) {
    throw new CommandError(
      `${file} was made by Spliceboard ${head.version}, which is newer than this one.`,
      'Restore it with that version or a later one.',
    );
  }
  const { bavail, bsize } = await statfs(data);
  const { size } = await stat(file);
  if (!process.env.SPLICEBOARD_S3_BUCKET && bavail * bsize < size * 1.1) {
    throw new CommandError(`The disk of ${path.resolve(data)} has no room for this backup.`);
  }
  const state = await stateOf(url);
  if (state.kind === 'data') {
    throw new CommandError('The database of DATABASE_URL holds data already.', 'Restore into an empty database.');
  }
  if (state.kind === 'bare') await migrate(url, { only: head.migrations });
  else if (state.kind === 'empty' && state.migrations.join() !== head.migrations.join()) {
    throw new CommandError(
      'The database of DATABASE_URL has the tables of another version already.',
      'Restore into a database without tables; the restore makes them.',
    );
  }
  return head;
}

async function insertAll(
  work: Awaited<ReturnType<typeof beginRestore>>,
  table: BackupTable,
  bytes: AsyncIterable<Buffer>,
): Promise<number> {
  let rows = 0;
  let lines: string[] = [];
  let length = 0;
  const flush = async () => {
    if (lines.length > 0) await work.insert(table, lines);
    lines = [];
    length = 0;
  };
  const unpacked = createGunzip();
  pipeline(Readable.from(bytes), unpacked).catch(() => {}); // whoever reads is told
  const decoder = new TextDecoder();
  let open = '';
  for await (const chunk of unpacked as AsyncIterable<Buffer>) {
    const parts = (open + decoder.decode(chunk, { stream: true })).split('\n');
    open = parts.pop()!;
    lines.push(...parts);
    rows += parts.length;
    length += chunk.length;
    if (length > INSERT_BYTES) await flush();
  }
  await flush();
  return rows;
}

async function textOf(bytes: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
