/**
 * The worker process: `node runtime/main.ts [--tags media,gpu]`. SIGTERM drains it: nothing more is claimed, what runs may
 * end, what takes too long is handed back as it was. Ctrl-C and the end of the process that started it give 3 s.
 * Settings come from the environment:
 *
 *   DATABASE_URL            required; a direct connection, no transaction pooler. `later`: loads its code meanwhile and
 *                           waits for the message `{databaseUrl}` from the process that started it
 *   SPLICEBOARD_DATA        the data folder: assets, packed plugins, the sealing key
 *   SPLICEBOARD_PUBLIC_URL  the address of published pages; SPLICEBOARD_PORT on this machine where absent
 *   SPLICEBOARD_SLOTS       heavy steps at one time; half the processors, at least two, where absent
 *   SPLICEBOARD_TAGS        what it takes, with commas, as `--tags`: light, media, or tags that nodes ask for (gpu); light
 *                           and media where absent. Without light it starts no runs; without media it looks at no uploads
 *   SPLICEBOARD_DRAIN_SECONDS  what SIGTERM gives to steps that run, before they are handed back: 25 where absent
 *   SPLICEBOARD_LOG         debug, info, warn or error; warn where absent (runtime/log.ts)
 *   SPLICEBOARD_SANDBOX     layers that must be there, with commas; without them plugins do not run
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { saveCatalogue } from '../db/catalogue.ts';
import { createDatabase, createPool } from '../db/connect.ts';
import type { ErrandKind } from '../db/errands.ts';
import { requireSchema } from '../db/migrate.ts';
import { WorkerTag } from '../nodes/contract.ts';
import { objectsFrom } from './assets.ts';
import { allCapabilities } from './capabilities/all.ts';
import { loadCatalogue } from './catalogue.ts';
import { startChores } from './chores.ts';
import { examine, type MachineFacts } from './doctor.ts';
import { startErrands } from './errands.ts';
import { NO_FAULTS } from './faults.ts';
import { createFetcher, egressFrom } from './fetch.ts';
import { createLog } from './log.ts';
import { createPlugins } from './plugins.ts';
import { usualRegistry } from './registry.ts';
import { createSandbox } from './sandbox/sandbox.ts';
import type { Layer } from './sandbox/spawn.ts';
import { loadSealKey } from './seal.ts';
import { modelFolder } from './speech/install.ts';
import { startSweep } from './sweep.ts';
import { startTriggers } from './triggers/triggers.ts';
import { startWorker, type Worker } from './worker.ts';

const log = createLog();

/** Engines and programs come and go seldom. */
const LOOK_MS = 60_000;

/** Temporary files of workers that were killed; what is young may belong to one that runs. */
async function sweepJobs(assetsDir: string): Promise<void> {
  const jobs = path.join(assetsDir, 'jobs');
  const before = Date.now() - 3_600_000;
  for (const name of await readdir(jobs).catch(() => [])) {
    const file = path.join(jobs, name);
    const made = await stat(file).catch(() => undefined);
    if (made && made.mtimeMs < before) await rm(file, { recursive: true, force: true });
  }
}

/** Where Showcase pages are reached: the public address, else this machine's. */
function publicUrlFrom(environment: NodeJS.ProcessEnv): string {
  const { SPLICEBOARD_PUBLIC_URL: url, SPLICEBOARD_PORT: port } = environment;
  return (url || `http://localhost:${port || 4400}`).replace(/\/$/, '');
}

const DRAIN_SECONDS = 25;
const INTERRUPTED_MS = 3_000;

function tagsFrom(argv: string[], environment: NodeJS.ProcessEnv): string[] {
  const { values } = parseArgs({ args: argv, options: { tags: { type: 'string' } } });
  const tags = (values.tags ?? environment.SPLICEBOARD_TAGS ?? '').split(',').filter(Boolean);
  const wrong = tags.find((tag) => !WorkerTag.safeParse(tag).success);
  if (wrong !== undefined) {
    throw new Error(`The tag ${wrong} is not a name such as media or gpu: small letters, digits and hyphens.`);
  }
  return tags.length > 0 ? [...new Set(tags)] : ['light', 'media'];
}

type Running = { worker: Worker; close(graceMs: number): Promise<void> };

async function start(environment: NodeJS.ProcessEnv): Promise<Running> {
  const { DATABASE_URL: url, SPLICEBOARD_DATA: dataDir } = environment;
  if (!url || !dataDir) throw new Error('DATABASE_URL and SPLICEBOARD_DATA must be set; npm start sets them.');
  const tags = tagsFrom(process.argv.slice(2), environment);
  const assetsDir = path.join(dataDir, 'assets');
  const cacheDir = path.join(dataDir, 'packed');
  await mkdir(cacheDir, { recursive: true });
  await requireSchema(url);
  const objects = await objectsFrom(assetsDir, environment);
  await objects.check();
  const sandbox = await createSandbox({
    cacheDir,
    require: (environment.SPLICEBOARD_SANDBOX?.split(',').filter(Boolean) ?? []) as Layer[],
    onFault: (error, call) =>
      log.error({ err: error, call: `${call.capability}.${call.method}` }, 'A capability failed.'),
  });
  const pool = createPool(url, 'app', { max: 6, name: 'capabilities' });
  const db = createDatabase(pool);
  const egress = egressFrom(environment);
  const fetcher = createFetcher({ egress });
  const sealKey = await loadSealKey(dataDir, environment);
  const catalogue = await loadCatalogue({ sandbox, cacheDir });
  for (const { file, error } of catalogue.broken) log.error({ file, code: error.code }, error.message);
  await saveCatalogue(
    db,
    catalogue.manifests.map((manifest) => {
      const plugin = catalogue.plugin(manifest.id)!;
      return {
        id: manifest.id,
        version: manifest.version,
        digest: plugin.digest,
        behaviour: plugin.behaviourDigest,
        manifest,
      };
    }),
  );
  const { capabilities, internalHosts, ai, close } = await allCapabilities({
    db,
    fetcher,
    dataDir,
    publicUrl: publicUrlFrom(environment),
  });
  const models = modelFolder(dataDir, environment);
  let machine: MachineFacts = { checks: [], engines: [] };
  const lookAround = () =>
    examine({ sandbox, ai, models }).then(
      (found) => {
        machine = found;
      },
      (error: unknown) => log.warn({ err: error }, 'The machine could not be examined.'),
    );
  const slots = Number(environment.SPLICEBOARD_SLOTS);
  const worker = await startWorker({
    url,
    assetsDir,
    objects,
    sandbox,
    catalogue,
    capabilities,
    internalHosts,
    fetcher,
    sealKey,
    faults: NO_FAULTS,
    log: (line, details) => log.info(details, line),
    tags,
    slots: slots > 0 ? { media: slots } : {},
    facts: () => ({
      sandbox: sandbox.layers().applied,
      sandboxMissing: sandbox.layers().missing,
      ...machine,
      sandboxPids: sandbox.pids(),
      broken: catalogue.broken.map(({ file }) => path.basename(file)),
    }),
  });
  const plugins = createPlugins({ db, log: (line, details) => log.warn(details, line) });
  const site = publicUrlFrom(environment);
  // each by itself: a long recording keeps nobody from trying a plugin
  const kinds: ErrandKind[] = [
    ...(tags.includes('media') ? (['inspect'] as const) : []),
    ...(tags.includes('light') ? (['plugin', 'connection'] as const) : []),
  ];
  const errands = await Promise.all(
    kinds.map((kind) =>
      startErrands({
        url,
        db,
        assetsDir,
        objects,
        capabilities,
        kinds: [kind],
        plugins: { sandbox, fetcher, sealKey, registry: () => usualRegistry(environment) },
        connections: { sandbox, fetcher, sealKey, plugins, catalogue, egress, site },
        log: (line, details) => log.warn(details, line),
      }),
    ),
  );
  const chores = startChores({
    db,
    fetcher,
    models,
    changed: () => void lookAround(),
    log: (line, details) => log.warn(details, line),
  });
  const triggers = !tags.includes('light')
    ? undefined
    : startTriggers({ db, catalogue, fetcher, log: (line, details) => log.warn(details, line) });
  const sweep = startSweep({ db, objects, log: (line, details) => log.warn(details, line) });
  void lookAround();
  const looking = setInterval(lookAround, LOOK_MS);
  void sweepJobs(assetsDir).catch((error: unknown) => log.warn({ err: error }, 'Old temporary files were left.'));
  return {
    worker,
    async close(graceMs) {
      clearInterval(looking);
      await Promise.all([
        worker.stop(graceMs),
        ...errands.map((each) => each.stop()),
        chores.stop(),
        sweep.stop(),
        triggers?.stop(),
      ]);
      await plugins.stop();
      await close();
      await sandbox[Symbol.asyncDispose]();
      await pool.end();
    },
  };
}

/** `npm start` begins us beside the database, so that our code is loaded when that is ready. */
async function settled(environment: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  if (environment.DATABASE_URL !== 'later') return environment;
  const { databaseUrl } = await new Promise<{ databaseUrl: string }>((resolve) => process.once('message', resolve));
  return { ...environment, DATABASE_URL: databaseUrl };
}

async function main(): Promise<void> {
  let running: Running | undefined;
  let isEnding = false;
  const end = async (graceMs: number) => {
    if (isEnding) return;
    isEnding = true;
    await running?.close(graceMs).catch((error: unknown) => log.error({ err: error }, 'While stopping.'));
    process.exit(0);
  };
  const drainMs = Number(process.env.SPLICEBOARD_DRAIN_SECONDS || DRAIN_SECONDS) * 1000;
  process.on('SIGTERM', () => void end(drainMs));
  process.on('SIGINT', () => void end(INTERRUPTED_MS));
  process.on('disconnect', () => void end(INTERRUPTED_MS)); // whoever started us has ended
  try {
    running = await start(await settled(process.env));
    if (isEnding) await running.close(0);
  } catch (error) {
    console.error(`The worker cannot start: ${(error as Error).message}`);
    process.exit(1);
  }
}

await main();
