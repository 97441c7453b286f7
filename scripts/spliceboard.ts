/**
 * The command line, acting on a running Spliceboard with an API token: `npm run spliceboard -- <verb>`.
 *
 *   run <pipeline name|file.json> [--input name=value|@file] [--set Node.field=value] [--brand NAME]
 *                                 [--version draft|latest|N] [--dry-run] [--wait] [--json] [--out DIR]
 *   pipelines | runs [--pipeline NAME] | import FILE | export NAME [--out FILE]
 *   node new|test|pack|dev|record|install|upgrade|deprecate|remove|list …      (scripts/node/main.ts)
 *   doctor | speech [install ENGINE] | token | backup FILE | restore FILE
 *
 * Everywhere: --data DIR, --url ADDRESS, --token TOKEN, --workspace NAME, --json. Progress goes to standard error, results
 * to standard output; with --json the last line is JSON. Exit code: 0 done, 1 failed, 2 wrongly called.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Asset, Captions } from '../nodes/contract.ts';
import type { Graph } from '../runtime/graph/graph.ts';
import { type Client, CommandError, connect, explain } from './client.ts';
import { bytesView, seconds } from './progress.ts';
import { assetsIn, follow, isRecord, type Json, postsOf, type StepResult, sendRecording, stepsOf } from './runs.ts';

const OPTIONS = {
  data: { type: 'string', default: process.env.SPLICEBOARD_DATA ?? '.data' },
  url: { type: 'string' },
  token: { type: 'string' },
  workspace: { type: 'string' },
  input: { type: 'string', multiple: true, default: [] as string[] },
  set: { type: 'string', multiple: true, default: [] as string[] },
  brand: { type: 'string' },
  version: { type: 'string' },
  pipeline: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  wait: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

type Options = ReturnType<typeof readArguments>['values'];
type Verb = (client: Client, rest: string[], options: Options) => Promise<number>;

const USAGE = `npm run spliceboard -- <verb> [options]

  run NAME|FILE.json         start a pipeline
      --input name=value       fill in a parameter; name=@file uploads a file (and its captions or transcript)
      --set Node.field=value   change a setting for this run only
      --brand NAME             for which brand (default: the first)
      --version draft|latest|N which version (default: the published one, else the draft)
      --dry-run                write nothing outside
      --wait                   stay until it ends; exit code 1 if something failed
      --out DIR                save what it made (implies --wait)
  pipelines                  list pipelines
  runs [--pipeline NAME]     list runs
  import FILE.json           add a pipeline
  export NAME [--out FILE]   write a pipeline as JSON
  node new NAME              the folder of a new plugin
  node test|pack|dev [FOLDER]
                             try it in the real isolate; make its one file; work on it with the canvas open
  node record [FOLDER]       keep what its nodes were answered, without secrets, for its tests
  node install|upgrade FILE|FOLDER [--yes]
  node deprecate NAME [WHY] | node remove NAME | node list
  doctor                     what is missing here, and what that costs
  speech                     list speech engines
  speech install ENGINE      get an engine's model
  backup FILE                database and assets in one file, while everything runs
  restore FILE               into the empty folder --data DIR, or the empty database of DATABASE_URL
  token                      print the local owner's API token

  --json                     results as JSON, on the last line
  --data DIR | --url ADDRESS --token TOKEN --workspace NAME
`;

function readArguments(args: string[]) {
  return parseArgs({ args, options: OPTIONS, allowPositionals: true });
}

const VERBS: Record<string, Verb> = {
  run,
  pipelines,
  runs,
  import: importPipeline,
  export: exportPipeline,
  doctor,
  speech,
};

async function main(): Promise<number> {
  let parsed: ReturnType<typeof readArguments>;
  try {
    parsed = readArguments(process.argv.slice(2));
  } catch (error) {
    return misuse((error as Error).message);
  }
  const { values: options, positionals } = parsed;
  const [name, ...rest] = positionals;
  if (options.help || name === 'help') {
    console.log(USAGE);
    return 0;
  }
  if (name === undefined) return misuse('Which verb?');
  if (name === 'token') return printToken(options.data);
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  const isOfMachine = name === 'backup' || name === 'restore';
  if (name === 'node') return ofNodes(rest, options);
  if (!verb && !isOfMachine) return misuse(`There is no verb ${name}.`);
  if (isOfMachine && rest[0] === undefined) return misuse('Which file?');
  try {
    if (!verb) {
      const machine = await import('./backup.ts'); // needs the database itself, not the server
      await machine[name as 'backup' | 'restore'](rest[0]!, path.resolve(options.data), (line) => console.error(line));
      return 0;
    }
    const client = await connect(options);
    return await verb(client, rest, options);
  } catch (error) {
    return told(error);
  }
}

/** Of plugins: what authors do needs no server. */
async function ofNodes(rest: string[], options: Options): Promise<number> {
  try {
    const { nodeVerb } = await import('./node/main.ts');
    return await nodeVerb(rest, options);
  } catch (error) {
    return told(error);
  }
}

function told(error: unknown): number {
  const known = explain(error);
  if (!(known instanceof CommandError)) throw error;
  console.error([known.message, known.hint].filter(Boolean).join(' '));
  return 1;
}

function misuse(message: string): number {
  console.error(`${message}\n\n${USAGE}`);
  return 2;
}

function printToken(data: string): number {
  try {
    console.log(readFileSync(path.join(data, 'token'), 'utf8').trim());
    return 0;
  } catch {
    console.error(`There is no token in ${path.resolve(data)}. The first npm start writes it.`);
    return 1;
  }
}

// ---------------------------------------------------------------- run

async function run(client: Client, [which]: string[], options: Options): Promise<number> {
  if (!which) throw new CommandError('Which pipeline?', 'npm run spliceboard -- pipelines lists them.');
  const { api, workspaceId } = client;
  const pipelineId = await findOrImport(client, which);
  const brandId = await findBrand(client, options.brand);
  const pipeline = await api.pipelines.get.query({ workspaceId, pipelineId });
  const inputs: Record<string, Json> = {};
  for (const text of options.input) {
    const [name, value] = split(text, '--input');
    inputs[name] = await readInput(client, pipeline.graph, name, value);
  }
  const set = options.set.map((text) => {
    const [target, value] = split(text, '--set');
    const dot = target.lastIndexOf('.');
    if (dot <= 0) throw new CommandError(`--set ${text} names no field.`, 'Write --set Node.field=value.');
    return { node: target.slice(0, dot), field: target.slice(dot + 1), value: parseValue(value) };
  });
  const { runId, number } = await api.runs.start.mutate({
    workspaceId,
    pipelineId,
    brandId,
    version: readVersion(options.version, pipeline.publishedVersion),
    inputs,
    set,
    dryRun: options['dry-run'],
  });
  const address = `${client.url}/w/${workspaceId}/p/${pipelineId}?run=${runId}`;
  console.error(`Run ${number} of ${pipeline.name} started: ${address}`);
  if (!options.wait && options.out === undefined) {
    if (options.json)
      console.log(
        JSON.stringify({ run: { id: runId, number, pipeline: pipeline.name, state: 'running', url: address } }),
      );
    return 0;
  }
  const ended = await follow(client, runId, process.stderr);
  const steps = await stepsOf(client, ended);
  const files = options.out === undefined ? [] : await save(client, steps, options.out);
  const took = ended.endedAt ? seconds(Date.parse(ended.endedAt) - Date.parse(ended.startedAt)) : '';
  console.error(`Run ${number} ${ended.state}${took ? ` in ${took}` : ''}. ${ended.summary}`);
  for (const post of postsOf(steps)) console.error(`Published: ${post}`);
  if (files.length > 0) console.error(`${files.length} files in ${path.resolve(options.out!)}`);
  if (options.json) {
    const { id, state, startedAt, endedAt, progress, dryRun, version } = ended;
    const view = {
      id,
      number,
      pipeline: pipeline.name,
      version,
      state,
      dryRun,
      startedAt,
      endedAt,
      progress,
      url: address,
    };
    console.log(JSON.stringify({ run: view, steps, files }));
  }
  return ended.state === 'succeeded' ? 0 : 1;
}

// ---------------------------------------------------------------- arguments of run

function split(text: string, option: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new CommandError(`${option} ${text} has no value.`, `Write ${option} name=value.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** JSON where it is JSON, else the text itself. */
function parseValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function readVersion(text: string | undefined, published: number | null): number | 'draft' | 'latest' {
  if (text === undefined) return published === null ? 'draft' : 'latest';
  if (text === 'draft' || text === 'latest') return text;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new CommandError(`--version ${text} is no version.`, 'Write draft, latest or a number.');
}

async function readInput(client: Client, graph: Graph, name: string, value: string): Promise<Json> {
  const input = graph.inputs.find((each) => each.name === name);
  if (!input) {
    const known = graph.inputs.map((each) => each.name).join(', ') || 'none';
    throw new CommandError(`This pipeline has no parameter ${name}.`, `It has: ${known}.`);
  }
  if (value.startsWith('@')) return sendRecording(client, value.slice(1));
  if (/^https?:\/\//.test(value) && (await isRecording(client, graph, input))) return { url: value };
  return parseValue(value);
}

async function isRecording(client: Client, graph: Graph, input: Graph['inputs'][number]): Promise<boolean> {
  const type = graph.nodes.find((node) => node.id === input.node)?.type;
  const manifests = await client.api.catalogue.list.query({ workspaceId: client.workspaceId });
  const manifest = manifests.find((each) => each.id === type);
  return JSON.stringify(manifest ?? {}).includes('"x-widget":"recording"');
}

async function findOrImport(client: Client, which: string): Promise<string> {
  const { api, workspaceId } = client;
  if (which.endsWith('.json')) {
    return (await api.pipelines.import.mutate({ workspaceId, json: readJsonText(which) })).id;
  }
  const made = (await api.pipelines.list.query({ workspaceId })).some((row) => isNamed(row, which));
  const template = made
    ? undefined
    : (await api.templates.list.query({ workspaceId })).find((row) => isNamed(row, which));
  if (!template) return findPipeline(client, which);
  const { id } = await api.pipelines.create.mutate({ workspaceId, name: template.name, templateId: template.id });
  console.error(`${template.name} was made from the template of that name.`);
  return id;
}

const isNamed = (row: { id: string; name: string }, which: string) =>
  row.id === which || row.name.toLowerCase() === which.toLowerCase();

async function findPipeline(client: Client, which: string): Promise<string> {
  const { api, workspaceId } = client;
  const rows = await api.pipelines.list.query({ workspaceId });
  const found = rows.filter((row) => isNamed(row, which));
  if (found.length === 1) return found[0]!.id;
  if (found.length > 1)
    throw new CommandError(
      `${found.length} pipelines are named ${which}.`,
      `Use an id: ${found.map((row) => row.id).join(', ')}.`,
    );
  const names = rows.map((row) => row.name).join(', ') || 'none yet';
  throw new CommandError(`There is no pipeline named ${which}.`, `There are: ${names}.`);
}

async function findBrand(client: Client, name: string | undefined): Promise<string> {
  const brands = await client.api.brands.list.query({ workspaceId: client.workspaceId });
  const found =
    name === undefined ? brands[0] : brands.find((brand) => [brand.id, brand.name, brand.slug].includes(name));
  if (found) return found.id;
  throw new CommandError(
    name === undefined ? 'This workspace has no brand yet.' : `There is no brand named ${name}.`,
    brands.length > 0 ? `There are: ${brands.map((brand) => brand.name).join(', ')}.` : null,
  );
}

/** The file's text, refused here where it is no JSON: the sentence names the file. */
function readJsonText(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    JSON.parse(text);
    return text;
  } catch (error) {
    throw new CommandError(`${path.resolve(file)} cannot be read as JSON: ${(error as Error).message}.`);
  }
}

// ---------------------------------------------------------------- --out

/** Downloads what a run made: media once each, captions as SRT and WebVTT, transcripts as JSON. */
async function save(client: Client, steps: StepResult[], folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const seen = new Set<string>();
  const files: string[] = [];
  for (const step of steps) {
    // what went in is on the disk already
    if (step.type === 'media.ingest') {
      for (const asset of assetsIn(step.outputs)) seen.add(asset.asset);
      continue;
    }
    const place = step.path.map((index) => index + 1).join('-');
    for (const [port, value] of Object.entries(step.outputs)) {
      const stem = [fileName(step.node), place, fileName(port)].filter(Boolean).join('-');
      const fresh = assetsIn(value).filter((asset) => !seen.has(asset.asset));
      for (const [index, asset] of fresh.entries()) {
        seen.add(asset.asset);
        const number = fresh.length > 1 ? `-${index + 1}` : '';
        const file = path.join(folder, `${stem}${number}${extensionOf(asset)}`);
        await client.download(asset.asset, file);
        files.push(file);
      }
      for (const [name, text] of texts(value)) {
        const file = path.join(folder, `${stem}${name}`);
        await writeFile(file, text);
        files.push(file);
      }
    }
  }
  return files;
}

function fileName(text: string): string {
  return text
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-|-$/g, '')
    .toLowerCase();
}

const EXTENSIONS: Record<string, string> = {
  'video/mp4': '.mp4',
  'video/webm': '.webm',
  'audio/mp4': '.m4a',
  'audio/mpeg': '.mp3',
  'audio/wav': '.wav',
  'audio/x-wav': '.wav',
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'image/webp': '.webp',
};

function extensionOf(asset: Asset): string {
  return EXTENSIONS[asset.mime] ?? path.extname(asset.name ?? '');
}

function texts(value: Json): [extension: string, text: string][] {
  if (!isRecord(value)) return [];
  if (typeof value.srt === 'string' && typeof value.vtt === 'string') {
    const { srt, vtt } = value as unknown as Captions;
    return [
      ['.srt', srt],
      ['.vtt', vtt],
    ];
  }
  if (Array.isArray(value.words) && Array.isArray(value.turns))
    return [['.json', `${JSON.stringify(value, null, 2)}\n`]];
  return [];
}

// ---------------------------------------------------------------- other verbs

async function pipelines(client: Client, _rest: string[], options: Options): Promise<number> {
  const rows = await client.api.pipelines.list.query({ workspaceId: client.workspaceId });
  if (options.json) console.log(JSON.stringify(rows));
  else if (rows.length === 0) console.log('No pipelines yet. Import one, or make one in the editor.');
  else {
    table(
      rows.map((row) => [
        row.name,
        row.publishedVersion === null ? 'draft' : `v${row.publishedVersion}`,
        `${row.nodeCount} nodes`,
        row.lastRun ? `run ${row.lastRun.number} ${row.lastRun.state}` : 'never run',
      ]),
    );
  }
  return 0;
}

async function runs(client: Client, _rest: string[], options: Options): Promise<number> {
  const { api, workspaceId } = client;
  const pipelineId = options.pipeline ? await findPipeline(client, options.pipeline) : undefined;
  const { items } = await api.runs.list.query({ workspaceId, ...(pipelineId ? { pipelineId } : {}) });
  if (options.json) console.log(JSON.stringify(items));
  else if (items.length === 0) console.log('No runs yet.');
  else table(items.map((row) => [`${row.number}`, row.pipelineName, row.state, row.startedAt]));
  return 0;
}

async function importPipeline(client: Client, [file]: string[], options: Options): Promise<number> {
  if (!file) throw new CommandError('Which file?', 'npm run spliceboard -- import FILE.json');
  const { id } = await client.api.pipelines.import.mutate({
    workspaceId: client.workspaceId,
    json: readJsonText(file),
  });
  console.log(options.json ? JSON.stringify({ id }) : `Imported: ${client.url}/w/${client.workspaceId}/p/${id}`);
  return 0;
}

async function exportPipeline(client: Client, [which]: string[], options: Options): Promise<number> {
  if (!which) throw new CommandError('Which pipeline?', 'npm run spliceboard -- pipelines lists them.');
  const pipelineId = await findPipeline(client, which);
  const { json } = await client.api.pipelines.export.query({ workspaceId: client.workspaceId, pipelineId });
  const text = options.json ? json : JSON.stringify(JSON.parse(json), null, 2);
  if (options.out === undefined) console.log(text);
  else {
    await writeFile(options.out, `${text}\n`);
    console.error(`Wrote ${path.resolve(options.out)}`);
  }
  return 0;
}

const MARKS: Record<string, string> = { ok: '✓', warning: '!', missing: '✗' };

async function doctor(client: Client, _rest: string[], options: Options): Promise<number> {
  const found = await client.api.health.doctor.query({ workspaceId: client.workspaceId });
  if (options.json) console.log(JSON.stringify(found));
  else {
    for (const { name, state, detail, cost, remedy } of found) {
      console.log(`${MARKS[state] ?? '?'} ${name}: ${detail}`);
      if (state !== 'ok') for (const line of [cost, remedy]) if (line) console.log(`    ${line}`);
    }
  }
  return 0;
}

async function speech(client: Client, [act, engine]: string[], options: Options): Promise<number> {
  const { api, workspaceId } = client;
  if (act === undefined) {
    const engines = await api.engines.list.query({ workspaceId });
    if (options.json) console.log(JSON.stringify(engines));
    else {
      for (const { id, label, available, missing } of engines) {
        console.log(`${MARKS[available ? 'ok' : 'missing']} ${id}: ${label}${available ? '' : `. ${missing}`}`);
      }
    }
    return 0;
  }
  if (act !== 'install') throw new CommandError(`There is no speech ${act}.`, 'There is: speech install ENGINE.');
  const input = { workspaceId, ...(engine ? { engine } : {}) };
  type Step = { bytes?: number; total?: number; message?: string; done?: boolean };
  const draw = bytesView('Getting the model', process.stderr);
  for await (const step of client.stream<Step>('speech.install', input)) {
    if (step.bytes !== undefined && step.total) draw(step.bytes, step.total);
    else if (step.message) console.error(step.message);
  }
  console.error('Installed.');
  return 0;
}

/** Columns as wide as their widest cell. */
function table(rows: string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}

if (import.meta.main) process.exitCode = await main();
