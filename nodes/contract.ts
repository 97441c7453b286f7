/**
 * What a node type may declare and touch: the vocabulary of ports, manifests, capabilities and errors.
 *
 *   pipeline    a saved graph of nodes and edges
 *   node type   a plugin: manifest + run, evaluated only inside an isolate
 *   port        a typed input or output of a node type; `list: true` carries a list
 *   step        one execution of one node for one item
 *   value       canonical JSON that travels on a wire; media travel as asset references, never as bytes
 *   capability  what a node may ask the host for; declared in the manifest, granted by the workspace
 *   effect      one write to the outside world, recorded before it is sent
 *
 * Times inside media are seconds (floats); instants are ISO 8601 in UTC; loudness is LUFS; peaks are dBTP.
 * This file imports nothing but zod, as a namespace: `{ z }` would bundle 454 KB into every node.
 */
import * as z from 'zod';

// ---------------------------------------------------------------- values on wires

/** Bytes in the asset store, named by the SHA-256 of their content (64 hex digits), with media facts. */
export const Asset = z.object({
  asset: z.string().regex(/^[0-9a-f]{64}$/),
  kind: z.enum(['video', 'audio', 'image', 'text', 'file']),
  mime: z.string().max(100),
  bytes: z.number().int().nonnegative(),
  name: z.string().max(300).optional(),
  /** pixels */
  width: z.number().int().positive().optional(),
  height: z.number().int().positive().optional(),
  /** seconds */
  duration: z.number().nonnegative().optional(),
  /** frames per second */
  rate: z.number().positive().optional(),
  /** Whether there is at least one sound track (video only; audio always has one). */
  hasSound: z.boolean().optional(),
  /** The `id` of the clip, segment or recording that this was made from: pairs gathered lists again. */
  of: z.string().max(200).optional(),
});
export type Asset = z.infer<typeof Asset>;

export const VideoAsset = Asset.extend({ kind: z.literal('video') });
export const AudioAsset = Asset.extend({ kind: z.literal('audio') });
export const ImageAsset = Asset.extend({ kind: z.literal('image') });
/** A recording: a video or an audio file. */
export const MediaAsset = Asset.extend({ kind: z.enum(['video', 'audio']) });
export type MediaAsset = z.infer<typeof MediaAsset>;

/** One spoken word. `confidence` in [0, 1]; `speaker` is a `Speaker.id`; `speakers` all who speak where they overlap. */
export const Word = z.object({
  text: z.string().max(200),
  start: z.number().nonnegative(),
  end: z.number().nonnegative(),
  confidence: z.number().min(0).max(1).optional(),
  speaker: z.string().max(80).optional(),
  speakers: z.array(z.string().max(80)).optional(),
});
export type Word = z.infer<typeof Word>;

export const Speaker = z.object({ id: z.string().max(80), name: z.string().max(120) });
export type Speaker = z.infer<typeof Speaker>;

/** An interval of somebody speaking, in seconds. */
export const Turn = z.object({ start: z.number(), end: z.number(), speaker: z.string().max(80).optional() });
export type Turn = z.infer<typeof Turn>;

export const Transcript = z.object({
  /** BCP 47, `und` where unknown */
  language: z.string().max(35),
  /** seconds; of the recording the times refer to */
  duration: z.number().nonnegative(),
  words: z.array(Word),
  speakers: z.array(Speaker),
  /** Who speaks when, overlap kept. Empty where nobody has diarized. */
  turns: z.array(Turn),
  /** Voice activity: where there is speech at all. Present even where no engine could say the words. */
  speech: z.array(Turn),
  /** Which engine made it and what it could not say: shown to people. */
  engine: z.object({ id: z.string(), label: z.string(), note: z.string().optional() }),
  /** The `Clip.id` whose words these are: captions made from it find their clip again. */
  of: z.string().max(200).optional(),
});
export type Transcript = z.infer<typeof Transcript>;

/** A self-contained piece of a recording. `score` in [0, 1]; `why` says in words what the score rests on. */
export const Segment = z.object({
  id: z.string().max(200),
  title: z.string().max(200),
  start: z.number().nonnegative(),
  end: z.number().nonnegative(),
  summary: z.string().max(2000),
  score: z.number().min(0).max(1),
  why: z.string().max(1000),
  quotes: z.array(z.string().max(500)),
  topics: z.array(z.string().max(100)),
});
export type Segment = z.infer<typeof Segment>;

export const Loudness = z.object({
  /** LUFS, integrated; null for silence */
  integrated: z.number().nullable(),
  /** dBTP */
  truePeak: z.number().nullable(),
  /** LU */
  range: z.number().nullable(),
});
export type Loudness = z.infer<typeof Loudness>;

/** A finished short. `words` are relative to the clip's own start. */
export const Clip = z.object({
  id: z.string().max(200),
  video: VideoAsset,
  segment: Segment,
  language: z.string().max(35),
  words: z.array(Word),
  speakers: z.array(Speaker),
  aspect: z.enum(['9:16', '1:1', '4:5', '16:9']),
  captions: z.string().max(40),
  loudness: z.object({ before: Loudness, after: Loudness, target: z.number(), linear: z.boolean() }).optional(),
  /** How the picture was reframed, in words. */
  framing: z.string().max(300),
  /** What it was cut from, in seconds of that recording: stills without burned-in captions come from there. */
  source: z.object({ asset: z.string().regex(/^[0-9a-f]{64}$/), start: z.number(), end: z.number() }).optional(),
});
export type Clip = z.infer<typeof Clip>;

export const Cue = z.object({ start: z.number(), end: z.number(), lines: z.array(z.string()) });
/** One caption track, as cues and as the two files people ask for. `of` is a `Clip.id` where it belongs to a clip. */
export const Captions = z.object({
  of: z.string().max(200).optional(),
  language: z.string().max(35),
  cues: z.array(Cue),
  srt: z.string(),
  vtt: z.string(),
});
export type Captions = z.infer<typeof Captions>;

/** Something published. `url` is public. */
export const Post = z.object({
  platform: z.string().max(60),
  id: z.string().max(300),
  url: z.string().max(2000),
  title: z.string().max(300),
  publishedAt: z.string(),
  /** A dry run's post was never sent. */
  simulated: z.boolean().optional(),
});
export type Post = z.infer<typeof Post>;

// ---------------------------------------------------------------- ports

/** Every type a wire can carry. The editor draws each with the colour and shape of `PORT_LOOK`. */
export const PORT_TYPES = {
  media: MediaAsset,
  video: VideoAsset,
  audio: AudioAsset,
  image: ImageAsset,
  transcript: Transcript,
  segment: Segment,
  clip: Clip,
  captions: Captions,
  text: z.string().max(1_000_000),
  post: Post,
  metrics: z.record(z.string(), z.number()),
  number: z.number(),
  boolean: z.boolean(),
  json: z.json(),
  /** Whatever is wired in; `same` ties ports of a node together (runtime/graph/resolve.ts). */
  any: z.json(),
} as const;
export type PortType = keyof typeof PORT_TYPES;

export type PortShape = 'circle' | 'square' | 'diamond' | 'ring';
/** Shape is the first signal, colour (a token of tokens.css) the second. */
export const PORT_LOOK: Record<PortType, { shape: PortShape; token: string; label: string }> = {
  media: { shape: 'circle', token: '--port-video', label: 'recording' },
  video: { shape: 'circle', token: '--port-video', label: 'video' },
  audio: { shape: 'circle', token: '--port-audio', label: 'audio' },
  image: { shape: 'circle', token: '--port-image', label: 'image' },
  transcript: { shape: 'square', token: '--port-transcript', label: 'transcript' },
  segment: { shape: 'square', token: '--port-segment', label: 'segment' },
  clip: { shape: 'circle', token: '--port-clip', label: 'clip' },
  captions: { shape: 'square', token: '--port-text', label: 'captions' },
  text: { shape: 'square', token: '--port-text', label: 'text' },
  post: { shape: 'diamond', token: '--port-post', label: 'post' },
  metrics: { shape: 'diamond', token: '--port-metrics', label: 'metrics' },
  number: { shape: 'ring', token: '--port-data', label: 'number' },
  boolean: { shape: 'ring', token: '--port-data', label: 'yes or no' },
  json: { shape: 'ring', token: '--port-data', label: 'data' },
  any: { shape: 'ring', token: '--port-data', label: 'anything' },
};

/** Type → what people call it. */
export const PORT_LABELS = Object.fromEntries(
  Object.entries(PORT_LOOK).map(([type, { label }]) => [type, label]),
) as Record<PortType, string>;

/** Safe conversions, shown as a chip on the wire. Their code is `runtime/graph/convert.ts`. */
export const CONVERSIONS: ReadonlyArray<{ from: PortType; to: PortType; chip: string }> = [
  { from: 'video', to: 'media', chip: 'as recording' },
  { from: 'audio', to: 'media', chip: 'as recording' },
  { from: 'clip', to: 'video', chip: 'as video' },
  { from: 'clip', to: 'media', chip: 'as video' },
  { from: 'clip', to: 'transcript', chip: 'its words' },
  { from: 'clip', to: 'segment', chip: 'its segment' },
  { from: 'transcript', to: 'text', chip: 'as text' },
  { from: 'captions', to: 'text', chip: 'as SRT' },
  { from: 'number', to: 'text', chip: 'as text' },
  { from: 'boolean', to: 'text', chip: 'as text' },
  { from: 'number', to: 'json', chip: 'as data' },
  { from: 'boolean', to: 'json', chip: 'as data' },
  { from: 'text', to: 'json', chip: 'as data' },
  { from: 'metrics', to: 'json', chip: 'as data' },
];

export type Port<T extends PortType = PortType, L extends boolean = boolean, O extends boolean = boolean> = {
  type: T;
  list: L;
  optional: O;
  title: string | null;
  help: string | null;
  same?: string;
};
/** `same`: ports of type `any` with one name here carry one type, that of the first wire into any of them. */
type PortOptions = { title?: string; help?: string; same?: string };

type PortMaker<T extends PortType> = {
  (options?: PortOptions): Port<T, false, false>;
  list(options?: PortOptions): Port<T, true, false>;
  optional(options?: PortOptions): Port<T, false, true>;
  optionalList(options?: PortOptions): Port<T, true, true>;
};
function maker<T extends PortType>(type: T): PortMaker<T> {
  const make = <L extends boolean, O extends boolean>(list: L, optional: O, options: PortOptions = {}) => ({
    type,
    list,
    optional,
    title: options.title ?? null,
    help: options.help ?? null,
    ...(options.same === undefined ? {} : { same: options.same }),
  });
  return Object.assign((options?: PortOptions) => make(false, false, options), {
    list: (options?: PortOptions) => make(true, false, options),
    optional: (options?: PortOptions) => make(false, true, options),
    optionalList: (options?: PortOptions) => make(true, true, options),
  });
}
/** `port.clip()`, `port.clip.list()`, `port.transcript.optional({ title: 'Attached' })` */
export const port = Object.fromEntries(
  (Object.keys(PORT_TYPES) as PortType[]).map((type) => [type, maker(type)]),
) as unknown as { [T in PortType]: PortMaker<T> };

/** A port as a manifest's JSON holds it. */
export const PortJson = z.strictObject({
  type: z.enum(Object.keys(PORT_TYPES) as [PortType, ...PortType[]]),
  list: z.boolean(),
  optional: z.boolean(),
  title: z.string().max(60).nullable(),
  help: z.string().max(300).nullable(),
  same: z.string().max(40).optional(),
});
export type PortJson = z.infer<typeof PortJson>;

type ValueOf<P> =
  P extends Port<infer T, infer L, boolean>
    ? L extends true
      ? Array<z.infer<(typeof PORT_TYPES)[T]>>
      : z.infer<(typeof PORT_TYPES)[T]>
    : never;
type Ports = Record<string, Port>;
/** What `run` receives: required ports are there, optional ones may be absent. */
export type InputsOf<I extends Ports> = {
  [K in keyof I as I[K] extends Port<PortType, boolean, true> ? never : K]: ValueOf<I[K]>;
} & { [K in keyof I as I[K] extends Port<PortType, boolean, true> ? K : never]?: ValueOf<I[K]> };
/** What `run` returns: optional outputs may be left out, which makes them absent (what needs them is skipped). */
export type OutputsOf<O extends Ports> = InputsOf<O>;

// ---------------------------------------------------------------- manifest

/**
 * What a node does to lists, as data; its meaning lives in runtime/graph.
 * `step`: one run per item. `split`: its list outputs are new origins. (Any list output of a step is a new origin too.)
 * `call-pipeline`: runs the pipeline that `config.call` names; its ports are those of that pipeline. `return`: what its inputs
 * hold at the end is what a pipeline gives to whoever calls it.
 */
export const SHAPES = [
  'step',
  'split',
  'gather',
  'pair',
  'route',
  'filter',
  'join',
  'wait',
  'call-pipeline',
  'return',
  'trigger',
  'stop',
] as const;
export type Shape = (typeof SHAPES)[number];

/** What a trigger waits for: a person, a request to its own address, a time, a finished upload, an item of a feed, another pipeline. */
export const TRIGGER_KINDS = ['manual', 'webhook', 'schedule', 'asset', 'feed', 'called'] as const;
export type TriggerKind = (typeof TRIGGER_KINDS)[number];

/** pure: same inputs, same result. reads-external: asks a service. writes-external: changes the outside world. */
export const EFFECTS = ['pure', 'reads-external', 'writes-external'] as const;
export type EffectClass = (typeof EFFECTS)[number];

export const FAMILIES = ['source', 'sound', 'shape', 'flow', 'publish', 'other'] as const;
export type Family = (typeof FAMILIES)[number];

export const HttpGrant = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
  /** Absent: the connection's own server. */
  host: z.string().max(253).optional(),
  path: z.string().max(300),
  why: z.string().max(200),
  /**
   * What the other side takes at most: `requests` in any `seconds`, of one workspace or connection, in all runs and workers
   * together. Grants of a host with the same `name` count together.
   */
  limit: z
    .strictObject({
      requests: z.number().int().min(1).max(1_000_000),
      seconds: z.number().int().min(1).max(86_400),
      name: z.string().max(40).optional(),
    })
    .optional(),
  /** A POST that only asks: a look-up may send it too. */
  reads: z.literal(true).optional(),
  /** What each request takes of the platform's quotas: `{ units: 1600 }`. */
  uses: z.record(z.string().max(40), z.number().int().positive().max(1_000_000)).optional(),
});
export type HttpGrant = z.infer<typeof HttpGrant>;

/** A path of one of the platform's hosts; the first of them, or the server a person named, where none is said. */
const ServicePath = z.strictObject({ host: z.string().max(253).optional(), path: z.string().startsWith('/').max(300) });

/**
 * How a person connects an account. Secrets stay on the host's side: it walks OAuth 2 (RFC 6749, with PKCE, RFC 7636), renews
 * tokens one at a time per account, and adds them to requests.
 *
 *   oauth2  `app.from` admin: an administrator enters the client's id and secret; server: the server gives them to whoever
 *           asks (RFC 7591, and Mastodon's like), `fields` with {name}, {redirect}, {scopes} and {site} filled in.
 *           `refresh` rotates: each refresh token is good for one use; keeps: it stays; exchange: the token itself is exchanged
 *           for a newer one; none: tokens do not end or are not renewed
 *   keys    a person pastes them; `header` says how they are sent: { name: 'authorization', value: 'Bearer {token}' }
 */
export const Connect = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('oauth2'),
    authorize: ServicePath,
    token: ServicePath,
    revoke: ServicePath.optional(),
    app: z.discriminatedUnion('from', [
      z.strictObject({ from: z.literal('admin'), help: z.string().max(500) }),
      z.strictObject({
        from: z.literal('server'),
        register: ServicePath,
        as: z.enum(['form', 'json']),
        fields: z.record(z.string().max(60), z.union([z.string().max(300), z.array(z.string().max(300)).max(10)])),
      }),
    ]),
    /** How the client says who it is at the token's address. */
    client: z.enum(['body', 'basic']),
    /** What the client's id is called, where it is not `client_id`. */
    clientIdName: z.string().max(40).optional(),
    refresh: z.enum(['rotates', 'keeps', 'exchange', 'none']),
    /**
     * A GET that makes a token of a token: one that lives longer, right after the code was exchanged, and with `refresh`
     * exchange again and again. {clientId}, {clientSecret} and {token} are filled in.
     */
    exchange: z
      .strictObject({
        first: ServicePath.extend({ query: z.record(z.string().max(60), z.string().max(300)) }).optional(),
        again: ServicePath.extend({ query: z.record(z.string().max(60), z.string().max(300)) }).optional(),
      })
      .optional(),
    /** Further parameters of the authorization request, such as `access_type: offline`. */
    parameters: z.record(z.string().max(60), z.string().max(200)).optional(),
    /** Between scopes, where it is no space. */
    scopeSeparator: z.enum([' ', ',']).optional(),
  }),
  z.strictObject({
    kind: z.literal('keys'),
    fields: z
      .array(
        z.strictObject({
          name: z
            .string()
            .regex(/^[a-z][A-Za-z0-9]*$/)
            .max(40),
          title: z.string().min(1).max(60),
          help: z.string().max(300).optional(),
        }),
      )
      .min(1)
      .max(6),
    header: z.strictObject({
      name: z
        .string()
        .regex(/^[a-z][a-z0-9-]*$/)
        .max(60),
      value: z.string().max(300),
    }),
  }),
]);
export type Connect = z.infer<typeof Connect>;

/** What a platform takes at one of the node's inputs, by the port's name. Lengths of texts are in what `counts` says. */
export const PostRule = z.strictObject({
  most: z.number().int().positive().optional(),
  counts: z.enum(['characters', 'utf16', 'bytes']).optional(),
  /** Every address counts as so many, however long it is. */
  linkCounts: z.number().int().positive().optional(),
  mimes: z.array(z.string().max(100)).max(30).optional(),
  mostBytes: z.number().int().positive().optional(),
  leastSeconds: z.number().nonnegative().optional(),
  mostSeconds: z.number().positive().optional(),
});
export type PostRule = z.infer<typeof PostRule>;

/**
 * A service with accounts; with `post` a platform that is published to. All of it is data: what is beyond data are the plugin's
 * entries `account`, `validate`, `remove`, `metrics` and `events`.
 */
export const Platform = z.strictObject({
  title: z.string().min(1).max(60),
  /** The only hosts the account's secrets are sent to. `asked`: a person names the server, such as mastodon.social. */
  server: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('fixed'), hosts: z.array(z.string().max(253)).min(1).max(6) }),
    z.strictObject({ kind: z.literal('asked'), example: z.string().max(253) }),
  ]),
  connect: Connect,
  post: z
    .strictObject({
      rules: z.record(z.string().max(40), PostRule),
      /** One of these inputs has to be there. */
      oneOf: z.array(z.string().max(40)).max(6).optional(),
      /** What people have to know before they publish there. */
      policies: z
        .array(z.strictObject({ text: z.string().max(300), url: z.string().max(300).optional() }))
        .max(10)
        .optional(),
    })
    .optional(),
  /** Units that are given anew each `day` or `hour` of `zone` (IANA), to an account or to the app that all accounts share. */
  quotas: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(40),
        units: z.number().int().positive().max(1_000_000_000),
        per: z.enum(['day', 'hour']),
        zone: z.string().max(60),
        of: z.enum(['account', 'app']),
      }),
    )
    .max(6)
    .optional(),
  /**
   * How its webhooks are signed: HMAC-SHA-256 with a secret, over the body, or over timestamp, `.` and body where it names a
   * timestamp. `secret` client: the app's own; connection: one that is made for each account and shown to a person once.
   */
  webhooks: z
    .strictObject({
      header: z.string().max(60),
      prefix: z.string().max(20).optional(),
      timestampHeader: z.string().max(60).optional(),
      toleranceSeconds: z.number().int().min(10).max(86_400).optional(),
      /** Where an event has its own name, by which a repeated one is known: a header, or a field of the body. */
      id: z.union([z.strictObject({ header: z.string().max(60) }), z.strictObject({ field: z.string().max(100) })]),
      secret: z.enum(['client', 'connection']),
    })
    .optional(),
});
export type Platform = z.infer<typeof Platform>;

/** What a node may ask for. Undeclared means refused, whatever its code says. */
export const CapabilityDeclaration = z.strictObject({
  assets: z.array(z.enum(['read', 'write', 'fetch'])).optional(),
  /** Names of media operations (`runtime/capabilities/media.ts`). */
  media: z.array(z.string().max(40)).optional(),
  /** Names of AI operations (`runtime/capabilities/ai.ts`). */
  ai: z.array(z.string().max(40)).optional(),
  http: z.array(HttpGrant).optional(),
  render: z.boolean().optional(),
  /** The parts of the brand kit that are read: inputs of reuse. */
  brand: z.array(z.enum(['name', 'colors', 'fonts', 'logo', 'voice', 'captions', 'links'])).optional(),
  store: z.boolean().optional(),
  /** May sleep until a time, for a call from outside or for a person. */
  wait: z.boolean().optional(),
  /** What each is wanted for, in a few words that people read before they allow it; `http` says it with each grant. */
  why: z
    .partialRecord(
      z.enum(['assets', 'media', 'ai', 'render', 'brand', 'store', 'wait', 'account']),
      z.string().min(1).max(200),
    )
    .optional(),
});
export type CapabilityDeclaration = z.infer<typeof CapabilityDeclaration>;

/**
 * Ports that the person adds: `field` of the config (`call.inputs`: a field of a field) lists them as
 * `{ name, title?, type?, list?, optional? }`; the other facts are those of each port that does not say its own. `name` becomes
 * the port's name (a letter, then letters and digits).
 */
export const MorePorts = z.strictObject({
  field: z.string().max(60),
  type: z.enum(Object.keys(PORT_TYPES) as [PortType, ...PortType[]]),
  optional: z.boolean(),
  same: z.string().max(40).optional(),
});
export type MorePorts = z.infer<typeof MorePorts>;

/**
 * What using a node type costs, as its maker states it, for each step, each call of a service or each minute of the run's
 * recordings. Absent: nothing is stated, and nothing is said. `minor`: cents of the currency; parts of them are allowed.
 */
export const Cost = z.strictObject({
  per: z.enum(['step', 'call', 'minute']),
  money: z
    .strictObject({ currency: z.string().regex(/^[A-Z]{3}$/), minor: z.number().positive().max(1_000_000) })
    .optional(),
  quota: z
    .strictObject({ name: z.string().min(1).max(60), units: z.number().positive().max(1_000_000_000) })
    .optional(),
});
export type Cost = z.infer<typeof Cost>;

/**
 * An older node type, of this plugin or another, in whose place this one is put: how its ports and settings are called now,
 * where that changed. What is not named keeps its name.
 */
export const Replaces = z.strictObject({
  type: z.string().max(80),
  inputs: z.record(z.string().max(40), z.string().max(40)).optional(),
  outputs: z.record(z.string().max(40), z.string().max(40)).optional(),
  config: z.record(z.string().max(60), z.string().max(60)).optional(),
});
export type Replaces = z.infer<typeof Replaces>;

/** The version of this contract: what a plugin states in `api` is held against it. */
export const CONTRACT_VERSION = '1.1.0';

export type Example<C, I, O> = {
  config?: C;
  inputs: I;
  /** Answers of the capabilities, in the order of the calls. */
  replies?: unknown[];
  outputs?: O;
  /** Where the whole output is too long to write down: the check the outputs must pass. */
  expects?: string;
  /** Of a node that writes: what its look-up finds, given these answers. One of them finds it, another does not. */
  lookups?: { name: string; request?: HttpRequest; replies: unknown[]; gives: 'confirmed' | 'absent' | 'unknown' }[];
  /** Settings that older versions saved, which `migrateConfig` makes into settings of this one. */
  migrates?: { from: { type: string; version: string }; config: Record<string, unknown> }[];
};

export type Manifest<I extends Ports = Ports, O extends Ports = Ports, C extends z.ZodType = z.ZodType> = {
  /** `family.verb`, never reused for something else */
  id: string;
  /** Who made it; of every plugin that is installed. */
  publisher?: string;
  /** SPDX, such as `MIT`; of every plugin that is installed. */
  license?: string;
  /** The contract it was written for, such as `^1.0`; of every plugin that is installed. */
  api?: string;
  /** semver; for built-in nodes `id@version` is the behaviour digest, so a change of behaviour is a change of version */
  version: string;
  /** On the node, in the palette and in lists. */
  title: string;
  /** What it does, in a sentence or a few, for people who do not code. */
  help: string;
  /** A lucide icon name, kebab-case. */
  icon: string;
  /** The group of the palette. */
  family: Family;
  /** Other words people look for it by. */
  aliases: string[];
  /** What it does to lists; `step` for nearly all. */
  shape: Shape;
  /** Decides reuse, retry and dry run. `writes-external` also exports `simulate` and `lookup`. */
  effect: EffectClass;
  /** Heavy steps (ffmpeg, local speech) have their own slots per machine and a row each. */
  weight: 'light' | 'heavy';
  /** For reads-external: seconds during which another run may reuse the result. 0 = never. */
  reuseForSeconds: number;
  /** Ports by name, in the order in which they are drawn. */
  inputs: I;
  /** Ports by name, in the order in which they are drawn; the first is the one people see first. */
  outputs: O;
  /** The settings, as a zod object: the form is made from it. */
  config: C;
  /** What it may ask for, and why. */
  capabilities: CapabilityDeclaration;
  /** The account it works with, and what it may do there. A setting named `account` says which, where a brand has several. */
  connection?: { platform: string; scopes: string[] };
  /** The service of that account; `connection.platform` is its name. Node types of a plugin that share accounts share this. */
  platform?: Platform;
  /** Ports that the person adds in the settings. */
  morePorts?: { inputs?: MorePorts; outputs?: MorePorts };
  /** Pure and quicker to run again than to look up: its results are not kept for reuse. */
  cheap?: boolean;
  /**
   * Pure, and keeps nothing from one call to the next: the runs of a brand share its realm, in which no
   * global can be changed once the plugin is loaded. About a millisecond less for each run.
   */
  stateless?: boolean;
  /** What starts a run, where the shape is `trigger`: `run` is given its event as `{ event }` and makes outputs of it. */
  trigger?: { kind: TriggerKind };
  /** What using it costs, where its maker knows. */
  cost?: Cost;
  /** Names of config fields drawn on the node itself, at most four. */
  fields: string[];
  /** Only workers that were started with this tag take it, such as `gpu`. */
  tag?: string;
  /** Wall clock and computing in seconds, memory in MB, attempts; the runtime's defaults where absent. */
  limits?: { wallSeconds?: number; activeSeconds?: number; memoryMb?: number; attempts?: number };
  /**
   * Of a node that writes outside: what was accepted there is seen by `lookup` within this many seconds, 1 where absent. A
   * look-up counts only after the last moment at which a lost request may have arrived, and this long.
   */
  listedWithinSeconds?: number;
  /** Older node types that this one is put in the place of. */
  replaces?: Replaces[];
  /** Shown as its help, used as the editor's preview, and run as a test. */
  example: Example<z.input<C>, unknown, unknown>;
};

type ManifestInput<I extends Ports, O extends Ports, C extends z.ZodType> = Omit<
  Manifest<I, O, C>,
  'weight' | 'reuseForSeconds' | 'aliases' | 'fields' | 'capabilities' | 'icon' | 'family'
> &
  Partial<
    Pick<Manifest<I, O, C>, 'weight' | 'reuseForSeconds' | 'aliases' | 'fields' | 'capabilities' | 'icon' | 'family'>
  >;

/** Fills the defaults of a manifest. Evaluated inside an isolate at install; `manifestJson` is what leaves it. */
export function defineManifest<const I extends Ports, const O extends Ports, C extends z.ZodType>(
  manifest: ManifestInput<I, O, C>,
): Manifest<I, O, C> {
  return {
    icon: 'puzzle',
    family: 'other',
    aliases: [],
    weight: 'light',
    reuseForSeconds: 0,
    fields: [],
    capabilities: {},
    ...manifest,
  };
}

/** What a worker is for: `light`, `media`, or a name that nodes ask for, such as `gpu`. */
export const WorkerTag = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/);

/** What a plugin may export besides `manifest`. */
export const NODE_ENTRIES = [
  'run',
  'simulate',
  'lookup',
  'migrateConfig',
  'account',
  'validate',
  'remove',
  'metrics',
  'events',
] as const;

/** A manifest as JSON: all that editor, server and runtime ever know of a node type. */
export const ManifestJson = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*$/)
    .max(80),
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  publisher: z.string().min(1).max(80).optional(),
  license: z.string().min(1).max(80).optional(),
  api: z
    .string()
    .regex(/^\^\d+(\.\d+){0,2}$/)
    .optional(),
  title: z.string().min(1).max(60),
  help: z.string().max(1000),
  icon: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/)
    .max(60),
  family: z.enum(FAMILIES),
  aliases: z.array(z.string().max(60)).max(30),
  shape: z.enum(SHAPES),
  effect: z.enum(EFFECTS),
  weight: z.enum(['light', 'heavy']),
  reuseForSeconds: z.number().int().nonnegative(),
  inputs: z.record(
    z
      .string()
      .regex(/^[a-z][A-Za-z0-9]*$/)
      .max(40),
    PortJson,
  ),
  outputs: z.record(
    z
      .string()
      .regex(/^[a-z][A-Za-z0-9]*$/)
      .max(40),
    PortJson,
  ),
  /** JSON Schema (draft 2020-12) of the config, defaults and form hints (`title`, `unit`, `slider`, `help`, `group`, `notBelow`, `above`) in it. */
  config: z.record(z.string(), z.json()),
  capabilities: CapabilityDeclaration,
  connection: z
    .strictObject({
      platform: z
        .string()
        .regex(/^[a-z][a-z0-9-]*$/)
        .max(40),
      scopes: z.array(z.string().max(200)).max(30),
    })
    .optional(),
  platform: Platform.optional(),
  morePorts: z.strictObject({ inputs: MorePorts.optional(), outputs: MorePorts.optional() }).optional(),
  cheap: z.boolean().optional(),
  stateless: z.boolean().optional(),
  trigger: z.strictObject({ kind: z.enum(TRIGGER_KINDS) }).optional(),
  cost: Cost.optional(),
  fields: z.array(z.string()).max(4),
  tag: WorkerTag.optional(),
  limits: z
    .strictObject({
      wallSeconds: z.number().positive().max(86_400).optional(),
      activeSeconds: z.number().positive().max(600).optional(),
      memoryMb: z.number().int().min(8).max(256).optional(),
      attempts: z.number().int().min(1).max(20).optional(),
    })
    .optional(),
  listedWithinSeconds: z.number().positive().max(3_600).optional(),
  replaces: z.array(Replaces).max(20).optional(),
  example: z.record(z.string(), z.json()),
  /** Which entries the plugin exports besides `manifest`. */
  exports: z.array(z.enum(NODE_ENTRIES)),
});
export type ManifestJson = z.infer<typeof ManifestJson>;

/**
 * What a plugin is shared as: one file of canonical JSON (RFC 8785), named by its sha-256. Each script is a classic script that
 * leaves its exports in a global named `plugin` and imports nothing: `manifest` is evaluated once, when it is installed, `run`
 * holds the other entries. `map` is the source map of `run`, with the sources in it. Only the author's machine bundles.
 */
export const PackedPlugin = z.strictObject({
  spliceboard: z.literal(1),
  /** As in its package.json. */
  name: z
    .string()
    .max(214)
    .regex(/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/),
  version: z
    .string()
    .max(80)
    .regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/),
  nodes: z
    .array(
      z.strictObject({
        manifest: z.string().min(1).max(2_000_000),
        run: z.string().min(1).max(4_000_000),
        map: z.string().max(8_000_000).optional(),
      }),
    )
    .min(1)
    .max(40),
});
export type PackedPlugin = z.infer<typeof PackedPlugin>;

/** Called inside the isolate at install: the manifest's JSON text. `exported` names the plugin's other exports. */
export function manifestJson(manifest: Manifest, exported: string[]): string {
  const { config, ...rest } = manifest;
  const schema = z.toJSONSchema(config, { io: 'input', unrepresentable: 'any' });
  return JSON.stringify({
    ...rest,
    config: schema,
    exports: NODE_ENTRIES.filter((name) => exported.includes(name)),
  });
}

// ---------------------------------------------------------------- conditions

/** What a condition may ask of a field; the words are those of the form. */
export const TESTS = [
  'is',
  'is not',
  'contains',
  'does not contain',
  'starts with',
  'is more than',
  'is at least',
  'is less than',
  'is at most',
  'is empty',
  'is not empty',
] as const;
/** `field`: names joined by dots into the item ("segment.score"); empty: the item itself. */
export type Condition = { field: string; test: (typeof TESTS)[number]; value: string };

export const conditionFields = {
  field: z.string().max(200).default('').meta({ title: 'Field', placeholder: 'segment.score' }),
  test: z.enum(TESTS).default('is').meta({ title: 'Test' }),
  value: z.string().max(500).default('').meta({ title: 'Value' }),
};

/** The part of a value that a dotted name leads to, through its own properties only; undefined where there is none. */
export function partOf(value: unknown, field: string): unknown {
  if (field === '') return value;
  return field.split('.').reduce<unknown>((at, name) => {
    if (typeof at !== 'object' || at === null) return undefined;
    return Object.hasOwn(at, name) ? (at as Record<string, unknown>)[name] : undefined;
  }, value);
}

const asNumber = (value: unknown): number => {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' ? Number(value.replace(',', '.')) : Number.NaN;
};
const asText = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return (typeof value === 'object' ? JSON.stringify(value) : String(value)).trim().toLowerCase();
};
const YES: Record<string, string> = { true: 'yes', false: 'no' };

/** Whether a condition holds. Text is compared without regard to case; what is not a number is never more or less. */
export function holds(item: unknown, { field, test, value }: Condition): boolean {
  const own = partOf(item, field);
  const text = asText(own);
  const wanted = YES[asText(value)] !== undefined && typeof own === 'boolean' ? YES[asText(value)]! : asText(value);
  const a = asNumber(own);
  const b = asNumber(value);
  const isSame = Number.isNaN(a) || Number.isNaN(b) ? text === wanted : a === b;
  const has = Array.isArray(own) ? own.some((member) => asText(member) === wanted) : text.includes(wanted);
  const isEmpty = text === '' || (Array.isArray(own) && own.length === 0);
  switch (test) {
    case 'is':
      return isSame;
    case 'is not':
      return !isSame;
    case 'contains':
      return has;
    case 'does not contain':
      return !has;
    case 'starts with':
      return text.startsWith(wanted);
    case 'is more than':
      return a > b;
    case 'is at least':
      return a >= b;
    case 'is less than':
      return a < b;
    case 'is at most':
      return a <= b;
    case 'is empty':
      return isEmpty;
    case 'is not empty':
      return !isEmpty;
  }
}

// ---------------------------------------------------------------- errors

/** never: trying again cannot help. later: with back-off. person: somebody has to decide or reconnect first. */
export type Retry = 'never' | 'later' | 'person';

/** The one error shape. Codes are SCREAMING_SNAKE, never renamed or reused; secrets and payloads stay out of messages. */
export class NodeError extends Error {
  override name = 'NodeError';
  readonly code: string;
  readonly hint: string | null;
  readonly retry: Retry;
  /** ISO instant before which trying again is pointless */
  readonly notBefore: string | null;
  constructor(
    code: string,
    message: string,
    options: { hint?: string; retry?: Retry; notBefore?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? null;
    this.retry = options.retry ?? 'never';
    this.notBefore = options.notBefore ?? null;
  }
}

/** An error as it is stored and sent. */
export const ErrorJson = z.strictObject({
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/)
    .max(60),
  message: z.string().max(2000),
  hint: z.string().max(1000).nullable(),
  retry: z.enum(['never', 'later', 'person']),
  notBefore: z.string().nullable().optional(),
});
export type ErrorJson = z.infer<typeof ErrorJson>;

export function unexpectedReply(reply: HttpReply): NodeError {
  const again = reply.status === 429 || reply.status >= 500;
  return new NodeError('UNEXPECTED_REPLY', `The service answered with status ${reply.status}.`, {
    retry: again ? 'later' : 'never',
    hint: again ? 'It is tried again by itself.' : 'Check the settings of this node.',
  });
}

// ---------------------------------------------------------------- ctx

export type HttpRequest = {
  method: HttpGrant['method'];
  host?: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  json?: unknown;
  text?: string;
  /** Streams an asset as the body; the bytes never enter the isolate. */
  asset?: string;
  /** Bytes of `asset` from `start` up to `end`, which is not sent; the whole where absent. */
  range?: { start: number; end: number };
  /** Sent as a form (application/x-www-form-urlencoded). */
  form?: Record<string, string>;
  /** Sent as multipart/form-data, in this order. */
  parts?: ({ name: string; text: string } | { name: string; asset: string; filename: string })[];
};
export type HttpReply = { status: number; headers: Record<string, string>; body: unknown };

/** The brand kit: only the declared parts are filled. Colours are `#rrggbb`; fonts are font-family names the product ships. */
export type BrandKit = {
  name: string;
  colors: { primary: string; light: string; ink: string; paper: string };
  fonts: { display: string; text: string };
  logo: Asset | null;
  voice: string;
  captions: { style: 'marker' | 'plain' | 'box' | 'stack' };
  links: { label: string; url: string }[];
};

/** `account`: its id there; `server`: the host; `name` for people. */
export type Connection = { id: string; name: string; platform: string; account: string; server: string };

export interface Ctx<C = unknown> {
  /** The config with its defaults applied. */
  readonly config: C;
  /** The step's instant, fixed for all its attempts. A node that reads it is not pure. */
  readonly now: string;
  readonly brand: BrandKit;
  /** The account, where the manifest names a `connection`: requests without `host` go to its server, with its secrets. */
  readonly connection: Connection;
  /** `fraction` in [0, 1], never goes backwards on screen; `note` is one short sentence. */
  progress(fraction: number, note?: string): void;
  /** One line in the step's log; at most 1,000 lines of 1,000 characters. */
  log(message: string): void;
  /** One fact shown at the node's foot, e.g. `fact('before', '−17.5 LUFS')`. */
  fact(name: string, value: string): void;
  http(request: HttpRequest): Promise<HttpReply>;
  /** A visible act in the outside world, recorded before it is sent; `name` is unique within the step. */
  effect(name: string, request: HttpRequest): Promise<HttpReply>;
  /**
   * Sleeps. Nothing is held meanwhile: `run` begins again from its first line when the answer is there, and gets it from
   * here. `name` is unique within the step.
   */
  wait(name: string, request: WaitRequest): Promise<WaitAnswer>;
  readonly assets: AssetsCapability;
  readonly media: MediaCapability;
  readonly ai: AiCapability;
  readonly render: RenderCapability;
  readonly store: StoreCapability;
}

/** `until`: ISO instant at which it is over without an answer; absent: never. `why` is shown while it sleeps. */
export const WaitRequest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('time'), until: z.iso.datetime({ offset: true }), why: z.string().max(300) }),
  z.strictObject({
    kind: z.literal('hook'),
    until: z.iso.datetime({ offset: true }).optional(),
    why: z.string().max(300),
  }),
  z.strictObject({
    kind: z.literal('person'),
    until: z.iso.datetime({ offset: true }).optional(),
    why: z.string().max(300),
    title: z.string().max(200),
    message: z.string().max(4_000),
    outcomes: z
      .array(z.strictObject({ name: z.string().max(40), title: z.string().max(60) }))
      .min(1)
      .max(12),
    /** Texts that may be changed, by a dotted name into the item. */
    fields: z
      .array(
        z.strictObject({
          name: z.string().max(200),
          title: z.string().max(100),
          value: z.string().max(20_000),
          /** One of these is chosen; with an empty `value` a person has to, before the first of the outcomes. */
          choices: z
            .array(z.strictObject({ value: z.string().min(1).max(200), title: z.string().max(100) }))
            .min(1)
            .max(30)
            .optional(),
        }),
      )
      .max(12),
    /** Who may answer: people with this role for the brand, and those above it. */
    reviewers: z.enum(['editor', 'admin', 'owner']),
    /** When who has not answered is told again. */
    remindAt: z.iso.datetime({ offset: true }).optional(),
    item: z.json(),
  }),
]);
export type WaitRequest = z.infer<typeof WaitRequest>;
export type WaitAnswer = { state: 'answered'; value: unknown; by: string | null; at: string } | { state: 'expired' };
/** What a person answers: an outcome's name, the texts they changed by the fields' names, and a word about it. */
export const Decision = z.strictObject({
  outcome: z.string().max(40),
  edits: z.record(z.string().max(200), z.string().max(20_000)),
  comment: z.string().max(2_000),
});
export type Decision = z.infer<typeof Decision>;

/**
 * What crosses the wall is `{ capability, method, args }` with one named object as `args`, the method's own where it
 * takes one. The others are named here: assets.readText `{ asset: sha256 }`, writeText `{ text, name, mime }`,
 * fetch `{ url }`, inspect `{ asset: sha256 }`; store.get `{ key }`, set `{ key, value }`; http.request the request;
 * effect.send `{ name, request }`; wait.for `{ name, request }`.
 */
export interface AssetsCapability {
  /** UTF-8 text of an asset up to 4 MB. */
  readText(asset: Asset): Promise<string>;
  writeText(text: string, options: { name: string; mime: string }): Promise<Asset>;
  /** Loads a public address through the safe fetch into the store. Refuses what is neither media nor text. */
  fetch(url: string): Promise<Asset>;
  /** The asset's facts as the store knows them (ffprobe for media). `sidecars` were uploaded with the same stem. */
  inspect(asset: string): Promise<{ asset: Asset; sidecars: Asset[] }>;
}

export interface StoreCapability {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
}

/** Named operations on media (`runtime/capabilities/media/`). Every one refuses input it cannot trust with MEDIA_* codes. */
export interface MediaCapability {
  /** ffprobe's facts, parsed and bounded. */
  probe(input: { asset: string }): Promise<MediaFacts>;
  loudness(input: { asset: string; start?: number; end?: number }): Promise<Loudness>;
  /** The two-pass clean-up of Clean audio: a copy of the recording with its sound treated, picture copied. */
  clean(input: CleanInput): Promise<CleanResult>;
  /** Peak envelope in [0, 1], `bins` values. */
  waveform(input: { asset: string; bins: number }): Promise<number[]>;
  /** Voice activity, seconds. */
  speech(input: { asset: string }): Promise<Turn[]>;
  /** Subtitle tracks inside the file, as WebVTT text. */
  subtitles(input: { asset: string }): Promise<{ language: string; vtt: string }[]>;
  /** Where the subject is over time, and where the picture cuts. */
  track(input: { asset: string; start: number; end: number }): Promise<TrackResult>;
  /** Cuts, reframes, burns captions in and normalises, in one pass over the picture. */
  clip(input: ClipInput): Promise<ClipResult>;
  /** Candidate stills, best first. */
  frames(input: { asset: string; start?: number; end?: number; count: number }): Promise<FrameCandidate[]>;
}
export type MediaFacts = {
  kind: 'video' | 'audio';
  format: string;
  duration: number;
  bytes: number;
  video: { codec: string; width: number; height: number; rate: number; rotation: number } | null;
  audio: { codec: string; channels: number; sampleRate: number } | null;
  subtitles: number;
};
export type CleanInput = {
  asset: string;
  /** Hz; 0 = off */
  highPass: number;
  /** [0, 1]; 0 = off */
  denoise: number;
  /** dBFS below which sound is closed off; null = off */
  gate: number | null;
  /** Shortens pauses longer than this many seconds; null = off. Changes the length, so words must be made after it. */
  trimSilence: number | null;
  loudness: { integrated: number; truePeak: number; range: number } | null;
};
export type CleanResult = {
  asset: MediaAsset;
  before: Loudness;
  after: Loudness;
  linear: boolean;
  note: string | null;
};
/** `time` in seconds from the `start` asked for. `x`, `y` = centre in [0, 1] of the frame; `size` = height of the face or body in [0, 1]. */
export type TrackSample = { time: number; x: number; y: number; size: number; confidence: number };
export type TrackResult = { width: number; height: number; samples: TrackSample[]; cuts: number[]; detector: string };
/** A keyframe of the crop window's centre in source pixels, seconds from the clip's start; held or eased to the next. */
export type CropKey = { time: number; x: number; y: number; ease: 'hold' | 'linear' };
/** Seconds from the clip's start; `lines` hold words. */
export type CaptionCue = { start: number; end: number; lines: { text: string; start: number; end: number }[][] };
export type ClipInput = {
  asset: string;
  start: number;
  end: number;
  width: number;
  height: number;
  /** null = blurred fill; for sound only, a drawn background. */
  crop: { width: number; height: number; keys: CropKey[] } | null;
  captions: null | {
    style: 'marker' | 'plain' | 'box' | 'stack';
    cues: CaptionCue[];
    colors: { primary: string; light: string; ink: string };
    fonts: { display: string; text: string };
    highlight: boolean;
    /** Times the sizes of the design; 1 where absent. */
    size?: number;
  };
  loudness: { integrated: number; truePeak: number; range: number } | null;
};
export type ClipResult = { asset: Asset; loudness: { before: Loudness; after: Loudness; linear: boolean } | null };
export type FrameCandidate = {
  asset: Asset;
  time: number;
  /** each in [0, 1] */
  sharpness: number;
  exposure: number;
  faces: { x: number; y: number; width: number; height: number; confidence: number }[];
  score: number;
};

/** Speech and language through services with a key, local engines, or what comes with the recording. */
export interface AiCapability {
  /** Engines the workspace can use now, best first, and what the absent ones would need. */
  engines(input: { task: 'transcribe' | 'diarize' | 'json' }): Promise<EngineInfo[]>;
  /** How an engine wants a recording cut: pieces that end in silences where it limits the size, else one piece. */
  plan(input: { engine: string; asset: string }): Promise<{ parts: { start: number; end: number }[] }>;
  /** For engines with `jobs`: sends the sound to the service. Each of the three steps is recorded on its own. */
  upload(input: { engine: string; asset: string }): Promise<{ source: string }>;
  /** For engines with `jobs`: orders the work; the job's id is stored before anybody asks for its result. */
  submit(input: {
    engine: string;
    source: string;
    language?: string;
    names?: string[];
    speakers?: number;
  }): Promise<{ job: string }>;
  /** Words of one piece of a recording (times count from the recording's start). `job` for engines with `jobs`. */
  transcribe(input: {
    engine: string;
    asset: string;
    language?: string;
    names?: string[];
    speakers?: number;
    start?: number;
    end?: number;
    job?: string;
  }): Promise<Transcript>;
  /** `speech`: where there is speech, for engines that do not look themselves. */
  diarize(input: { engine: string; asset: string; speakers?: number; speech?: Turn[]; job?: string }): Promise<Turn[]>;
  /** For engines with `jobs`: has the service erase the sound and the transcript, where the workspace wants that. */
  forget(input: { engine: string; job: string }): Promise<{ erased: boolean }>;
  /** Reads captions or a transcript that came with a recording: SRT, WebVTT, TTML, JSON. */
  parse(input: { text: string; name: string; duration: number; language?: string }): Promise<Transcript>;
  /** A chat model's answer that fits `schema` (JSON Schema, strict). */
  json(input: { model?: string; system: string; prompt: string; name: string; schema: unknown }): Promise<unknown>;
  /** Sentence embeddings from the local model that needs no key: unit vectors. */
  embed(input: { texts: string[] }): Promise<number[][]>;
}
export type EngineInfo = {
  id: string;
  label: string;
  available: boolean;
  /** Where the sound or text goes: this machine, or the service's name. */
  goesTo: string;
  /** What is missing and how to get it, in one sentence. */
  missing: string | null;
  /** Works by upload, submit and a result that is asked for later. */
  jobs?: boolean;
  /** What `speech install` would fetch for it: Settings offers it as a button. */
  install?: { bytes: number | null; seconds: number | null; from: string } | null;
};

/** A satori element: plain JSON, no functions. Pictures only as asset ids in `src: "asset:<sha256>"`. */
export type RenderNode = {
  type: string;
  props: {
    style?: Record<string, string | number>;
    children?: RenderNode[] | string;
    src?: string;
    width?: number;
    height?: number;
  };
};
export interface RenderCapability {
  image(input: {
    root: RenderNode;
    width: number;
    height: number;
    name: string;
    format?: 'png' | 'jpeg';
  }): Promise<Asset>;
  /** The size text takes, in pixels, with the product's fonts: to fit titles before drawing. */
  measure(input: {
    text: string;
    font: string;
    weight: number;
    size: number;
    maxWidth: number;
    lineHeight: number;
    /** `widths` of the `wrapped` lines. A line break in the text stays one, so words can be measured all at once. */
  }): Promise<{ width: number; height: number; lines: number; wrapped: string[]; widths: number[] }>;
}

// ---------------------------------------------------------------- events

/** A run started by hand; `inputs`: the values of the pipeline's named inputs. Instants are ISO 8601 in UTC. */
export type ManualEvent = { at: string; inputs: Record<string, unknown> };
/** `body`: JSON or a form as data, text as text, null where there is none or it is not text; too long for here: `long`. */
export type WebhookEvent = {
  at: string;
  method: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  type: string;
  body: unknown;
  long: boolean;
  raw: Asset | null;
};
/** `at`: the instant it was planned for; `local` is that instant's date and time in `zone`, `2026-03-29T03:00`. */
export type ScheduleEvent = {
  at: string;
  zone: string;
  local: string;
  weekday: string;
  /** Planned while nothing was there to start it. */
  missed: boolean;
  /** How many earlier ones were left out for this one. */
  leftOut: number;
};
export type AssetEvent = { at: string; asset: Asset };
export type FeedEvent = {
  at: string;
  feed: string;
  item: {
    id: string;
    title: string;
    link: string;
    /** Text, markup taken off. */
    summary: string;
    author: string;
    published: string | null;
    enclosure: { url: string; type: string; bytes: number | null } | null;
  };
};
/** By another pipeline: its values as they are stored, by port; null where nobody called. */
export type CalledEvent = { outputs: Record<string, unknown> | null };

type ConfigOf<M> = M extends Manifest<Ports, Ports, infer C> ? z.output<C> : never;
type In<M> = M extends Manifest<infer I, Ports, z.ZodType> ? InputsOf<I> : never;
type Out<M> = M extends Manifest<Ports, infer O, z.ZodType> ? OutputsOf<O> : never;

export type Run<M> = (ctx: Ctx<ConfigOf<M>>, inputs: In<M>) => Promise<Out<M>> | Out<M>;
/** A trigger's `run`: what happened becomes outputs. */
export type RunTrigger<M, E> = (ctx: Ctx<ConfigOf<M>>, started: { event: E }) => Promise<Out<M>> | Out<M>;
export type EffectRecord = { name: string; request: HttpRequest; handle: string | null; sentAt: string };
export type LookupResult =
  | { state: 'confirmed'; handle: string; evidence: string; reply?: HttpReply }
  | { state: 'absent' }
  | { state: 'unknown'; why: string };
/** Did it arrive? Runs with reading rights only. */
export type Lookup<M> = (ctx: Ctx<ConfigOf<M>>, effect: EffectRecord) => Promise<LookupResult> | LookupResult;
/** What a dry run shows instead of acting. */
export type Simulate<M> = (
  ctx: Ctx<ConfigOf<M>>,
  inputs: In<M>,
) => Promise<{ would: string; outputs: Out<M> }> | { would: string; outputs: Out<M> };
/** Makes settings that an older version saved into settings of this one; `from` names the type and version that saved them. */
export type MigrateConfig<M> = (
  config: Record<string, unknown>,
  from: { type: string; version: string },
) => M extends Manifest<Ports, Ports, infer C> ? z.input<C> : never;

// ---------------------------------------------------------------- platforms

/** Who the tokens belong to. Asked once when an account is connected, and again when it is connected anew. */
export type Account = { id: string; name: string; handle?: string; url?: string };
export type WhoIs<M> = (ctx: Ctx<ConfigOf<M>>) => Promise<Account> | Account;
/** What the platform would refuse, beyond the rules that the manifest states as data. It asks nobody. */
export type Validate<M> = (ctx: Ctx<ConfigOf<M>>, inputs: In<M>) => PostProblem[];
/** `input`: the port it is about, where it is about one. */
export type PostProblem = { input?: string; message: string; hint?: string };
/** Takes a post away; one that is gone already is `absent`. */
export type Remove<M> = (
  ctx: Ctx<ConfigOf<M>>,
  about: { post: Post },
) => Promise<{ state: 'removed' | 'absent' }> | { state: 'removed' | 'absent' };
/** Figures of posts by their ids, at most 50 at a time; what is not there any more is left out. */
export type Metrics<M> = (
  ctx: Ctx<ConfigOf<M>>,
  about: { posts: Post[] },
) => Promise<Record<string, Record<string, number>>> | Record<string, Record<string, number>>;
/** What a webhook of the platform tells of posts. Its signature was checked before; its words are still anybody's. */
export type Events<M> = (
  ctx: Ctx<ConfigOf<M>>,
  about: { event: { headers: Record<string, string>; body: unknown; receivedAt: string } },
) => PostEvent[];
export const PostEvent = z.strictObject({
  /** The post's id there. */
  post: z.string().max(300),
  kind: z.enum(['published', 'changed', 'removed', 'metrics']),
  note: z.string().max(300).optional(),
  metrics: z.record(z.string().max(60), z.number()).optional(),
});
export type PostEvent = z.infer<typeof PostEvent>;
