/**
 * Packs the folder of a plugin into its one file, on its author's machine: the only place where anything is bundled.
 *
 * package.json names the nodes: `"spliceboard": { "nodes": ["src/shorten.ts"] }`. What ends up in the file really lies in the
 * folder or its node_modules: no link, `..`, absolute path, tsconfig or source map leads out of it. The same folder gives the
 * same bytes on every machine. What is refused is named with its line and what to do instead.
 *
 * Errors: PACK_FOLDER, PACK_SCRIPTS, PACK_IMPORT, PACK_BUILTIN, PACK_BROKEN, and those of runtime/packed.ts.
 */
import { readFile, realpath } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import path from 'node:path';
import canonicalize from 'canonicalize';
import type { Plugin } from 'esbuild';
import * as z from 'zod';
import { NodeError } from '../../nodes/contract.ts';
import { BundleRefused, bundleModules, importedNames, toJavaScript } from '../../runtime/bundle.ts';
import { readPacked } from '../../runtime/packed.ts';
import { CONTRACT_PACKAGE } from './contract-package.ts';

export type Packed = { text: string; digest: string; name: string; version: string; nodes: string[] };

const About = z.object({
  name: z.string(),
  version: z.string(),
  scripts: z.record(z.string(), z.string()).optional(),
  bin: z.unknown().optional(),
  gypfile: z.unknown().optional(),
  spliceboard: z.object({ nodes: z.array(z.string().max(300)).min(1).max(40) }),
});
/** npm runs these on the machine of whoever installs the package. */
const RUN_AT_INSTALL = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'];

/** What to do instead of what Node.js has and an isolate has not. */
const INSTEAD: Record<string, string> = {
  fs: 'Files are assets: declare `assets` and use ctx.assets.',
  http: 'Declare `http` in the manifest and use ctx.http.',
  https: 'Declare `http` in the manifest and use ctx.http.',
  net: 'Declare `http` in the manifest and use ctx.http.',
  dns: 'Declare `http` in the manifest and use ctx.http.',
  process: 'Settings come from ctx.config, the time from ctx.now.',
  os: 'Settings come from ctx.config, the time from ctx.now.',
  timers: 'Declare `wait` and use ctx.wait.',
  crypto:
    'Bundle a library in plain JavaScript, such as one for hashes; random numbers come from Math.random, which is seeded.',
  child_process: 'A node starts no programs: media work goes through ctx.media.',
  worker_threads: 'A node has one thread; lists are run side by side by the runtime.',
  buffer: 'Use Uint8Array, TextEncoder and atob.',
  path: 'There are no paths; URL is there for addresses.',
};
const BUILTIN = new Set(builtinModules);
const bare = (specifier: string) => specifier.replace(/^node:/, '');
const isBuiltin = (specifier: string) => specifier.startsWith('node:') || BUILTIN.has(specifier);

export async function packFolder(given: string): Promise<Packed> {
  const folder = await realpath(given).catch(() => {
    throw new NodeError('PACK_FOLDER', `There is no folder ${path.resolve(given)}.`);
  });
  const about = await readAbout(folder);
  const nodes: { manifest: string; run: string; map?: string }[] = [];
  for (const [place, node] of about.spliceboard.nodes.entries()) {
    const { text } = await aboutText(folder);
    const file = await within(folder, path.resolve(folder, node), `package.json:${lineOf(text, node)}`, node);
    nodes.push(await packNode(folder, file));
    void place;
  }
  const text = canonicalize({ spliceboard: 1, name: about.name, version: about.version, nodes })!;
  const { packed, digest } = await readPacked(text);
  return { text, digest, name: packed.name, version: packed.version, nodes: about.spliceboard.nodes };
}

async function aboutText(folder: string): Promise<{ text: string }> {
  const text = await readFile(path.join(folder, 'package.json'), 'utf8').catch(() => {
    throw new NodeError('PACK_FOLDER', `${folder} has no package.json.`, {
      hint: 'Begin with `node new NAME`, or go into the folder of the plugin.',
    });
  });
  return { text };
}

async function readAbout(folder: string): Promise<z.infer<typeof About>> {
  const { text } = await aboutText(folder);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NodeError('PACK_FOLDER', `package.json is no JSON: ${(error as Error).message}`);
  }
  const parsed = About.safeParse(value);
  if (!parsed.success) {
    throw new NodeError('PACK_FOLDER', `package.json: ${z.prettifyError(parsed.error)}`, {
      hint: 'It needs name, version, and "spliceboard": { "nodes": ["src/NAME.ts"] }.',
    });
  }
  const script = RUN_AT_INSTALL.find((name) => parsed.data.scripts?.[name] !== undefined);
  const runs = script ?? (['bin', 'gypfile'] as const).find((name) => parsed.data[name] !== undefined);
  if (runs !== undefined) {
    throw new NodeError(
      'PACK_SCRIPTS',
      `package.json:${lineOf(text, `"${runs}"`)}: "${runs}" runs on other people’s machines.`,
      {
        hint: 'Take it out: a plugin is installed without running anything.',
      },
    );
  }
  return parsed.data;
}

const lineOf = (text: string, part: string) => {
  const at = text.indexOf(part);
  return at < 0 ? 1 : text.slice(0, at).split('\n').length;
};

/** The real place of a file that `by` asks for; refused where it lies outside of the folder. */
async function within(folder: string, file: string, by: string, asked: string): Promise<string> {
  const real = await realpath(file).catch(() => {
    throw new NodeError('PACK_IMPORT', `${by}: there is no "${asked}".`, { hint: 'Is it spelled as the file is?' });
  });
  if (real.startsWith(folder + path.sep)) return real;
  throw new NodeError('PACK_IMPORT', `${by}: "${asked}" lies outside of the plugin’s folder.`, {
    hint: 'Copy what you need into the folder. Linked packages have to be installed as copies.',
  });
}

// ---------------------------------------------------------------- one node

async function packNode(folder: string, file: string): Promise<{ manifest: string; run: string; map?: string }> {
  const contract = await contractOf(folder);
  const modules = new Map<string, string>([[contract.file, contract.code]]);
  const targets = new Map<string, string>();
  await read(file);

  async function read(module: string): Promise<void> {
    const name = path.relative(folder, module);
    const text = await readFile(module, 'utf8');
    if (module.endsWith('.json')) {
      modules.set(module, `export default ${JSON.stringify(jsonOf(text, name))};`);
      return;
    }
    const code = await toJavaScript(path.basename(name), text, { maps: true }).catch(
      (error: { errors?: Message[] }) => {
        throw broken(name, error);
      },
    );
    modules.set(module, code);
    for (const specifier of importedNames(code).keys()) {
      const by = `${name}:${lineOf(text, specifier)}`;
      if (isBuiltin(specifier)) throw builtin(by, specifier);
      if (!specifier.startsWith('.') && !path.isAbsolute(specifier) && !/^[a-z]+:/i.test(specifier)) continue; // a package
      const target = await within(folder, await placeOf(path.resolve(path.dirname(module), specifier)), by, specifier);
      if (target.includes(`${path.sep}node_modules${path.sep}`)) {
        throw new NodeError('PACK_IMPORT', `${by}: "${specifier}" reaches into node_modules.`, {
          hint: 'Import the package by its name.',
        });
      }
      targets.set(`${module}\n${specifier}`, target);
      if (!modules.has(target)) await read(target);
    }
  }

  const leads = (specifier: string, importer: string) => {
    if (specifier === CONTRACT_PACKAGE && modules.has(importer)) return contract.file;
    return targets.get(`${importer}\n${specifier}`);
  };
  const built = await bundleModules({
    root: folder,
    file,
    modules,
    contract: contract.file,
    leads,
    mayImport: () => true,
    plugins: [inside(folder)],
    maps: true,
  }).catch((error: unknown) => {
    if (error instanceof NodeError || error instanceof BundleRefused) throw error;
    throw broken(path.relative(folder, file), error as { errors?: Message[] });
  });
  const map = built.map === undefined ? undefined : tidyMap(built.map);
  return { manifest: built.manifest, run: built.run, ...(map === undefined ? {} : { map }) };
}

/** `./part`, `./part.js` and `./part.ts` all mean the file that is there. */
async function placeOf(target: string): Promise<string> {
  const ways = [target, target.replace(/\.js$/, '.ts'), `${target}.ts`, `${target}.js`, path.join(target, 'index.ts')];
  for (const way of ways) {
    if (/\.(ts|js|json|mjs)$/.test(way) && (await readFile(way).catch(() => null)) !== null) return way;
  }
  return target;
}

async function contractOf(folder: string): Promise<{ file: string; code: string }> {
  const file = path.join(folder, 'node_modules', CONTRACT_PACKAGE, 'contract.js');
  const code = await readFile(file, 'utf8').catch(() => {
    throw new NodeError('PACK_FOLDER', `${CONTRACT_PACKAGE} is not installed in ${folder}.`, {
      hint: 'Run npm install there first.',
    });
  });
  return { file, code };
}

function jsonOf(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new NodeError('PACK_BROKEN', `${name}: ${(error as Error).message}`);
  }
}

type Message = { text: string; location?: { file: string; line: number; lineText?: string } | null; detail?: unknown };

function broken(name: string, error: { errors?: Message[]; message?: string }): NodeError {
  const [first] = error.errors ?? [];
  if (first?.detail instanceof NodeError) return first.detail;
  const at = first?.location ? `${name}:${first.location.line}` : name;
  return new NodeError('PACK_BROKEN', `${at}: ${first?.text ?? error.message ?? 'it cannot be read'}`.slice(0, 1_000));
}

function builtin(by: string, specifier: string): NodeError {
  const name = bare(specifier).split('/')[0]!;
  return new NodeError(
    'PACK_BUILTIN',
    `${by}: "${specifier}" is part of Node.js, which is not there inside the isolate.`,
    {
      hint: INSTEAD[name] ?? 'Do without it, or bundle a library in plain JavaScript that does the same.',
    },
  );
}

/** What packages ask for: themselves, and never anything outside of the folder. */
function inside(folder: string): Plugin {
  return {
    name: 'inside',
    setup(on) {
      on.onResolve({ filter: /.*/ }, async (args) => {
        if (args.kind === 'entry-point' || args.pluginData === 'seen') return undefined;
        const by = await placeIn(folder, args.importer, args.path);
        if (isBuiltin(args.path)) throw builtin(by, args.path);
        const found = await on.resolve(args.path, {
          kind: args.kind,
          importer: args.importer,
          resolveDir: args.resolveDir || folder,
          pluginData: 'seen',
        });
        if (found.errors.length > 0) {
          throw new NodeError('PACK_IMPORT', `${by}: there is no "${args.path}".`, {
            hint: 'Add it to the dependencies and run npm install.',
          });
        }
        if (found.external) throw new NodeError('PACK_IMPORT', `${by}: "${args.path}" is not bundled.`);
        if (found.namespace === 'file') await within(folder, found.path, by, args.path);
        return found;
      });
    },
  };
}

/** The file that asks, and its line. */
async function placeIn(folder: string, importer: string, specifier: string): Promise<string> {
  const text = await readFile(importer, 'utf8').catch(() => '');
  return `${path.relative(folder, importer)}:${lineOf(text, specifier)}`;
}

const SourceMap = z.object({
  version: z.literal(3),
  sources: z.array(z.string()),
  sourcesContent: z.array(z.string().nullable()).optional(),
  mappings: z.string(),
  names: z.array(z.string()).optional(),
});

/** The author's own sources stay in it, those of packages are only named. */
function tidyMap(text: string): string {
  const map = SourceMap.parse(JSON.parse(text));
  const isOwn = (source: string) => !source.includes('node_modules/') && source !== 'entry.js';
  return JSON.stringify({
    ...map,
    sources: map.sources.map((source) => path.posix.normalize(source).replace(/^(\.\.\/)+/, '')),
    sourcesContent: map.sources.map((source, place) => (isOwn(source) ? (map.sourcesContent?.[place] ?? null) : null)),
  });
}
