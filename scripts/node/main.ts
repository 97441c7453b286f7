/**
 * What authors and admins do with plugins on the command line: `npm run spliceboard -- node <verb>`.
 *
 *   new NAME                  the folder of a new plugin
 *   test [FOLDER]             its tests, and how it does in the real isolate
 *   pack [FOLDER] [--out F]   the one file to share
 *   dev [FOLDER]              packed again on each save, and in use at once; says what its nodes do
 *   record [FOLDER]           keeps what its nodes were answered, without secrets, as fixtures for tests
 *   install FILE|FOLDER|NAME[@VERSION]   into the workspace, after saying what it may do; --yes allows it all; a name is
 *                             fetched from the workspace's registry
 *   upgrade FILE|FOLDER|NAME[@VERSION]   the same, of one that is there
 *   deprecate NAME WHY        advises against it; without WHY it may be used again
 *   remove NAME
 *   list
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeError } from '../../nodes/contract.ts';
import { BundleRefused } from '../../runtime/bundle.ts';
import { type Client, CommandError, connect, type Where } from '../client.ts';
import { develop } from './dev.ts';
import { madeLines } from './make.ts';
import { newNode } from './new.ts';
import { packFolder } from './pack.ts';
import { testFolder } from './test.ts';
import { record } from './trials.ts';

export type NodeOptions = Where & { yes: boolean; out?: string | undefined; json: boolean };
export type Checked = Awaited<ReturnType<Client['api']['plugins']['look']['query']>>;

/** Where the command was given, not where npm runs it. */
const here = (given: string) => path.resolve(process.env.INIT_CWD ?? process.cwd(), given);
const say = (line: string) => console.error(line);

export async function nodeVerb([verb, ...rest]: string[], options: NodeOptions): Promise<number> {
  try {
    return await act(verb, rest, options);
  } catch (error) {
    if (error instanceof BundleRefused) throw new CommandError(error.message);
    if (!(error instanceof NodeError)) throw error;
    throw new CommandError(`${error.message} (${error.code})`, error.hint);
  }
}

async function act(verb: string | undefined, rest: string[], options: NodeOptions): Promise<number> {
  const [first] = rest;
  switch (verb) {
    case 'new':
      return make(named(first));
    case 'pack':
      return pack(here(first ?? '.'), options);
    case 'test':
      return testFolder(here(first ?? '.'), (line) => console.log(line));
    case 'dev':
      return develop(await connect(options), here(first ?? '.'), { allow: (checked) => asked(checked, options), say });
    case 'record':
      return keepRecords(await connect(options), here(first ?? '.'));
    case 'install':
    case 'upgrade':
      return install(await connect(options), named(first), verb, options);
    case 'deprecate':
      return deprecate(await connect(options), named(first), rest.slice(1).join(' '));
    case 'remove':
      return remove(await connect(options), named(first));
    case 'list':
      return list(await connect(options), options);
    default:
      throw new CommandError(
        verb === undefined ? 'Which verb of node?' : `There is no verb node ${verb}.`,
        'There are new, test, pack, dev, record, install, upgrade, deprecate, remove and list.',
      );
  }
}

function named(name: string | undefined): string {
  if (name === undefined) throw new CommandError('Which plugin?');
  return name;
}

async function make(name: string): Promise<number> {
  const folder = here(name);
  const made = await newNode(folder);
  for (const line of madeLines(made, folder, here('.'))) say(line);
  return 0;
}

async function pack(folder: string, options: NodeOptions): Promise<number> {
  const packed = await packFolder(folder);
  const file = options.out
    ? here(options.out)
    : path.join(folder, 'dist', `${fileName(packed.name)}-${packed.version}.plugin.json`);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, packed.text);
  const { name, version, digest } = packed;
  say(`${name} ${version}: ${Buffer.byteLength(packed.text)} bytes, ${packed.nodes.length} in it, sha-256 ${digest}`);
  if (options.json) console.log(JSON.stringify({ file, name, version, digest }));
  else console.log(file);
  return 0;
}

const fileName = (name: string) => name.replace(/^@/, '').replace('/', '-');

// ---------------------------------------------------------------- with a Spliceboard

async function keepRecords(client: Client, folder: string): Promise<number> {
  const { name } = await packFolder(folder);
  for (const file of await record(client, folder, name)) say(`${file} holds what it was answered last.`);
  return 0;
}

/** Sends a packed file and waits for what a worker says of it. */
export async function sendPacked(client: Client, text: string, from: 'file' | 'folder'): Promise<Checked> {
  return whenChecked(client, await client.sendPlugin(text, from));
}

async function whenChecked(client: Client, digest: string): Promise<Checked> {
  const { workspaceId, api } = client;
  for (;;) {
    const checked = await api.plugins.look.query({ workspaceId, digest });
    if (checked.state === 'ready') return checked;
    if (checked.state === 'refused') {
      throw new CommandError(`${checked.name} is refused: ${checked.error!.message}`, checked.error!.hint);
    }
    await sleep(100);
  }
}

async function install(
  client: Client,
  which: string,
  verb: 'install' | 'upgrade',
  options: NodeOptions,
): Promise<number> {
  const checked = await brought(client, which);
  if (verb === 'upgrade' && checked.replaces === null) {
    throw new CommandError(`${checked.name} is not there in another version.`, 'node install puts it in.');
  }
  const rights = await asked(checked, options);
  const { workspaceId, api } = client;
  await api.plugins.install.mutate({ workspaceId, digest: checked.digest, rights });
  say(
    checked.replaces === null
      ? `${checked.name} ${checked.version} is installed.`
      : `${checked.name} is version ${checked.version} now, ${checked.replaces} before.`,
  );
  console.log(options.json ? JSON.stringify({ name: checked.name, version: checked.version, rights }) : checked.digest);
  return 0;
}

/** A packed file, a folder that is packed here, or a name that the server fetches. */
async function brought(client: Client, which: string): Promise<Checked> {
  const place = here(which);
  const found = await stat(place).catch(() => null);
  if (found) {
    const isFolder = found.isDirectory();
    const text = isFolder ? (await packFolder(place)).text : await readFile(place, 'utf8');
    return sendPacked(client, text, isFolder ? 'folder' : 'file');
  }
  const named = /^((?:@[^@/]+\/)?[^@/]+)(?:@(\d+\.\d+\.\d+\S*))?$/.exec(which);
  if (!named || /\.json$|^\./.test(which)) {
    throw new CommandError(`There is no file or folder ${place}.`, 'Name a packed file, a folder, or a package.');
  }
  const { workspaceId, api } = client;
  const wanted = { workspaceId, name: named[1]!, version: named[2] ?? null };
  const { errandId } = await api.plugins.fetch.mutate(wanted);
  for (;;) {
    const errand = await api.plugins.fetched.query({ workspaceId, errandId });
    if (errand.state === 'failed') throw new CommandError(errand.error!.message, errand.error!.hint);
    if (errand.digest) return whenChecked(client, errand.digest);
    await sleep(100);
  }
}

/** What it may do, allowed by whoever sits there; only what is new is asked for. */
export async function asked(checked: Checked, options: Pick<NodeOptions, 'yes'>): Promise<string[]> {
  const wanted = checked.rights.filter(({ isAllowed, wasRefused }) => !isAllowed && !wasRefused);
  // what was refused before stays so: it is allowed under Plugins
  const all = checked.rights.flatMap(({ id, wasRefused }) => (wasRefused ? [] : id));
  if (wanted.length === 0) {
    if (checked.rights.length === 0) say(`${checked.name} asks for nothing.`);
    return all;
  }
  say(`${checked.name} ${checked.version} ${checked.replaces === null ? 'wants to' : 'also wants to'}:`);
  for (const right of wanted) say(`  - ${right.title}${right.why.map((reason) => ` (“${reason}”)`).join('')}`);
  if (options.yes) return all;
  if (!process.stdin.isTTY) {
    throw new CommandError('Nobody is here to allow that.', 'Give --yes, or install it under Plugins in the editor.');
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asking.question('Allow it? (y/N) ');
  asking.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError('Nothing was installed.');
  return all;
}

async function deprecate({ api, workspaceId }: Client, name: string, why: string): Promise<number> {
  await api.plugins.deprecate.mutate({ workspaceId, name, note: why === '' ? null : why });
  say(why === '' ? `${name} may be used again.` : `Whoever uses ${name} is told: ${why}`);
  return 0;
}

async function remove({ api, workspaceId }: Client, name: string): Promise<number> {
  const { uses } = await api.plugins.get.query({ workspaceId, name });
  await api.plugins.remove.mutate({ workspaceId, name });
  const where = uses.map((use) => use.name).join(', ');
  say(where === '' ? `${name} is removed.` : `${name} is removed; ${where} cannot run without it.`);
  return 0;
}

async function list({ api, workspaceId }: Client, options: NodeOptions): Promise<number> {
  const plugins = await api.plugins.list.query({ workspaceId });
  if (options.json) console.log(JSON.stringify(plugins));
  else if (plugins.length === 0) say('No plugins yet.');
  else {
    for (const { name, version, state, publisher, nodes } of plugins) {
      const types = nodes.map(({ type }) => type).join(', ');
      console.log(`${name} ${version}${state === 'on' ? '' : ` (${state})`}, ${publisher}: ${types}`);
    }
  }
  return 0;
}
