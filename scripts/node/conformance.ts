/**
 * How a node does in the real isolate: each promise a plugin makes to the runtime, tried. A check passes, fails with a sentence
 * that says what to do, or does not concern this node.
 *
 *   example        it does what its manifest shows
 *   determinism    the same again gives the same, and asks for the same
 *   replay         begun anew from its first line with recorded answers, it goes on as it did
 *   order          in a realm that other items went through before, it gives the same
 *   cancel         it ends when it is told to, whatever it waits for
 *   odd inputs     empty, huge and strange values give outputs or an error with a code, never a crash
 *   simulate       a dry run says what would happen, and only reads
 *   lookup         says confirmed, absent and unknown as its examples show, and only reads
 *   migrate        older settings become settings of this version
 */
import { type HttpRequest, type ManifestJson, PORT_TYPES, type PortType } from '../../nodes/contract.ts';
import { parsePorts } from '../../nodes/testing.ts';
import { digestOf } from '../../runtime/bundle.ts';
import { resolveConfig } from '../../runtime/graph/config.ts';
import { rightFor } from '../../runtime/graph/rights.ts';
import type { Entry, Json, Sandbox, SandboxResult } from '../../runtime/sandbox/sandbox.ts';
import { isStack, stackReader } from '../../runtime/trial.ts';

export type Check = { name: string; state: 'passed' | 'failed' | 'not asked'; why?: string };
type Call = { capability: string; method: string; args: unknown };
type Example = {
  config?: Record<string, unknown>;
  inputs: Record<string, unknown>;
  replies?: unknown[];
  outputs?: Record<string, unknown>;
  expects?: string;
  lookups?: { name: string; request?: HttpRequest; replies: unknown[]; gives: 'confirmed' | 'absent' | 'unknown' }[];
  migrates?: { from: { type: string; version: string }; config: Record<string, unknown> }[];
};
type Ran = { result: SandboxResult; calls: Call[]; unused: unknown[]; at: string };
type How = {
  entry?: Entry;
  inputs?: unknown;
  replies?: readonly unknown[];
  contextKey?: string;
  /** Calls are never answered. */
  hangs?: boolean;
  signal?: AbortSignal;
  wallMs?: number;
};

const NOW = '2026-01-15T09:00:00.000Z';
const BRAND: Json = {
  name: 'Example brand',
  colors: { primary: '#5b3df5', light: '#e9e4ff', ink: '#16131f', paper: '#ffffff' },
  fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
  logo: null,
  voice: 'Plain and friendly.',
  captions: { style: 'marker' },
  links: [],
};
/** A node that is told to end has this long. */
const ENDS_MS = 2_000;
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** `map`: of the script, so that what it threw is told with its place in the source. */
export function conformance(sandbox: Sandbox, manifest: ManifestJson, code: string, map?: string) {
  const plugin = { digest: digestOf(code), code };
  const example = manifest.example as unknown as Example;
  const { config } = resolveConfig(manifest.config, example.config ?? {});
  const read = map === undefined ? null : stackReader(map);
  let runs = 0;

  async function ran(how: How = {}): Promise<Ran> {
    const replies = [...(how.replies ?? example.replies ?? [])];
    const calls: Call[] = [];
    let at = '';
    const result = await sandbox.run({
      workspaceId: 'conformance',
      contextKey: how.contextKey ?? `run ${++runs}`,
      plugin,
      entry: how.entry ?? 'run',
      ctx: {
        config: config as Json,
        now: NOW,
        seed: manifest.id,
        brand: BRAND,
        connection: {
          id: 'connection',
          name: 'Example account',
          platform: manifest.connection?.platform ?? 'none',
          account: 'account',
          server: 'account.example',
        },
      },
      inputs: (how.inputs === undefined ? example.inputs : how.inputs) as Json,
      limits: {
        wallMs: how.wallMs ?? 20_000,
        cpuMs: (manifest.limits?.activeSeconds ?? 20) * 1_000,
        memoryMb: manifest.limits?.memoryMb ?? 128,
      },
      ...(how.signal ? { signal: how.signal } : {}),
      onEvent: (event) => {
        if (read && event.kind === 'log' && isStack(event.line)) at = placeIn(read(event.line));
      },
      onCall: async (call) => {
        calls.push(call);
        if (how.hangs) return new Promise(() => {});
        if (rightFor(manifest, call) === null) throw new Error(`${call.capability}.${call.method} is not declared.`);
        if (replies.length === 0) throw new Error(`The example has no reply for call ${calls.length}.`);
        const reply = replies.shift();
        const isHttp = call.capability === 'http' || call.capability === 'effect';
        return isHttp ? { status: 200, headers: {}, body: null, ...(reply as object) } : reply;
      },
    });
    return { result, calls, unused: replies, at };
  }

  /** Null: it does what it says. */
  const outputsWrong = (value: unknown): string | null => {
    try {
      parsePorts('output', manifest.outputs, value ?? {});
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const said = (result: SandboxResult) => (result.ok ? '' : `${result.error.code}: ${result.error.message}`);

  const checks: Record<string, () => Promise<string | null | undefined>> = {
    async example() {
      const { result, calls, unused, at } = await ran();
      if (!result.ok) return `It ended with ${said(result)}${at}`;
      const wrong = outputsWrong(result.value);
      if (wrong) return wrong;
      if (unused.length > 0) return `It asked ${calls.length} times; the example has ${unused.length} replies more.`;
      if (example.outputs === undefined && example.expects === undefined)
        return 'The example does not say what comes out: add `outputs`, or `expects` where that is too long.';
      if (example.outputs !== undefined && !same(sorted(result.value), sorted(example.outputs)))
        return `It gave ${JSON.stringify(result.value).slice(0, 300)}, and the example says ${JSON.stringify(example.outputs).slice(0, 300)}.`;
      return null;
    },
    async determinism() {
      const [first, second] = [await ran(), await ran()];
      if (!same(first.calls, second.calls))
        return 'The second time it asked for something else: use ctx.now, and Math.random, which is seeded.';
      return same(first.result, second.result)
        ? null
        : 'The second time it gave something else: use ctx.now, and Math.random, which is seeded.';
    },
    async replay() {
      const whole = await ran();
      if (whole.calls.length === 0) return undefined;
      for (let known = 1; known <= whole.calls.length; known++) {
        const part = await ran({ replies: (example.replies ?? []).slice(0, known) });
        if (!same(part.calls.slice(0, known), whole.calls.slice(0, known)))
          return `Begun again after ${known} recorded answers, it asked for something else.`;
      }
      return null;
    },
    async order() {
      if (manifest.effect !== 'pure') return undefined;
      const alone = await ran();
      const contextKey = 'one realm';
      for (const odd of oddInputs(manifest, example.inputs).slice(0, 4)) await ran({ contextKey, inputs: odd.inputs });
      const after = await ran({ contextKey });
      if (same(alone.result, after.result)) return null;
      return 'After other items it gave something else: keep nothing in variables outside of `run`.';
    },
    async cancel() {
      const { calls } = await ran();
      if (calls.length === 0) return undefined;
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 50);
      const began = performance.now();
      const { result } = await ran({ hangs: true, signal: stop.signal });
      if (result.ok) return 'It gave outputs though it was told to end and nothing was answered.';
      return performance.now() - began < ENDS_MS ? null : 'It took longer than two seconds to end.';
    },
    async 'odd inputs'() {
      if (manifest.shape === 'trigger') return undefined;
      for (const { what, inputs } of oddInputs(manifest, example.inputs)) {
        const { result, at } = await ran({ inputs });
        const wrong = result.ok ? outputsWrong(result.value) : null;
        if (wrong) return `Given ${what}: ${wrong}`;
        if (
          !result.ok &&
          /^(NODE_THREW|NODE_STUCK|SANDBOX_)/.test(result.error.code) &&
          !/has no reply/.test(result.error.message)
        ) {
          return `Given ${what}, it ended with ${said(result)}${at} Throw a NodeError that says what to do.`;
        }
      }
      return null;
    },
    async simulate() {
      if (manifest.effect !== 'writes-external') return undefined;
      const { result, calls } = await ran({ entry: 'simulate' });
      if (!result.ok) return `It ended with ${said(result)}`;
      const { would, outputs } = (result.value ?? {}) as { would?: unknown; outputs?: unknown };
      if (typeof would !== 'string' || would.length < 5) return '`would` does not say what would happen.';
      const write = calls.find(isWrite);
      if (write) return `It would have written: ${write.capability}.${write.method}. A dry run only reads.`;
      return outputsWrong(outputs);
    },
    async lookup() {
      if (manifest.effect !== 'writes-external') return undefined;
      const looks = example.lookups ?? [];
      const given = new Set(looks.map(({ gives }) => gives));
      if (!given.has('confirmed') || !(given.has('absent') || given.has('unknown')))
        return 'The example has to show one look-up that finds it and one that does not: add `lookups`.';
      for (const { name, request, replies, gives } of looks) {
        const effect = { name, request: request ?? { method: 'POST', path: '/' }, handle: null, sentAt: NOW };
        const { result, calls } = await ran({ entry: 'lookup', inputs: effect, replies });
        if (!result.ok) return `Looking for "${name}", it ended with ${said(result)}`;
        const { state } = (result.value ?? {}) as { state?: string };
        if (state !== gives) return `Looking for "${name}", it said ${state}, and the example says ${gives}.`;
        if (calls.some(isWrite)) return `Looking for "${name}", it wrote. A look-up only reads.`;
      }
      return null;
    },
    async migrate() {
      const isMajor = Number(manifest.version.split('.')[0]) > 1;
      const changes = isMajor || (manifest.replaces ?? []).some(({ config: renamed }) => renamed !== undefined);
      if (!manifest.exports.includes('migrateConfig'))
        return isMajor
          ? 'A major version comes with migrateConfig: settings of version 1 are saved somewhere.'
          : undefined;
      if (!changes && !example.migrates) return undefined;
      if (!example.migrates?.length) return 'The example shows no older settings: add `migrates`.';
      for (const { from, config: old } of example.migrates) {
        const { result } = await ran({ entry: 'migrateConfig', inputs: [old, from] });
        if (!result.ok) return `From ${from.type} ${from.version}, it ended with ${said(result)}`;
        const { problems } = resolveConfig(manifest.config, (result.value ?? {}) as Record<string, unknown>);
        if (problems[0]) return `From ${from.type} ${from.version}: ${problems[0].message}`;
      }
      return null;
    },
  };

  return {
    async check(): Promise<Check[]> {
      const found: Check[] = [];
      for (const [name, work] of Object.entries(checks)) {
        const why = await work();
        if (why === undefined) found.push({ name, state: 'not asked' });
        else if (why === null) found.push({ name, state: 'passed' });
        else found.push({ name, state: 'failed', why });
      }
      return found;
    },
  };
}

/** The first place of a stack in the author's own files: ` at src/shorten.ts:12:5.` */
const placeIn = (stack: string): string => {
  const place = /\(?((?!node_modules\/)[\w@./-]+:\d+:\d+)\)?/.exec(stack.replace(/.*\(?node_modules\/.*/g, ''))?.[1];
  return place === undefined ? '' : `, at ${place}.`;
};

const isWrite = ({ capability, args }: Call) =>
  capability === 'effect' || (capability === 'http' && !['GET', 'HEAD'].includes((args as HttpRequest).method));

/** With the names of objects in order, to be compared. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}

const ODD: Partial<Record<PortType, [what: string, value: unknown][]>> = {
  text: [
    ['an empty text', ''],
    ['a text of 200,000 characters', 'word '.repeat(40_000)],
    ['a text of emoji and joined characters', '👩‍👩‍👧‍👦 e\u0301 \u202eabc \ud83d'],
    ['a text that looks like code', '{{constructor}} <script>alert(1)</script> %{process.env} \u0000'],
  ],
  number: [
    ['zero', 0],
    ['a negative number', -1.5],
    ['a huge number', 1e300],
  ],
  boolean: [['no', false]],
  json: [
    ['nothing', null],
    ['a list of lists', [[[]]]],
    ['a text where data was expected', 'text'],
    ['an object with strange names', { constructor: 1, toString: null, '': [] }],
  ],
  metrics: [['no figures', {}]],
};

/** The example's inputs with one port made strange at a time. */
function oddInputs(manifest: ManifestJson, inputs: Record<string, unknown>) {
  const cases: { what: string; inputs: Record<string, unknown> }[] = [];
  for (const [name, port] of Object.entries(manifest.inputs)) {
    if (port.optional && name in inputs) {
      const { [name]: _left, ...others } = inputs;
      cases.push({ what: `no ${name}`, inputs: others });
    }
    if (port.list) cases.push({ what: `an empty list of ${name}`, inputs: { ...inputs, [name]: [] } });
    for (const [what, value] of ODD[port.type] ?? []) {
      if (!PORT_TYPES[port.type].safeParse(value).success) continue;
      cases.push({ what: `${what} as ${name}`, inputs: { ...inputs, [name]: port.list ? [value] : value } });
    }
  }
  return cases;
}
