/**
 * Packs TypeScript into the single scripts that enter an isolate or a child process.
 *
 * A node's file becomes two bundles (decisions.md F): `manifest`, which evaluates the manifest with zod once, and
 * `run`, which holds run, simulate and lookup and zod only if they use it. Both are classic scripts that leave their
 * exports in a global named `plugin`.
 *
 * A node that has outgrown its file keeps the rest as parts in the folder named as it is: `clip.ts` and `clip/*.ts`.
 *
 * esbuild keeps every top-level call, and a manifest is one, so each of our files is first cut down to the statements
 * that the wanted exports reach. Unreached declarations go; bare statements stay.
 *
 * A node may import the contract, zod and its own parts, nothing else, and a part the same: anything else is refused
 * here (`IMPORT_REFUSED`), because a foreign file's imports would otherwise be read from this machine's disk into its
 * bundle.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type AnyNode, type Identifier, type Literal, type Program, parse } from 'acorn';
import type { BuildOptions, Plugin } from 'esbuild';
import { NODE_ENTRIES, NodeError } from '../nodes/contract.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const CONTRACT = path.join(ROOT, 'nodes/contract.ts');

export class BundleRefused extends Error {
  readonly code: 'IMPORT_REFUSED' | 'NODE_BROKEN';
  constructor(code: 'IMPORT_REFUSED' | 'NODE_BROKEN', message: string) {
    super(message);
    this.code = code;
  }
}

// ---------------------------------------------------------------- cutting a module down

type Piece = { start: number; end: number; declares: string[]; uses: Set<string>; keeps: boolean };

function eachName(node: unknown, visit: (name: string) => void): void {
  if (Array.isArray(node)) for (const member of node) eachName(member, visit);
  else if (typeof node === 'object' && node !== null && 'type' in node) {
    if (node.type === 'Identifier') visit((node as { name?: string }).name ?? '');
    for (const [key, value] of Object.entries(node)) if (key !== 'type') eachName(value, visit);
  }
}

function declaredBy(node: AnyNode): string[] | undefined {
  if (node.type === 'FunctionDeclaration' || node.type === 'ClassDeclaration')
    return node.id ? [node.id.name] : undefined;
  if (node.type !== 'VariableDeclaration') return undefined;
  const names: string[] = [];
  for (const { id } of node.declarations) eachName(id, (name) => names.push(name));
  return names;
}

const moduleName = (name: Identifier | Literal) => (name.type === 'Identifier' ? name.name : String(name.value));

/** The module's JavaScript, reduced to what `wanted` (names of exports) reaches. What is left stands where it stood. */
export function reachable(source: string, wanted: readonly string[]): string {
  const program: Program = parse(source, { ecmaVersion: 'latest', sourceType: 'module' });
  const pieces: Piece[] = [];
  const roots = new Set(wanted);
  for (const node of program.body) {
    const inner = node.type === 'ExportNamedDeclaration' && node.declaration ? node.declaration : node;
    const imported = node.type === 'ImportDeclaration' ? node.specifiers.map(({ local }) => local.name) : [];
    const declares = imported.length > 0 ? imported : declaredBy(inner);
    const uses = new Set<string>();
    if (node.type === 'ExportNamedDeclaration' && !node.declaration) {
      // `export { a as b }`: its names are reached only where they are wanted
      for (const { local, exported } of node.specifiers) {
        if (roots.has(moduleName(exported))) roots.add(moduleName(local));
      }
    } else if (node.type !== 'ImportDeclaration') eachName(inner, (name) => uses.add(name));
    pieces.push({ start: node.start, end: node.end, declares: declares ?? [], uses, keeps: declares === undefined });
  }
  const kept = new Set<Piece>();
  const open = pieces.filter((piece) => piece.keeps || piece.declares.some((name) => roots.has(name)));
  while (open.length > 0) {
    const piece = open.pop()!;
    if (kept.has(piece)) continue;
    kept.add(piece);
    for (const other of pieces) if (other.declares.some((name) => piece.uses.has(name))) open.push(other);
  }
  const gone = new Set(pieces.filter((piece) => !kept.has(piece)).flatMap((piece) => piece.declares));
  const uses = new Set(pieces.filter((piece) => kept.has(piece)).flatMap((piece) => [...piece.uses]));
  let cut = '';
  let at = 0;
  for (const piece of pieces) {
    const text = source.slice(piece.start, piece.end);
    cut += source.slice(at, piece.start) + (kept.has(piece) ? fewerNames(text) : blank(text));
    at = piece.end;
  }
  return cut + source.slice(at);

  function fewerNames(text: string): string {
    const list = /^(import|export)\s*\{([^}]*)\}/.exec(text);
    if (!list) return text;
    const wantedHere = (part: string) => {
      const name = part.trim().split(/\s+as\s+/);
      return list[1] === 'import' ? uses.has(name.at(-1) ?? '') : !gone.has(name[0] ?? '');
    };
    const named = `${list[1]} {${(list[2] ?? '').split(',').filter(wantedHere).join(',')}}`;
    return named + blank(list[0].slice(named.length)) + text.slice(list[0].length);
  }
}

const blank = (text: string) => text.replace(/[^\n]/g, ' ');

// ---------------------------------------------------------------- esbuild

const SERVICE_REST_MS = 500;
let asked = 0;
let rest: NodeJS.Timeout | undefined;
/** Loaded only when something has to be made; its service process is ended soon after. */
async function withEsbuild<T>(act: (esbuild: typeof import('esbuild')) => Promise<T>): Promise<T> {
  const esbuild = await import('esbuild');
  asked += 1;
  clearTimeout(rest);
  try {
    return await act(esbuild);
  } finally {
    asked -= 1;
    if (asked === 0) rest = setTimeout(() => void esbuild.stop(), SERVICE_REST_MS).unref();
  }
}

/** `maps`: with a source map at its end. */
export async function toJavaScript(file: string, text: string, { maps = false } = {}): Promise<string> {
  const { code } = await withEsbuild(({ transform }) =>
    transform(text, {
      loader: 'ts',
      format: 'esm',
      target: 'es2024',
      sourcefile: file,
      // what is imported is imported, used or not: so all of it is looked at
      tsconfigRaw: '{"compilerOptions":{"verbatimModuleSyntax":true}}',
      ...(maps ? { sourcemap: 'inline', sourcesContent: true } : {}),
    }),
  );
  return code;
}

/** The names that `source` takes from each module, by specifier; `*` stands for all of them. */
export function importedNames(source: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const node of parse(source, { ecmaVersion: 'latest', sourceType: 'module' }).body) {
    if (node.type === 'ImportDeclaration') {
      const taken = node.specifiers.map((each) =>
        each.type === 'ImportSpecifier'
          ? moduleName(each.imported)
          : each.type === 'ImportDefaultSpecifier'
            ? 'default'
            : '*',
      );
      add(String(node.source.value), taken);
    } else if (node.type === 'ExportNamedDeclaration' && node.source) {
      add(
        String(node.source.value),
        node.specifiers.map(({ local }) => moduleName(local)),
      );
    } else if (node.type === 'ExportAllDeclaration') add(String(node.source.value), ['*']);
  }
  return names;

  function add(specifier: string, taken: string[]): void {
    names.set(specifier, [...(names.get(specifier) ?? []), ...taken]);
  }
}

/** Where an import leads among files that are given as text; undefined: not there. */
export type Leads = (specifier: string, importer: string) => string | undefined;

/** Each of `modules` (JavaScript by path) that the names wanted of `roots` reach, cut down to what they reach in it. */
function cutDown(
  modules: ReadonlyMap<string, string>,
  roots: readonly [file: string, names: readonly string[]][],
  leads: Leads,
): Map<string, string> {
  const wanted = new Map<string, Set<string>>();
  const cut = new Map<string, string>();
  const open = [...roots];
  while (open.length > 0) {
    const [file, names] = open.pop()!;
    const source = modules.get(file);
    const known = wanted.get(file);
    if (source === undefined || (known && names.every((name) => known.has(name)))) continue;
    const all = new Set([...(known ?? []), ...names]);
    wanted.set(file, all);
    const kept = all.has('*') ? source : reachable(source, [...all]);
    cut.set(file, kept);
    for (const [specifier, taken] of importedNames(kept)) {
      const target = leads(specifier, file);
      if (target !== undefined) open.push([target, taken]);
    }
  }
  return cut;
}

async function build(options: BuildOptions): Promise<string> {
  return (await builtFiles(options)).code;
}

async function builtFiles(options: BuildOptions): Promise<{ code: string; map: string | undefined }> {
  const result = await withEsbuild((esbuild) =>
    esbuild.build({
      bundle: true,
      write: false,
      target: 'es2024',
      charset: 'utf8',
      legalComments: 'none',
      logLevel: 'silent',
      absWorkingDir: ROOT,
      ...options,
    }),
  );
  const [code, map] = [
    result.outputFiles?.find(({ path: name }) => !name.endsWith('.map')),
    result.outputFiles?.find(({ path: name }) => name.endsWith('.map')),
  ];
  return { code: code?.text ?? '', map: map?.text };
}

/** Our own files, given as text by absolute path; `mayImport` decides about everything else. */
function given(
  files: ReadonlyMap<string, string>,
  leads: Leads,
  mayImport: (specifier: string) => boolean,
  root = ROOT,
): Plugin {
  return {
    name: 'given',
    setup(on) {
      on.onResolve({ filter: /.*/ }, (args) => {
        if (args.kind === 'entry-point') return undefined;
        const target = leads(args.path, args.importer);
        if (target !== undefined && files.has(target)) return { path: target, sideEffects: false };
        if (!files.has(args.importer)) return undefined;
        if (args.path === 'zod') return on.resolve('zod', { resolveDir: root, kind: args.kind });
        if (!mayImport(args.path)) {
          throw new BundleRefused('IMPORT_REFUSED', `A node may not import "${args.path}".`);
        }
        return undefined;
      });
      on.onLoad({ filter: /\.[jt]s(on)?$/ }, (args) => {
        const contents = files.get(args.path);
        return contents === undefined ? undefined : { contents, loader: 'js', resolveDir: path.dirname(args.path) };
      });
    },
  };
}

function firstRefusal(error: unknown): unknown {
  const detail = (error as { errors?: { text: string; detail?: unknown }[] }).errors?.[0];
  if (!detail) return error;
  if (detail.detail instanceof BundleRefused || detail.detail instanceof NodeError) return detail.detail;
  const refused = /A node may not import "[^"]*"\./.exec(detail.text);
  return refused ? new BundleRefused('IMPORT_REFUSED', refused[0]) : new BundleRefused('NODE_BROKEN', detail.text);
}

/** The modules of one node as JavaScript, and how its bundles are made of them. */
export type NodeModules = {
  /** The folder that specifiers of the entry are relative to, and where zod lies. */
  root: string;
  /** The node's file; a key of `modules`. */
  file: string;
  modules: ReadonlyMap<string, string>;
  /** The contract's key in `modules`. */
  contract: string;
  leads: Leads;
  mayImport: (specifier: string) => boolean;
  /** Decide about what `mayImport` lets through. */
  plugins?: Plugin[];
  /** A source map of `run`, with the sources in it. */
  maps?: boolean;
};

/** Both bundles of one node. */
export async function bundleModules(
  of: NodeModules,
): Promise<{ manifest: string; run: string; map?: string | undefined }> {
  const { root, file, modules, contract, maps = false } = of;
  const leads: Leads = (specifier, importer) =>
    modules.has(importer) || !specifier.startsWith('.') ? of.leads(specifier, importer) : path.resolve(root, specifier); // the entry, which is written here
  const pack = (...roots: [file: string, names: readonly string[]][]) => [
    given(cutDown(modules, roots, leads), leads, of.mayImport, root),
    ...(of.plugins ?? []),
  ];
  const exported = exportsOf(modules.get(file)!);
  const entries = NODE_ENTRIES.filter((name) => exported.includes(name));
  const contents = (lines: string) => ({ contents: lines, resolveDir: root, sourcefile: 'entry.js' });
  const shared: BuildOptions = {
    format: 'iife',
    globalName: 'plugin',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    absWorkingDir: root,
    tsconfigRaw: '{}',
  };
  const at = (target: string) => JSON.stringify(`./${path.relative(root, target)}`);
  try {
    const [manifest, run] = await Promise.all([
      build({
        ...shared,
        minifySyntax: true,
        plugins: pack([file, ['manifest']], [contract, ['manifestJson']]),
        stdin: contents(
          `import { manifest as declared } from ${at(file)}; import { manifestJson } from ${at(contract)};
           export const manifest = () => manifestJson(declared, ${JSON.stringify(entries)});`,
        ),
      }),
      builtFiles({
        ...shared,
        plugins: pack([file, entries]),
        stdin: contents(`export { ${entries.join(', ')} } from ${at(file)};`),
        // a stack is read through the map: the script itself may be short
        ...(maps ? { sourcemap: 'external', outfile: 'run.js', minifyWhitespace: true, minifySyntax: true } : {}),
      }),
    ]);
    return { manifest, run: run.code, map: run.map };
  } catch (error) {
    throw firstRefusal(error);
  }
}

/**
 * Both bundles of a built-in node. `text` is the TypeScript of its file, `parts` that of the files in its folder by their
 * names.
 */
export async function bundleNode(
  file: string,
  text: string,
  parts: ReadonlyMap<string, string> = new Map(),
): Promise<{ manifest: string; run: string }> {
  try {
    const folder = partsFolder(file);
    const modules = new Map([[file, await toJavaScript(file, text)]]);
    for (const [name, part] of parts) modules.set(path.join(folder, name), await toJavaScript(name, part));
    modules.set(CONTRACT, await toJavaScript(CONTRACT, await readFile(CONTRACT, 'utf8')));
    // wherever a node's file lies, the contract is ours
    const contract = path.resolve(path.dirname(file), '../contract.ts');
    const leads: Leads = (specifier, importer) => {
      if (!specifier.startsWith('.')) return undefined;
      const target = path.resolve(path.dirname(importer), specifier);
      if (target === contract) return CONTRACT;
      return path.dirname(target) === folder && modules.has(target) ? target : undefined;
    };
    const mayImport = (specifier: string) => specifier === 'zod';
    return await bundleModules({ root: ROOT, file, modules, contract: CONTRACT, leads, mayImport });
  } catch (error) {
    throw firstRefusal(error);
  }
}

function exportsOf(source: string): string[] {
  return parse(source, { ecmaVersion: 'latest', sourceType: 'module' }).body.flatMap((node) => {
    if (node.type !== 'ExportNamedDeclaration') return [];
    if (node.declaration) return declaredBy(node.declaration) ?? [];
    return node.specifiers.map(({ exported }) => moduleName(exported));
  });
}

/** The sandbox child as one script, without the schemas that only the host needs. */
async function bundleChild(): Promise<string> {
  const folder = path.join(ROOT, 'runtime/sandbox');
  const entry = path.join(folder, 'child.ts');
  const bridge = path.join(folder, 'bridge.ts');
  const child = await toJavaScript(entry, await readFile(entry, 'utf8'));
  const wall = await toJavaScript(bridge, await readFile(bridge, 'utf8'));
  const leads: Leads = (specifier) => (specifier === './bridge.ts' ? bridge : undefined);
  return build({
    format: 'cjs',
    platform: 'node',
    entryPoints: [entry],
    plugins: [
      given(new Map([[bridge, reachable(wall, importedNames(child).get('./bridge.ts') ?? [])]]), leads, () => true),
    ],
  });
}

const engines = new Map<string, Promise<string>>();
/** The child of an engine (capabilities/media/engine.ts) as one script, native addons left out; made once per process. */
export function engineProgram(entry: string): Promise<string> {
  let known = engines.get(entry);
  if (!known) {
    known = build({
      entryPoints: [entry],
      platform: 'node',
      format: 'cjs',
      target: 'node24',
      external: ['*.node'],
    });
    known.catch(() => engines.delete(entry));
    engines.set(entry, known);
  }
  return known;
}

// ---------------------------------------------------------------- keeping what was made

const sha256 = (...parts: string[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
};
export const digestOf = (code: string) => sha256(code);

let toolchain: Promise<string> | undefined;
/** Changes whenever a bundle made from the same node could change. */
async function toolchainDigest(): Promise<string> {
  toolchain ??= (async () => {
    const require = createRequire(import.meta.url);
    const versions = ['zod', 'esbuild', 'acorn'].map(async (name) => {
      const { version } = JSON.parse(await readFile(require.resolve(`${name}/package.json`), 'utf8')) as {
        version: string;
      };
      return `${name}@${version}`;
    });
    return sha256(
      await readFile(import.meta.filename, 'utf8'),
      await readFile(CONTRACT, 'utf8'),
      ...(await Promise.all(versions)),
    );
  })();
  return toolchain;
}

/** Text kept in `cacheDir` under the digest of all that it was made from; made where it is not there yet. */
async function kept(cacheDir: string, name: string, make: () => Promise<string>): Promise<string> {
  const file = path.join(cacheDir, name);
  try {
    return await readFile(file, 'utf8');
  } catch {
    const text = await make();
    await mkdir(cacheDir, { recursive: true });
    const partial = `${file}.${randomUUID()}.part`; // several may make it at the same time, in one process too
    await writeFile(partial, text);
    await rename(partial, file);
    return text;
  }
}

/** The path of the bundled child below `cacheDir`. */
export async function childProgram(cacheDir: string): Promise<string> {
  const folder = path.join(ROOT, 'runtime/sandbox');
  const sources = await Promise.all(
    ['child.ts', 'bridge.ts', 'prelude.ts', 'prelude-harden.ts', 'prelude-web.ts'].map((name) =>
      readFile(path.join(folder, name), 'utf8'),
    ),
  );
  const name = `child-${sha256(await toolchainDigest(), ...sources).slice(0, 32)}.js`;
  await kept(cacheDir, name, bundleChild);
  return path.join(cacheDir, name);
}

/** A node's file and its parts are named so; what has another name beside them (`clip.test.ts`) is not packed. */
export const isNodeFile = (name: string) => /^[a-z][a-z0-9-]*\.ts$/.test(name);
const partsFolder = (file: string) => file.slice(0, -path.extname(file).length);

/** The TypeScript of a node's parts by name, in the order of the names; links are not followed. */
async function readParts(file: string): Promise<Map<string, string>> {
  const folder = partsFolder(file);
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const names = entries.filter((entry) => entry.isFile() && isNodeFile(entry.name)).map(({ name }) => name);
  const texts = names.sort().map(async (name) => [name, await readFile(path.join(folder, name), 'utf8')] as const);
  return new Map(await Promise.all(texts));
}

/**
 * A node's bundles and its manifest's JSON text, kept below `cacheDir`. `evaluate` turns the manifest bundle into
 * JSON (inside an isolate) and is asked only when nothing is kept.
 */
export async function packedNode(
  file: string,
  cacheDir: string,
  evaluate: (code: string) => Promise<string>,
): Promise<{ manifest: string; code: string }> {
  const [text, parts] = await Promise.all([readFile(file, 'utf8'), readParts(file)]);
  const digest = sha256(await toolchainDigest(), path.relative(ROOT, file), text, ...[...parts].flat());
  const packed = await kept(cacheDir, `node-${digest.slice(0, 32)}.json`, async () => {
    const bundles = await bundleNode(file, text, parts);
    return JSON.stringify({ manifest: await evaluate(bundles.manifest), code: bundles.run });
  });
  return JSON.parse(packed) as { manifest: string; code: string };
}
