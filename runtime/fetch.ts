/**
 * The one way out: every request of the product to an address that a person, a node or a service chose goes through here
 * (node http, URL import, speech and language services, model downloads, outgoing webhooks).
 *
 *   parse once      scheme and port from a list, no credentials in the URL
 *   operator's map  `egress`: exact origin → origin, applied after the grant and before the address check; nothing else
 *                   may reach a private address. From SPLICEBOARD_EGRESS: JSON, or the name of a JSON file
 *   resolve, check  every address behind the name must be public, in all notations (decimal, octal, mapped, NAT64 …)
 *   connect         to the address that was checked: nothing is resolved a second time
 *   redirects       by hand, each one checked like a first request; on a change of origin headers are dropped, bodies
 *                   are never sent on
 *   limits          time, header size, decompressed bytes
 *
 * Errors: FetchError with FETCH_REFUSED (never), FETCH_TOO_LARGE (never), FETCH_TIMEOUT and FETCH_FAILED (later).
 * A status is never an error here: what it means is known to whoever asked.
 */
import { lookup as dnsLookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { Agent, fetch as undiciFetch } from 'undici';

export type FetchErrorCode = 'FETCH_REFUSED' | 'FETCH_TOO_LARGE' | 'FETCH_TIMEOUT' | 'FETCH_FAILED';

export class FetchError extends Error {
  override name = 'FetchError';
  readonly code: FetchErrorCode;
  readonly hint: string | null;
  readonly retry: 'never' | 'later';
  /** Whether the request may have reached the other side: then a write has to be looked up, not repeated. */
  readonly mayHaveArrived: boolean;
  constructor(
    code: FetchErrorCode,
    message: string,
    options: { hint?: string; mayHaveArrived?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? null;
    this.retry = code === 'FETCH_REFUSED' || code === 'FETCH_TOO_LARGE' ? 'never' : 'later';
    this.mayHaveArrived = options.mayHaveArrived ?? false;
  }
}

const refused = (message: string, hint?: string) => new FetchError('FETCH_REFUSED', message, { hint });

// ---------------------------------------------------------------- addresses

/** Special-purpose IPv4 blocks (IANA registry, read 2026-11), and Azure's metadata address, which is a public one. */
const FORBIDDEN_4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['168.63.129.16', 32],
];
/** Inside 2000::/3, the only block of public IPv6: protocol assignments with Teredo, documentation, 6to4. */
const FORBIDDEN_6: [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];
const forbidden4 = new BlockList();
for (const [net, prefix] of FORBIDDEN_4) forbidden4.addSubnet(net, prefix, 'ipv4');
const public6 = new BlockList();
public6.addSubnet('2000::', 3, 'ipv6');
const forbidden6 = new BlockList();
for (const [net, prefix] of FORBIDDEN_6) forbidden6.addSubnet(net, prefix, 'ipv6');

/** Names that never leave the machine or the house, whatever they resolve to. */
const PRIVATE_NAME = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|arpa)$/i;

/** The eight groups of an IPv6 address, or undefined. Zone ids are refused with it. */
function groupsOf(address: string): number[] | undefined {
  if (isIP(address) !== 6 || address.includes('%')) return undefined;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hex = (a: string | undefined, b: string | undefined) => ((Number(a) << 8) | Number(b)).toString(16);
  const text = dotted ? `${dotted[1]}${hex(dotted[2], dotted[3])}:${hex(dotted[4], dotted[5])}` : address;
  const [head = '', tail] = text.split('::');
  const left = head ? head.split(':') : [];
  const right = tail ? tail.split(':') : [];
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right].map((group) => Number.parseInt(group, 16));
  return groups.length === 8 ? groups : undefined;
}

/**
 * Why this address may not be reached, or undefined where it is public.
 * An IPv4 address inside an IPv6 one (mapped, compatible, NAT64) is judged as the IPv4 address it means.
 */
export function forbiddenAddress(address: string): string | undefined {
  const family = isIP(address);
  if (family === 4) return forbidden4.check(address, 'ipv4') ? `${address} is not a public address` : undefined;
  if (family !== 6) return `${address} is not an address`;
  const groups = groupsOf(address);
  if (!groups) return `${address} names an interface of this machine`;
  const [g0, g1, g2, g3, g4, g5, g6, g7] = groups as [number, number, number, number, number, number, number, number];
  const dotted = `${g6 >> 8}.${g6 & 255}.${g7 >> 8}.${g7 & 255}`;
  const leadingZeros = (g0 | g1 | g2 | g3 | g4) === 0;
  const mapped = leadingZeros && (g5 === 0xffff || g5 === 0);
  const nat64 = g0 === 0x64 && g1 === 0xff9b && (g2 | g3 | g4 | g5) === 0;
  if (mapped || nat64) return forbiddenAddress(dotted);
  if (!public6.check(address, 'ipv6') || forbidden6.check(address, 'ipv6')) return `${address} is not a public address`;
  return undefined;
}

// ---------------------------------------------------------------- the operator's map

/** Exact origin (scheme, host, port) → origin. */
export type EgressMap = ReadonlyMap<string, string>;

/** Reads SPLICEBOARD_EGRESS: a JSON object, or the name of a file that holds one. Throws with the fault it found. */
export function egressFrom(environment: Record<string, string | undefined> = process.env): EgressMap {
  const text = environment.SPLICEBOARD_EGRESS?.trim();
  if (!text) return new Map();
  const json: unknown = JSON.parse(text.startsWith('{') ? text : readFileSync(text, 'utf8'));
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error('SPLICEBOARD_EGRESS must be an object of origin: origin.');
  }
  return new Map(
    Object.entries(json).map(([from, to]) => {
      for (const origin of [from, to]) {
        if (typeof origin !== 'string' || !URL.canParse(origin) || new URL(origin).origin !== origin) {
          throw new Error(`SPLICEBOARD_EGRESS: ${String(origin)} is not an origin such as https://api.example.com.`);
        }
      }
      return [from, to as string];
    }),
  );
}

// ---------------------------------------------------------------- fetching

export type Resolver = (host: string) => Promise<string[]>;

export type SafeRequest = {
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string | ReadableStream<Uint8Array> | null;
  signal?: AbortSignal;
  /** Until the last byte of the answer. Default 60 s. */
  timeoutMs?: number;
  /** Until the first byte of the answer and between two of them. Default 30 s. */
  idleMs?: number;
  /** Of the decompressed answer. Default 16 MB. */
  maxBytes?: number;
  /** Default 5; 0 gives the redirect itself back. */
  maxRedirects?: number;
};

export type SafeReply = {
  status: number;
  headers: Headers;
  /** The address that answered last, as the world knows it (not as the operator maps it). */
  url: string;
  body: ReadableStream<Uint8Array>;
  /** The whole body; throws like the stream would. */
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
};

export type Fetcher = {
  request(url: string, request?: SafeRequest): Promise<SafeReply>;
  /** The same as a `fetch` for SDKs. Bodies up to what memory allows; limits as given to `asFetch`. */
  asFetch(limits?: Pick<SafeRequest, 'timeoutMs' | 'idleMs' | 'maxBytes'>): typeof globalThis.fetch;
  close(): Promise<void>;
};

export type FetcherOptions = {
  egress?: EgressMap;
  /** All addresses of a name; the system's resolver where absent. */
  resolve?: Resolver;
  /** Ports that may be asked besides those the operator mapped. */
  ports?: readonly number[];
};

const PORTS = [80, 443, 8080, 8443] as const;
const MAX_HEADER_BYTES = 32_768;
const MAX_URL = 4096;
/** What may travel on to another origin. */
const HARMLESS_HEADERS = new Set(['accept', 'accept-language', 'user-agent', 'range']);

const systemResolver: Resolver = async (host) =>
  (await dnsLookup(host, { all: true, verbatim: true })).map((entry) => entry.address);

export function createFetcher(options: FetcherOptions = {}): Fetcher {
  const egress = options.egress ?? new Map<string, string>();
  const mappedBack = new Map([...egress].map(([from, to]) => [to, from]));
  const ports = options.ports ?? PORTS;
  const resolve = options.resolve ?? systemResolver;

  async function addressesOf(host: string): Promise<string[]> {
    let addresses: string[];
    try {
      addresses = await resolve(host);
    } catch (cause) {
      throw new FetchError('FETCH_FAILED', `The name ${host} could not be resolved.`, {
        hint: 'Check how it is written, and the network of this machine.',
        cause,
      });
    }
    if (addresses.length === 0) throw new FetchError('FETCH_FAILED', `The name ${host} has no address.`);
    for (const address of addresses) {
      const why = forbiddenAddress(address);
      if (why) throw refused(`${host} was refused: ${why}.`, 'Only public addresses can be fetched.');
    }
    return addresses;
  }

  // The check happens inside the connection's own lookup, so the address that passed is the one that is connected to.
  const common = {
    maxHeaderSize: MAX_HEADER_BYTES,
    allowH2: false,
    keepAliveTimeout: 4_000,
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const checked = new Agent({
    ...common,
    connect: {
      timeout: 10_000,
      autoSelectFamily: true,
      lookup: (host, { all }, done) => {
        addressesOf(host).then(
          (addresses) => {
            const found = addresses.map((address) => ({ address, family: isIP(address) }));
            if (all) done(null, found);
            else done(null, found[0]!.address, found[0]!.family);
          },
          (error: Error) => done(error, '', 0),
        );
      },
    },
  });
  const mapped = new Agent({ ...common, connect: { timeout: 10_000 } });

  /** The address to send to, and whether the operator vouches for it. Throws FETCH_REFUSED. */
  function target(url: URL): { url: URL; agent: Agent } {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused(`${url.protocol} is not fetched.`);
    if (url.username || url.password) throw refused('The address contains a user name or a password.');
    if (url.href.length > MAX_URL) throw refused('The address is longer than 4,096 characters.');
    const substitute = egress.get(url.origin);
    if (substitute) return { url: new URL(url.pathname + url.search, substitute), agent: mapped };
    const port = url.port ? Number(url.port) : url.protocol === 'https:' ? 443 : 80;
    if (!ports.includes(port)) {
      throw refused(`Port ${port} is not open for requests.`, 'The operator can map this origin under `egress`.');
    }
    const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    if (isIP(host)) {
      const why = forbiddenAddress(host); // a literal is never looked up, so it is checked here
      if (why) throw refused(`The address was refused: ${why}.`, 'Only public addresses can be fetched.');
    } else if (PRIVATE_NAME.test(host) || !host.includes('.')) {
      throw refused(`${host} is not a public name.`, 'Only public addresses can be fetched.');
    }
    return { url, agent: checked };
  }

  async function request(address: string, given: SafeRequest = {}): Promise<SafeReply> {
    if (!URL.canParse(address)) throw refused('This is not an address.');
    const timeoutMs = given.timeoutMs ?? 60_000;
    const idleMs = given.idleMs ?? 30_000;
    const maxBytes = given.maxBytes ?? 16 * 1024 * 1024;
    const stopper = new AbortController();
    const whole = setTimeout(() => stopper.abort(timedOut(`${timeoutMs / 1000} s passed`)), timeoutMs);
    let idle = setTimeout(() => stopper.abort(timedOut(`nothing came for ${idleMs / 1000} s`)), idleMs);
    const alive = () => {
      clearTimeout(idle);
      idle = setTimeout(() => stopper.abort(timedOut(`nothing came for ${idleMs / 1000} s`)), idleMs);
    };
    const onAbort = () => stopper.abort(given.signal?.reason ?? new DOMException('Aborted', 'AbortError'));
    if (given.signal?.aborted) onAbort();
    given.signal?.addEventListener('abort', onAbort, { once: true });
    const release = () => {
      clearTimeout(whole);
      clearTimeout(idle);
      given.signal?.removeEventListener('abort', onAbort);
    };

    try {
      let url = new URL(address);
      let method = (given.method ?? 'GET').toUpperCase();
      let headers = new Headers(given.headers);
      let body = given.body ?? null;
      for (let hop = 0; ; hop++) {
        const { url: sendTo, agent } = target(url);
        const response = await undiciFetch(sendTo, {
          method,
          headers: [...headers],
          body: body instanceof ReadableStream ? watched(body, alive) : body,
          duplex: 'half',
          redirect: 'manual',
          signal: stopper.signal,
          dispatcher: agent,
        });
        alive();
        const next = response.headers.get('location');
        const moved = [301, 302, 303, 307, 308].includes(response.status) && next;
        if (!moved || given.maxRedirects === 0) {
          return reply(response.status, new Headers([...response.headers]), url.href, response.body);
        }
        await response.body?.cancel();
        if (hop >= (given.maxRedirects ?? 5)) throw refused('It redirects too often.');
        if (!URL.canParse(next, sendTo.href)) throw refused('It redirects to something that is not an address.');
        const aim = new URL(next, sendTo.href);
        // a mapped service names its own mapped origin: that is the origin the world knows, not a private address
        const named = aim.origin === sendTo.origin ? url.origin : mappedBack.get(aim.origin);
        const to = named ? new URL(aim.pathname + aim.search + aim.hash, named) : aim;
        const changes = to.origin !== url.origin;
        if (response.status === 303 || (method === 'POST' && response.status < 303)) {
          method = method === 'HEAD' ? 'HEAD' : 'GET';
          body = null;
          headers.delete('content-type');
          headers.delete('content-length');
        }
        if (body !== null && (changes || body instanceof ReadableStream)) {
          throw refused('It redirects a request that carries data.');
        }
        if (changes) headers = new Headers([...headers].filter(([name]) => HARMLESS_HEADERS.has(name)));
        if (changes && url.protocol === 'https:' && to.protocol === 'http:') {
          throw refused('It redirects from https to plain http.');
        }
        url = to;
      }
    } catch (error) {
      release();
      throw asFetchError(error, stopper.signal, given.signal);
    }

    function reply(status: number, headers: Headers, url: string, source: unknown): SafeReply {
      const announced = Number(headers.get('content-length') ?? 0);
      const encoded = headers.has('content-encoding');
      if (!encoded && announced > maxBytes) {
        stopper.abort();
        throw tooLarge(maxBytes);
      }
      const body = limited(source as ReadableStream<Uint8Array> | null);
      const bytes = async () => new Uint8Array(await new Response(body).arrayBuffer());
      return { status, headers, url, body, bytes, text: async () => new TextDecoder().decode(await bytes()) };
    }

    /** Counts what comes, ends what is too much, and lets go of the timers at the end. */
    function limited(source: ReadableStream<Uint8Array> | null): ReadableStream<Uint8Array> {
      const reader = source?.getReader();
      let seen = 0;
      return new ReadableStream<Uint8Array>({
        async pull(controller) {
          try {
            const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
            if (done) {
              release();
              controller.close();
              return;
            }
            alive();
            seen += value.byteLength;
            if (seen > maxBytes) {
              stopper.abort();
              throw tooLarge(maxBytes);
            }
            controller.enqueue(value);
          } catch (error) {
            release();
            controller.error(asFetchError(error, stopper.signal, given.signal));
          }
        },
        async cancel(reason) {
          release();
          await reader?.cancel(reason);
        },
      });
    }
  }

  return {
    request,
    asFetch:
      (limits = {}) =>
      async (input, init) => {
        const whole = input instanceof Request ? input : undefined;
        // Node's own Response serialises forms and streams, with the boundary in the content type.
        const packed = init?.body == null ? undefined : new Response(init.body as BodyInit);
        const headers = new Headers(init?.headers ?? whole?.headers);
        const type = packed?.headers.get('content-type');
        if (type && !headers.has('content-type')) headers.set('content-type', type);
        const streams = init?.body instanceof ReadableStream;
        const answer = await request(whole?.url ?? String(input), {
          ...limits,
          method: init?.method ?? whole?.method ?? 'GET',
          headers: Object.fromEntries(headers),
          body: streams ? (packed?.body ?? null) : packed ? new Uint8Array(await packed.arrayBuffer()) : null,
          ...(init?.signal ? { signal: init.signal } : {}),
        });
        const empty = [101, 204, 205, 304].includes(answer.status);
        if (empty) await answer.body.cancel();
        return new Response(empty ? null : answer.body, { status: answer.status, headers: answer.headers });
      },
    async close() {
      await Promise.all([checked.close(), mapped.close()]);
    },
  };
}

const timedOut = (what: string) =>
  new FetchError('FETCH_TIMEOUT', `No complete answer: ${what}.`, { mayHaveArrived: true });
const tooLarge = (limit: number) =>
  new FetchError('FETCH_TOO_LARGE', `The answer is larger than ${Math.round(limit / 1_048_576)} MB.`);

/** An outgoing stream keeps the idle clock from running out. */
function watched(source: ReadableStream<Uint8Array>, alive: () => void): ReadableStream<Uint8Array> {
  return source.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        alive();
        controller.enqueue(chunk);
      },
    }),
  );
}

/** Connection faults that happen before a byte of the request is sent. */
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

function asFetchError(error: unknown, ours: AbortSignal, theirs: AbortSignal | undefined): unknown {
  if (theirs?.aborted) return theirs.reason;
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (cause instanceof FetchError) return cause;
  }
  if (ours.aborted && ours.reason instanceof FetchError) return ours.reason;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  return new FetchError('FETCH_FAILED', `The connection failed${code ? ` (${code})` : ''}.`, {
    cause: error,
    mayHaveArrived: !BEFORE_SENDING.has(code),
  });
}
