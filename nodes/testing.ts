/**
 * A stand-in for the host, for the unit tests beside the nodes: capability answers come from a list, in the order of
 * the calls, and everything the node asked for is kept for the test to look at.
 *
 *   const ctx = fakeCtx(manifest, { config, replies: ['lost', { body: [] }] });
 *   await ctx.execute({ post });      // runs the node's `run`, looks lost effects up as the runtime does
 *   ctx.sent                          // http and effect requests
 *   ctx.calls                         // every capability call: { capability, method, args }
 *
 * `recorded(calls)` makes such a list of what `node record` kept, and says where a node asks for something else by now.
 *
 * It holds the node to its manifest: undeclared calls are refused with CAPABILITY_UNDECLARED, inputs and outputs are
 * parsed with their ports. What only the real wall can show (limits, isolation) is tested in `tests/`.
 */
import * as z from 'zod';
import {
  type BrandKit,
  type Ctx,
  type EffectRecord,
  type HttpReply,
  type HttpRequest,
  type InputsOf,
  type LookupResult,
  type Manifest,
  NodeError,
  type OutputsOf,
  PORT_TYPES,
  type Port,
  type PortType,
  type WaitAnswer,
} from './contract.ts';

type Ports = Record<string, Port>;
type ConfigOf<M> = M extends Manifest<Ports, Ports, infer C> ? z.output<C> : never;
type ConfigIn<M> = M extends Manifest<Ports, Ports, infer C> ? z.input<C> : never;
type In<M> = M extends Manifest<infer I, Ports, z.ZodType> ? InputsOf<I> : never;
type Out<M> = M extends Manifest<Ports, infer O, z.ZodType> ? OutputsOf<O> : never;
// biome-ignore lint/suspicious/noExplicitAny: a node's own types are checked where it is written
type AnyManifest = Manifest<any, any, any>;

export type FakeCall = { capability: string; method: string; args: unknown };

/**
 * An answer: a value; an error to throw; a function of the call's arguments; or `'lost'` for an effect whose request
 * was sent but whose answer never came. http answers may leave out `status` (200) and `headers`.
 */
export type FakeReply = unknown | Error | 'lost' | ((args: never, call: FakeCall) => unknown);

export type FakeOptions<M> = {
  config?: ConfigIn<M>;
  replies?: readonly FakeReply[];
  brand?: Partial<BrandKit>;
  connection?: Partial<Ctx['connection']>;
  now?: string;
  /** The node's exports, where its file is not `nodes/<family>/<verb>.ts` for the id `family.verb`. */
  node?: NodeExports;
};

type NodeExports = {
  run?: (ctx: never, inputs: never) => unknown;
  lookup?: (ctx: never, effect: never) => unknown;
  simulate?: (ctx: never, inputs: never) => unknown;
};

export type FakeCtx<M> = Ctx<ConfigOf<M>> & {
  /** Runs the node and gives back its outputs, parsed with their ports. */
  execute(inputs: In<M>): Promise<Out<M>>;
  /** What a dry run would show. */
  rehearse(inputs: In<M>): Promise<{ would: string; outputs: Out<M> }>;
  /** Asks the node whether an effect arrived. */
  lookUp(effect: EffectRecord): Promise<LookupResult>;
  readonly calls: FakeCall[];
  readonly sent: HttpRequest[];
  readonly lines: string[];
  readonly facts: Record<string, string>;
  readonly progressed: { fraction: number; note?: string }[];
  /** Answers that nobody asked for. */
  readonly unused: readonly FakeReply[];
};

const BRAND: BrandKit = {
  name: 'Test brand',
  colors: { primary: '#5b3df5', light: '#e9e4ff', ink: '#16131f', paper: '#ffffff' },
  fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
  logo: null,
  voice: 'Plain and friendly.',
  captions: { style: 'marker' },
  links: [{ label: 'Website', url: 'https://brand.example' }],
};

/** Checks values against ports, as the runtime does on both sides of the wall. Returns them parsed. */
export function parsePorts(side: 'input' | 'output', ports: Ports, values: unknown): Record<string, unknown> {
  const code = side === 'input' ? 'NODE_BAD_INPUT' : 'NODE_BAD_OUTPUT';
  if (values === null || typeof values !== 'object' || Array.isArray(values)) {
    throw new NodeError(code, `The ${side}s are not an object with one entry per port.`);
  }
  const given = values as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(ports, name)) throw new NodeError(code, `There is no ${side} port "${name}".`);
  }
  const parsed: Record<string, unknown> = {};
  for (const [name, port] of Object.entries(ports)) {
    const value = given[name];
    if (value === undefined) {
      if (!port.optional) throw new NodeError(code, `The ${side} "${name}" is missing.`);
      continue;
    }
    const schema: z.ZodType = PORT_TYPES[port.type as PortType];
    const result = (port.list ? z.array(schema) : schema).safeParse(value);
    if (!result.success) {
      throw new NodeError(code, `The ${side} "${name}" is not a ${port.type}: ${z.prettifyError(result.error)}`);
    }
    parsed[name] = result.data;
  }
  return parsed;
}

/** `/statuses/{id}` fits `/statuses/7`, never `/statuses/7/more`. */
function pathFits(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('?')[0]!.split('/')];
  return (
    wanted.length === given.length &&
    wanted.every((part, index) => part === given[index] || (/^\{[^}]+\}$/.test(part) && given[index] !== ''))
  );
}

function declared(manifest: AnyManifest, { capability, method, args }: FakeCall): boolean {
  const { assets, media, ai, http, render, store } = manifest.capabilities;
  if (capability === 'assets') {
    return assets?.includes(method === 'fetch' ? 'fetch' : method === 'writeText' ? 'write' : 'read') ?? false;
  }
  if (capability === 'media') return media?.includes(method) ?? false;
  if (capability === 'ai') return ai?.includes(method) ?? false;
  if (capability === 'render') return render ?? false;
  if (capability === 'store') return store ?? false;
  if (capability === 'wait') return manifest.capabilities.wait ?? false;
  const request = (capability === 'effect' ? (args as { request: HttpRequest }).request : args) as HttpRequest;
  return (http ?? []).some(
    (grant) => grant.method === request.method && grant.host === request.host && pathFits(grant.path, request.path),
  );
}

/**
 * Replies from a file that `node record` wrote: `{ replies: recorded(calls) }`. Each is given only to the request that it was
 * given to then; its query, headers and body may differ.
 */
export function recorded(calls: readonly { request: unknown; reply: unknown }[]): FakeReply[] {
  return calls.map(({ request, reply }, index) => (args: unknown, call: FakeCall) => {
    const [then, now] = [
      addressOf(request),
      addressOf(call.capability === 'effect' ? Object(args).request : args, call),
    ];
    if (then !== now) {
      throw new Error(`Call ${index + 1} asks for ${now}; recorded was ${then}. Record it again with \`node record\`.`);
    }
    return reply;
  });
}

function addressOf(request: unknown, call?: FakeCall): string {
  const { method, host = '', path, call: name } = Object(request) as Record<string, string | undefined>;
  if (method !== undefined) return `${method} ${host}${path?.split('?')[0]}`;
  return name ?? `${call?.capability}.${call?.method}`;
}

class AnswerLost extends Error {}

export function fakeCtx<M extends AnyManifest>(manifest: M, options: FakeOptions<M> = {}): FakeCtx<M> {
  const replies = [...(options.replies ?? [])];
  const calls: FakeCall[] = [];
  const sent: HttpRequest[] = [];
  const lines: string[] = [];
  const facts: Record<string, string> = {};
  const progressed: { fraction: number; note?: string }[] = [];
  const now = options.now ?? '2026-01-15T09:00:00.000Z';
  const plain = <T>(value: T): T => (value === undefined ? value : JSON.parse(JSON.stringify(value))); // as the wall does

  async function answer(capability: string, method: string, args: unknown): Promise<unknown> {
    const call = { capability, method, args: plain(args) };
    calls.push(call);
    if (!declared(manifest, call)) {
      throw new NodeError('CAPABILITY_UNDECLARED', `${manifest.id} has not declared ${capability}.${method}.`, {
        hint: 'Declare it under capabilities in the manifest.',
      });
    }
    if (capability === 'http') sent.push(call.args as HttpRequest);
    if (capability === 'effect') sent.push((call.args as { request: HttpRequest }).request);
    if (replies.length === 0) {
      throw new Error(`No reply is left for call ${calls.length}, ${capability}.${method}: add one to \`replies\`.`);
    }
    const next = replies.shift();
    const reply =
      typeof next === 'function' ? await (next as (args: unknown, call: FakeCall) => unknown)(call.args, call) : next;
    if (reply instanceof Error) throw reply;
    if (reply === 'lost' && (capability === 'http' || capability === 'effect'))
      throw new AnswerLost('The answer was lost.');
    if (capability !== 'http' && capability !== 'effect') return plain(reply);
    return { status: 200, headers: {}, body: null, ...(plain(reply) as Partial<HttpReply>) };
  }

  let exported: NodeExports | undefined = options.node;
  async function node(): Promise<NodeExports> {
    exported ??= (await import(new URL(`./${manifest.id.replace('.', '/')}.ts`, import.meta.url).href)) as NodeExports;
    return exported;
  }

  const capability = <T>(name: string): T =>
    new Proxy({} as object, {
      get: (_, method) =>
        typeof method === 'string' && method !== 'then' ? (args: unknown) => answer(name, method, args) : undefined,
    }) as T;

  /** Sends; where the answer is lost, looks up once, and sends again only where it is known to be absent. */
  async function effect(name: string, request: HttpRequest): Promise<HttpReply> {
    try {
      return (await answer('effect', 'send', { name, request })) as HttpReply;
    } catch (error) {
      if (!(error instanceof AnswerLost)) throw error;
      const found = await fake.lookUp({ name, request: plain(request), handle: null, sentAt: now });
      if (found.state === 'confirmed') {
        return found.reply ?? { status: 200, headers: {}, body: { id: found.handle, url: found.evidence } };
      }
      if (found.state === 'absent') return effect(name, request);
      throw new NodeError('EFFECT_UNKNOWN', `Nobody can say whether it arrived: ${found.why}`, { retry: 'person' });
    }
  }

  const config = manifest.config.parse(options.config ?? {}) as ConfigOf<M>;
  const fake: FakeCtx<M> = {
    config,
    now,
    brand: { ...BRAND, ...options.brand },
    connection: {
      id: 'connection-1',
      name: 'Test account',
      platform: manifest.connection?.platform ?? 'none',
      account: 'account-1',
      server: 'account.example',
      ...options.connection,
    },
    progress(fraction, note) {
      progressed.push(note === undefined ? { fraction } : { fraction, note });
    },
    log(line) {
      lines.push(line);
    },
    fact(name, value) {
      facts[name] = value;
    },
    http: (request) => answer('http', 'request', request) as Promise<HttpReply>,
    effect,
    wait: (name, request) => answer('wait', 'for', { name, request }) as Promise<WaitAnswer>,
    assets: {
      readText: ({ asset }) => answer('assets', 'readText', { asset }) as Promise<string>,
      writeText: (text, named) =>
        answer('assets', 'writeText', { text, ...named }) as ReturnType<Ctx['assets']['writeText']>,
      fetch: (url) => answer('assets', 'fetch', { url }) as ReturnType<Ctx['assets']['fetch']>,
      inspect: (asset) => answer('assets', 'inspect', { asset }) as ReturnType<Ctx['assets']['inspect']>,
    },
    media: capability('media'),
    ai: capability('ai'),
    render: capability('render'),
    store: {
      get: (key) => answer('store', 'get', { key }),
      set: async (key, value) => {
        await answer('store', 'set', { key, value });
      },
    },
    async execute(inputs) {
      const { run } = await node();
      if (!run) throw new Error(`${manifest.id} exports no run.`);
      const given = parsePorts('input', manifest.inputs, inputs);
      const outputs = await run(fake as never, plain(given) as never);
      return parsePorts('output', manifest.outputs, plain(outputs)) as Out<M>;
    },
    async rehearse(inputs) {
      const { simulate } = await node();
      if (!simulate) throw new Error(`${manifest.id} exports no simulate.`);
      const given = parsePorts('input', manifest.inputs, inputs);
      const result = plain(await simulate(fake as never, plain(given) as never)) as { would: string; outputs: Out<M> };
      return { would: result.would, outputs: parsePorts('output', manifest.outputs, result.outputs) as Out<M> };
    },
    async lookUp(record) {
      const { lookup } = await node();
      if (!lookup) throw new Error(`${manifest.id} exports no lookup.`);
      return plain((await lookup(fake as never, plain(record) as never)) as LookupResult);
    },
    calls,
    sent,
    lines,
    facts,
    progressed,
    unused: replies,
  };
  return fake;
}
