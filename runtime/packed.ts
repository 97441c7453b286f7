/**
 * Reads a packed plugin as its author's machine made it, and refuses what is none: nothing of it is run here. The parser looks
 * for an import that is left; what is refused is named with its line and what to do.
 *
 * Errors: PACK_UNREADABLE, PACK_IMPORT, PACK_MAP, MANIFEST_REFUSED.
 */
import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { type AnyNode, type Program, parse } from 'acorn';
import canonicalize from 'canonicalize';
import * as z from 'zod';
import { CONTRACT_VERSION, type ErrorJson, ManifestJson, NodeError, PackedPlugin } from '../nodes/contract.ts';
import { rightsOf } from './graph/rights.ts';

/** The whole file, before it is read. */
export const PACKED_BYTES = 12 * 1024 * 1024;
const AGAIN = 'Pack it again with `node pack`.';
const OWN_HOST = /(^|\.)(internal|localhost|local)$/i;
/** Shapes that start runs or call pipelines are the product's own. */
const OWN_SHAPES: readonly string[] = ['trigger', 'call-pipeline', 'return'];

/** A worker does this beside its steps: it pauses between the scripts. */
export async function readPacked(text: string): Promise<{ packed: PackedPlugin; digest: string }> {
  if (Buffer.byteLength(text) > PACKED_BYTES) {
    throw new NodeError('PACK_UNREADABLE', `A packed plugin has at most ${PACKED_BYTES / 1024 ** 2} MB.`, {
      hint: 'Leave out what it does not need: a library, a source map.',
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NodeError('PACK_UNREADABLE', 'This file is not a packed plugin: it is no JSON.', { hint: AGAIN });
  }
  const parsed = PackedPlugin.safeParse(value);
  if (!parsed.success) {
    const why = z.prettifyError(parsed.error).slice(0, 500);
    throw new NodeError('PACK_UNREADABLE', `This file is not a packed plugin: ${why}`, { hint: AGAIN });
  }
  if (canonicalize(value) !== text) {
    throw new NodeError('PACK_UNREADABLE', 'This packed plugin was changed after it was packed.', { hint: AGAIN });
  }
  for (const [place, node] of parsed.data.nodes.entries()) {
    refuseImports(node.manifest, `nodes[${place}].manifest`);
    await breathe();
    refuseImports(node.run, `nodes[${place}].run`);
    if (node.map !== undefined) refusePlaces(node.map, `nodes[${place}].map`);
    await breathe();
  }
  return { packed: parsed.data, digest: createHash('sha256').update(text).digest('hex') };
}

/** Throws where a script is more than one script. */
export function refuseImports(code: string, where: string): void {
  let program: Program;
  try {
    program = parse(code, { ecmaVersion: 'latest', sourceType: 'script', locations: true });
  } catch (error) {
    const { line = 0 } = (error as { loc?: { line: number } }).loc ?? {};
    const isImport = /import|export/i.test((error as Error).message);
    throw new NodeError(
      isImport ? 'PACK_IMPORT' : 'PACK_UNREADABLE',
      `${where}, line ${line}: ${(error as Error).message.slice(0, 200)}`,
      { hint: isImport ? 'A packed plugin imports nothing: bundle it.' : AGAIN },
    );
  }
  const link = /\/[/*][#@]\s*source(?:Mapping)?URL=/.exec(code);
  if (link) {
    const line = code.slice(0, link.index).split('\n').length;
    throw new NodeError('PACK_MAP', `${where}, line ${line}: a source map is named.`, {
      hint: 'The map lies in the packed file, beside its script.',
    });
  }
  const open: unknown[] = [program];
  while (open.length > 0) {
    const node = open.pop();
    if (Array.isArray(node)) for (const member of node) open.push(member);
    else if (typeof node === 'object' && node !== null && 'type' in node) {
      const found = leftOver(node as AnyNode);
      if (found !== null) {
        const { line } = (node as AnyNode).loc!.start;
        throw new NodeError('PACK_IMPORT', `${where}, line ${line}: ${found} is loaded while it runs.`, {
          hint: 'Nothing is loaded inside the isolate. Bundle it, or do without it.',
        });
      }
      for (const [key, part] of Object.entries(node)) if (key !== 'type' && key !== 'loc') open.push(part);
    }
  }
}

function leftOver(node: AnyNode): string | null {
  if (node.type === 'ImportExpression') return 'a module';
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier') return null;
  if (node.callee.name !== 'require' && node.callee.name !== '__require') return null;
  const [first] = node.arguments;
  return first?.type === 'Literal' && typeof first.value === 'string' ? `"${first.value.slice(0, 80)}"` : null;
}

const SourceMap = z.object({
  version: z.literal(3),
  sources: z.array(z.string().max(300)).max(5_000),
  sourcesContent: z.array(z.string().nullable()).optional(),
  sourceRoot: z.literal('').optional(),
  sections: z.undefined().optional(),
});

function refusePlaces(map: string, where: string): void {
  let value: unknown = null;
  try {
    value = JSON.parse(map);
  } catch {
    // told below
  }
  const parsed = SourceMap.safeParse(value);
  if (!parsed.success) throw new NodeError('PACK_MAP', `${where}: this is no source map.`, { hint: AGAIN });
  const away = parsed.data.sources.find((source) => /^[/\\]|^[a-z][a-z0-9+.-]*:|(^|[/\\])\.\.([/\\]|$)/i.test(source));
  if (away !== undefined) {
    throw new NodeError('PACK_MAP', `${where}: the source "${away}" lies outside of the plugin.`, {
      hint: 'Sources are named relative to the folder that was packed.',
    });
  }
}

/** What a plugin's manifest has to say beyond a built-in node's, before anybody is asked to allow it anything. */
export function checkForeignManifest(json: string): ManifestJson {
  const parsed = ManifestJson.safeParse(JSON.parse(json));
  if (!parsed.success) {
    throw manifestRefused(`The manifest does not fit the contract: ${z.prettifyError(parsed.error)}`.slice(0, 1_900));
  }
  const manifest = parsed.data;
  const { id } = manifest;
  for (const name of ['publisher', 'license', 'api'] as const) {
    if (manifest[name] === undefined) throw manifestRefused(`${id} does not say its ${name}.`, `Add ${name} to it.`);
  }
  if (!fitsContract(manifest.api!)) {
    throw manifestRefused(
      `${id} was written for the contract ${manifest.api}; this is ${CONTRACT_VERSION}.`,
      'Install a version of the plugin for this contract, or a newer Spliceboard.',
    );
  }
  const family = id.slice(0, id.indexOf('.'));
  if (OWN_FAMILIES.includes(family)) {
    throw manifestRefused(`The id ${id} begins as the product's own do.`, 'Begin it with the name of the plugin.');
  }
  if (OWN_SHAPES.includes(manifest.shape)) {
    throw manifestRefused(`${id} has the shape ${manifest.shape}, which plugins cannot have.`, null);
  }
  const wants = manifest.effect === 'writes-external' ? (['run', 'simulate', 'lookup'] as const) : (['run'] as const);
  for (const name of wants) {
    if (!manifest.exports.includes(name) && (name !== 'run' || manifest.shape === 'step')) {
      throw manifestRefused(`${id} exports no ${name}.`, `A node of effect "${manifest.effect}" has to.`);
    }
  }
  checkPlatform(manifest);
  for (const { host, path } of manifest.capabilities.http ?? []) {
    if (host === undefined && manifest.connection === undefined) {
      throw manifestRefused(`${id} names no host for ${path}.`, 'Name the host of each address, or a connection.');
    }
    if (host !== undefined) requirePublic(id, host);
  }
  const { platform } = manifest;
  if (platform?.server.kind === 'fixed') for (const host of platform.server.hosts) requirePublic(id, host);
  const unexplained = rightsOf(manifest).find(({ why }) => why.length === 0);
  if (unexplained) {
    const capability = unexplained.id.split(' ')[0];
    throw manifestRefused(
      `${id} does not say what it wants "${capability}" for.`,
      `Add capabilities.why.${capability}: people read it before they allow it.`,
    );
  }
  return manifest;
}

function requirePublic(id: string, host: string): void {
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(host) && !OWN_HOST.test(host) && !/^[\d.]+$/.test(host)) return;
  throw manifestRefused(`${id} asks for ${host}, which is no public host.`, 'Name the host as the public knows it.');
}

/** What belongs together in a manifest that works with an account; of built-in nodes too. Throws MANIFEST_REFUSED. */
export function checkPlatform({
  id,
  connection,
  platform,
  effect,
  exports,
  capabilities,
  inputs,
  outputs,
}: ManifestJson): void {
  const refuse = (message: string, hint: string) => manifestRefused(`${id} ${message}`, hint);
  if ((connection === undefined) !== (platform === undefined)) {
    throw refuse(
      'has only one of `connection` and `platform`.',
      'The one names the account, the other describes its service.',
    );
  }
  if (!platform) return;
  const { connect, server, post, quotas = [], webhooks } = platform;
  const places =
    connect.kind === 'oauth2'
      ? [connect.authorize, connect.token, connect.revoke, connect.exchange?.first, connect.exchange?.again]
      : [];
  const away = places.find((each) => each?.host !== undefined && server.kind === 'asked');
  if (away) throw refuse(`names the host ${away.host}, and its server is asked for.`, 'Leave the host away.');
  for (const { zone } of quotas) {
    if (!isZone(zone))
      throw refuse(`has a quota in the zone ${zone}, which there is not.`, 'Name one such as America/Los_Angeles.');
  }
  const uses = (capabilities.http ?? []).flatMap((grant) => Object.keys(grant.uses ?? {}));
  const unknown = uses.find((name) => !quotas.some((quota) => quota.name === name));
  if (unknown !== undefined)
    throw refuse(`uses "${unknown}", which is none of its quotas.`, 'Declare it under platform.quotas.');
  if (webhooks && !exports.includes('events'))
    throw refuse('exports no events.', 'What reads its webhooks is called so.');
  if (!post) return;
  if (effect !== 'writes-external') throw refuse(`publishes, and its effect is "${effect}".`, 'Say writes-external.');
  for (const name of ['account', 'remove', 'metrics'] as const) {
    if (!exports.includes(name)) throw refuse(`exports no ${name}.`, 'A platform that is published to has to.');
  }
  const port = [...Object.keys(post.rules), ...(post.oneOf ?? [])].find((name) => !Object.hasOwn(inputs, name));
  if (port !== undefined) throw refuse(`has a rule for "${port}", which is none of its inputs.`, 'Name an input.');
  if (!Object.values(outputs).some(({ type, list }) => type === 'post' && !list)) {
    throw refuse('publishes, and gives no post.', 'Give an output of the type post.');
  }
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== null;
  } catch {
    return false;
  }
}

/** First parts of ids that are the product's, now or later. */
export const OWN_FAMILIES: readonly string[] = [
  ...['ai', 'audio', 'brand', 'flow', 'image', 'media', 'metrics', 'mail', 'post', 'publish', 'sound'],
  ...['speech', 'sponsor', 'spliceboard', 'text', 'trigger', 'video'],
];

const manifestRefused = (message: string, hint: string | null = null) =>
  new NodeError('MANIFEST_REFUSED', message, hint === null ? {} : { hint });

/** `^1.2` fits 1.2.0 and all later 1.x. */
export function fitsContract(range: string): boolean {
  const wanted = range.slice(1).split('.').map(Number);
  const ours = CONTRACT_VERSION.split('.').map(Number);
  if (wanted[0] !== ours[0]) return false;
  const [, minor = 0, patch = 0] = wanted;
  return ours[1]! > minor || (ours[1] === minor && ours[2]! >= patch);
}

export const asErrorJson = (error: unknown): ErrorJson | null =>
  error instanceof NodeError
    ? { code: error.code, message: error.message.slice(0, 2_000), hint: error.hint, retry: error.retry }
    : null;
