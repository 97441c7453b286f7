/**
 * What a plugin may do, as a list of rights that people read, allow and take back one by one. Made from manifests alone;
 * shared by the sheet that asks (editor), the one that writes down (server), and the one that holds plugins to it (runtime).
 *
 *   http POST api.example.com /v1/{id}   one method and path of one host
 *   assets read, media clip, ai json     one operation
 *   brand colors                         one part of the brand kit
 *   render, store, wait                  the capability as a whole
 *   account example api.example.com      a connected account at a service, whose secrets go to these hosts
 *
 * `touches` says what people care about: `world` (it changes something outside), `hosts` (data leaves for a host), `money`
 * (it is paid for), `data` (it sees or stores something of the workspace), `none`.
 */
import type { HttpGrant, ManifestJson } from '../../nodes/contract.ts';

export type Touches = 'world' | 'hosts' | 'money' | 'data' | 'none';
export type Right = {
  id: string;
  /** In plain words: "Send to api.example.com: POST /v1/posts". */
  title: string;
  /** The author's reason, per node type that asks. */
  why: string[];
  touches: Touches;
  host: string | null;
};

const ASSETS: Record<string, [title: string, touches: Touches]> = {
  read: ['Read recordings, texts and what runs made', 'data'],
  write: ['Store new texts', 'data'],
  fetch: ['Load files from any public address into the store', 'hosts'],
};
const AI: Record<string, [title: string, touches: Touches]> = {
  engines: ['See which speech and language engines there are', 'none'],
  plan: ['Plan how a recording is cut for an engine', 'none'],
  upload: ['Send recordings to a speech service', 'money'],
  submit: ['Order transcripts at a speech service', 'money'],
  transcribe: ['Turn speech into words', 'money'],
  diarize: ['Tell speakers apart', 'money'],
  forget: ['Have a speech service erase what it was sent', 'none'],
  parse: ['Read captions that came along', 'data'],
  json: ['Ask a language model', 'money'],
  embed: ['Compare texts by meaning, on this machine', 'none'],
};
const BRAND: Record<string, string> = {
  name: 'See the name of the brand',
  colors: 'See the colours of the brand',
  fonts: 'See the fonts of the brand',
  logo: 'See the logo of the brand',
  voice: 'See how the brand sounds',
  captions: 'See how the brand draws captions',
  links: 'See the links of the brand',
};

export const httpRight = ({ method, host, path }: Pick<HttpGrant, 'method' | 'path'> & { host?: string | undefined }) =>
  `http ${method} ${host?.toLowerCase() ?? 'connection'} ${path}`;

/** The right to act with an account: another host, another right. Null where it works with none. */
export function accountRight({ connection, platform }: ManifestJson): string | null {
  if (!connection || !platform) return null;
  const hosts = platform.server.kind === 'fixed' ? platform.server.hosts : ['*'];
  return `account ${connection.platform} ${hosts.map((host) => host.toLowerCase()).join(' ')}`;
}

/** Of one node type, in a fixed order. */
export function rightsOf(manifest: ManifestJson): Right[] {
  const { assets = [], media = [], ai = [], http = [], render, brand = [], store, wait, why } = manifest.capabilities;
  const rights: Right[] = [];
  const add = (id: string, title: string, touches: Touches, reason: string | undefined, host: string | null = null) =>
    rights.push({ id, title, why: reason === undefined ? [] : [reason], touches, host });
  if (manifest.platform) {
    const { title, server } = manifest.platform;
    const to = server.kind === 'fixed' ? server.hosts.join(', ') : 'the server you name';
    const what = `Act with an account at ${title} that you connect: its secrets go to ${to}`;
    add(accountRight(manifest)!, what, 'world', why?.account);
  }
  for (const grant of http) {
    const reads = grant.method === 'GET' || grant.method === 'HEAD' || grant.reads === true;
    const writes = manifest.effect === 'writes-external' && !reads;
    const where = grant.host?.toLowerCase() ?? "its account's server";
    const act = writes ? 'Change things at' : reads ? 'Read from' : 'Send to';
    add(
      httpRight(grant),
      `${act} ${where}: ${grant.method} ${grant.path}`,
      writes ? 'world' : 'hosts',
      grant.why,
      grant.host?.toLowerCase() ?? null,
    );
  }
  for (const each of assets) add(`assets ${each}`, ...(ASSETS[each] as [string, Touches]), why?.assets);
  for (const each of ai) {
    const [title, touches] = Object.hasOwn(AI, each) ? AI[each]! : [`Use ${each}`, 'money' as const];
    add(`ai ${each}`, title, touches, why?.ai);
  }
  for (const each of media) add(`media ${each}`, `Work on recordings: ${each}`, 'data', why?.media);
  if (render) add('render', 'Draw pictures', 'none', why?.render);
  for (const each of brand) add(`brand ${each}`, BRAND[each]!, 'data', why?.brand);
  if (store) add('store', 'Remember small things between runs', 'data', why?.store);
  if (wait) add('wait', 'Wait, for a time, a call from outside or a person', 'none', why?.wait);
  return rights;
}

/** Of all node types of a plugin: each right once, with every reason. */
export function rightsOfAll(manifests: readonly ManifestJson[]): Right[] {
  const all = new Map<string, Right>();
  for (const right of manifests.flatMap(rightsOf)) {
    const known = all.get(right.id);
    if (!known) all.set(right.id, right);
    else for (const reason of right.why) if (!known.why.includes(reason)) known.why.push(reason);
  }
  return [...all.values()];
}

/** The right that a call needs; null where it needs none, or where nothing that is declared fits it. */
export function rightFor(
  manifest: ManifestJson,
  call: { capability: string; method: string; args: unknown },
): string | null {
  const { capability, method, args } = call;
  switch (capability) {
    case 'http':
    case 'effect': {
      const request = (capability === 'effect' ? (args as { request?: unknown } | null)?.request : args) as
        | { method?: unknown; host?: unknown; path?: unknown }
        | null
        | undefined;
      if (typeof request?.path !== 'string' || typeof request.method !== 'string') return null;
      const host = typeof request.host === 'string' ? request.host : undefined;
      const grant = grantFor(manifest, { method: request.method, path: request.path, host });
      return grant ? httpRight(grant) : null;
    }
    case 'assets':
      return `assets ${method === 'fetch' ? 'fetch' : method === 'writeText' ? 'write' : 'read'}`;
    case 'media':
    case 'ai':
      return `${capability} ${method}`;
    case 'render':
    case 'store':
    case 'wait':
      return capability;
    default:
      return null;
  }
}

/** Whether a request changes nothing: a GET, or a POST of which its author says so. */
export function onlyAsks(
  manifest: ManifestJson,
  request: { method: string; host?: string | undefined; path: string },
): boolean {
  return request.method === 'GET' || request.method === 'HEAD' || grantFor(manifest, request)?.reads === true;
}

/** `/statuses/{id}` fits `/statuses/7` and neither `/statuses/7/more` nor `/statuses/..`. */
export function grantFor(
  manifest: ManifestJson,
  request: { method: string; host?: string | undefined; path: string },
): HttpGrant | undefined {
  const given = request.path.split('/');
  return (manifest.capabilities.http ?? []).find((grant) => {
    const wanted = grant.path.split('/');
    return (
      grant.method === request.method &&
      grant.host?.toLowerCase() === request.host?.toLowerCase() &&
      wanted.length === given.length &&
      wanted.every((part, index) => part === given[index] || (/^\{[^}]+\}$/.test(part) && given[index] !== ''))
    );
  });
}
