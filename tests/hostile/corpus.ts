/**
 * Hostile plugins. Each is a script as a plugin's run bundle is one, says how its attack shows on a host without
 * walls (weak-host.ts), and with which code it has to fail against ours.
 *
 *   hangs    the weak host gives no answer
 *   eats     the weak host grows past 300 MB, or dies of it
 *   dies     the weak host ends without an answer
 *   answers  the weak host's messages show that it worked
 */
export type WeakMessage = { log?: string; call?: string; result?: unknown; error?: string };
export type Case = {
  name: string;
  code: string;
  inputs?: string; // JSON text: own __proto__ keys must survive
  weak: 'hangs' | 'eats' | 'dies' | ((messages: WeakMessage[]) => boolean);
  /** The codes it may fail with; null: it ends well. Where it ends well, `harmless` looks at what came out. */
  fails: string | readonly string[] | null;
  harmless?: (value: unknown, logs: number, calls: number) => boolean;
  memoryMb?: number;
};

/** Something that is not there, or gives nothing away. */
const THREW = ['NODE_THREW', 'NOT_IN_A_NODE'];
const plugin = (body: string) => `var plugin = { run: ${body} };`;

export const CORPUS: readonly Case[] = [
  // ------------------------------------------------------------ rights
  {
    name: 'uses a capability it has not declared',
    code: plugin(`async (ctx) => ({ found: await ctx.http({ method: 'GET', host: 'metadata.internal', path: '/' }) })`),
    weak: (messages) =>
      messages.some(({ call, result }) => call === 'http' || JSON.stringify(result ?? '').includes('weak')),
    fails: 'CAPABILITY_UNDECLARED',
  },
  {
    name: 'reaches the process through a constructor of a host function',
    code: plugin(`(ctx) => ({ pid: ctx.log.constructor('return process')().pid })`),
    weak: (messages) => typeof (messages.at(-1)?.result as { pid?: unknown } | undefined)?.pid === 'number',
    fails: THREW,
  },
  {
    name: 'reaches the environment through the inputs',
    code: plugin(
      `(ctx, inputs) => ({ env: Object.keys(inputs.constructor.constructor('return process')().env).length })`,
    ),
    inputs: '{"text":"x"}',
    weak: (messages) => typeof (messages.at(-1)?.result as { env?: unknown } | undefined)?.env === 'number',
    fails: THREW,
  },
  {
    name: 'reaches the process through a promise the host gave it',
    code: plugin(
      `async (ctx) => { const p = ctx.media.probe({}); p.catch(() => {}); return { pid: p.constructor.constructor('return process')().pid }; }`,
    ),
    weak: (messages) => typeof (messages.at(-1)?.result as { pid?: unknown } | undefined)?.pid === 'number',
    fails: THREW,
  },
  {
    name: 'reaches the process through an error the host threw',
    code: plugin(
      `async (ctx) => { try { await ctx.media.refuse({}); } catch (error) { return { pid: error.constructor.constructor('return process')().pid }; } }`,
    ),
    weak: (messages) => typeof (messages.at(-1)?.result as { pid?: unknown } | undefined)?.pid === 'number',
    fails: THREW,
  },
  {
    name: 'imports a module of the host',
    code: plugin(`async () => ({ files: (await import('node:fs')).readdirSync('/').length })`),
    weak: (messages) => typeof (messages.at(-1)?.result as { files?: unknown } | undefined)?.files === 'number',
    fails: THREW,
  },
  {
    name: 'looks for handles of the sandbox in its globals',
    code: plugin(`() => {
      const names = [];
      for (const name of Object.getOwnPropertyNames(globalThis)) {
        if (/^(?:host|ivm|send|say|settle|start|process|require|module|Buffer|global|Reference|ExternalCopy)$/i.test(name)) names.push(name);
      }
      names.filter((name) => name !== 'require').forEach((name) => { throw new Error('found ' + name); });
      if (typeof require === 'function') require('node:fs');
      return { names };
    }`),
    weak: (messages) => messages.some(({ error }) => /found (?:say|process)/.test(error ?? '')),
    fails: 'NOT_IN_A_NODE',
  },
  {
    name: 'steals the host function by patching what the prelude might call',
    code: `
      const stolen = [];
      const { apply } = Reflect;
      for (const name of ['call', 'apply', 'bind']) {
        const plain = Function.prototype[name];
        Object.defineProperty(Function.prototype, name, { value: function (...args) { stolen.push(this); return apply(plain, this, args); }, configurable: true });
      }
      JSON.stringify = JSON.parse = Promise.prototype.then = Object.assign = Reflect.apply = (...args) => { stolen.push(...args); throw new Error('stolen'); };
      ${plugin(`(ctx) => {
        ctx.log('x');
        const host = stolen.find((each) => typeof each === 'function' && /native|say/.test(Function.prototype.toString(each)));
        return { stolen: stolen.length };
      }`)}`,
    weak: (messages) => ((messages.at(-1)?.result as { stolen?: number } | undefined)?.stolen ?? 0) > 0,
    fails: null,
    harmless: (value) => (value as { stolen: number }).stolen === 0,
  },

  // ------------------------------------------------------------ time
  { name: 'loops for ever', code: plugin('() => { for (;;); }'), weak: 'hangs', fails: 'SANDBOX_CPU' },
  { name: 'loops for ever while it is loaded', code: 'for (;;);', weak: 'hangs', fails: 'SANDBOX_CPU' },
  {
    name: 'loops for ever in a chain of promises',
    code: plugin('() => new Promise(() => { const again = () => void Promise.resolve().then(again); again(); })'),
    weak: 'hangs',
    fails: ['SANDBOX_CPU', 'SANDBOX_MEMORY'],
  },
  {
    name: 'floods the microtask queue',
    code: plugin('async () => { const again = () => queueMicrotask(again); again(); await new Promise(() => {}); }'),
    weak: 'hangs',
    fails: ['SANDBOX_CPU', 'SANDBOX_MEMORY'],
  },
  {
    name: 'loops for ever after the answer of a call',
    code: plugin('async (ctx) => { await ctx.media.probe({}); for (;;); }'),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'loops for ever while a call is open',
    code: plugin('(ctx) => { ctx.media.probe({}); for (;;); }'),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'waits for a promise that is never settled',
    code: plugin('() => new Promise(() => {})'),
    weak: 'hangs',
    fails: 'NODE_STUCK',
  },
  {
    name: 'matches a regular expression that never ends',
    code: plugin("() => ({ found: /^(a+)+$/.test('a'.repeat(60) + 'b') })"),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'sorts for ever',
    code: plugin('() => { const list = new Array(1e5).fill(0); for (;;) list.sort(() => Math.random() - 0.5); }'),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'blocks its thread with Atomics.wait',
    code: plugin('() => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }'),
    weak: 'hangs',
    fails: THREW,
  },

  // ------------------------------------------------------------ memory
  {
    name: 'fills array buffers',
    code: plugin('() => { const all = []; for (;;) all.push(new Uint8Array(2e7).fill(1)); }'),
    weak: 'eats',
    fails: 'SANDBOX_MEMORY',
  },
  {
    name: 'fills huge arrays, each at once',
    code: plugin('() => { const all = []; for (;;) all.push(new Array(2 ** 24).fill(7.5)); }'),
    weak: 'eats',
    fails: ['SANDBOX_MEMORY', 'SANDBOX_CPU'],
  },
  {
    name: 'parses JSON that unfolds',
    code: plugin("() => { const text = '[' + '[],'.repeat(2e7) + '[]]'; return { length: JSON.parse(text).length }; }"),
    weak: 'eats',
    fails: ['SANDBOX_MEMORY', 'SANDBOX_CPU'],
  },
  {
    name: 'makes huge strings for ever',
    code: plugin("() => { const all = []; for (;;) all.push(JSON.stringify('x'.repeat(2 ** 24) + all.length)); }"),
    weak: 'eats',
    fails: ['SANDBOX_MEMORY', 'SANDBOX_CPU'],
  },
  {
    name: 'keeps objects for ever',
    code: plugin('() => { const all = []; for (let i = 0; ; i++) all.push({ i, list: [i, i + 1] }); }'),
    weak: 'eats',
    fails: ['SANDBOX_MEMORY', 'SANDBOX_CPU'],
  },
  {
    name: 'takes memory by WebAssembly, outside every heap limit',
    code: plugin(
      '() => { const memory = new WebAssembly.Memory({ initial: 1 }); memory.grow(8000); new Uint8Array(memory.buffer).fill(1); for (;;); }',
    ),
    weak: 'eats',
    fails: THREW,
  },
  {
    name: 'makes V8 give up: the heap runs out inside one native call',
    code: plugin("() => { let s = 'abcdefgh'.repeat(4e6); const all = []; for (;;) all.push(s.split('')); }"),
    weak: 'dies',
    fails: ['SANDBOX_MEMORY', 'SANDBOX_CPU', 'SANDBOX_CRASHED'],
    memoryMb: 128,
  },

  // ------------------------------------------------------------ odd throws
  {
    name: 'throws a proxy whose every look never ends',
    code: plugin(
      '() => { throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); }, has() { for (;;); } }); }',
    ),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'throws an error whose message never ends',
    code: plugin('() => { throw { name: "Error", get message() { for (;;); } }; }'),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'throws such a proxy while it is loaded',
    code: 'throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); }, has() { for (;;); } });',
    weak: 'hangs',
    fails: ['SANDBOX_CPU', 'NODE_BROKEN'],
  },
  {
    name: 'prepares stack traces for ever',
    code: plugin("() => { Error.prepareStackTrace = () => { for (;;); }; throw new Error('x'); }"),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'throws null',
    code: plugin('() => { throw null; }'),
    weak: 'dies',
    fails: THREW,
  },
  {
    name: 'throws an error that throws when it is read',
    code: plugin('() => { throw { get message() { throw { get message() { throw null; } }; } }; }'),
    weak: 'dies',
    fails: THREW,
  },
  {
    name: 'throws a thenable from an async function',
    code: plugin(
      'async () => { throw { then(resolve) { resolve({ then() { for (;;); } }); }, get message() { for (;;); } }; }',
    ),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'overflows the stack while its error is read',
    code: plugin('() => { const deep = () => deep(); throw { get message() { return deep(); } }; }'),
    weak: 'dies',
    fails: THREW,
  },
  {
    name: 'calls its own failure a failure of the sandbox',
    code: plugin(
      "() => { throw Object.assign(new Error('x'), { name: 'NodeError', code: 'SANDBOX_NEIGHBOUR', retry: 'later' }); }",
    ),
    weak: (messages) => messages.some(({ error }) => error === 'SANDBOX_NEIGHBOUR'),
    fails: THREW,
  },

  // ------------------------------------------------------------ odd results
  {
    name: 'returns a thenable that never calls back',
    code: plugin('() => ({ then() {} })'),
    weak: 'hangs',
    fails: 'NODE_STUCK',
  },
  {
    name: 'returns a thenable that is handed a function of the host',
    code: plugin(
      `() => ({ then(resolve) { let pid = 0; try { pid = resolve.constructor('return process')().pid; } catch {} resolve({ pid }); } })`,
    ),
    weak: (messages) => ((messages.at(-1)?.result as { pid?: number } | undefined)?.pid ?? 0) > 0,
    fails: null,
    harmless: (value) => (value as { pid: number }).pid === 0,
  },
  {
    name: 'returns an object whose getter never ends',
    code: plugin('() => ({ get text() { for (;;); } })'),
    weak: 'hangs',
    fails: 'SANDBOX_CPU',
  },
  {
    name: 'returns getters without end',
    code: plugin('() => { const make = () => ({ get more() { return make(); } }); return make(); }'),
    weak: 'dies',
    fails: ['NODE_BAD_OUTPUT', 'SANDBOX_CPU'],
  },
  {
    name: 'returns a proxy that invents keys',
    code: plugin(`() => new Proxy({}, {
      ownKeys: () => Array.from({ length: 3e5 }, (_, i) => 'k' + i),
      getOwnPropertyDescriptor: () => ({ value: 'x'.repeat(2000), enumerable: true, configurable: true }),
      get: () => 'x'.repeat(2000),
    })`),
    weak: 'eats',
    fails: ['SANDBOX_CPU', 'SANDBOX_MEMORY', 'SANDBOX_OUTPUT', 'NODE_BAD_OUTPUT'],
  },
  {
    name: 'returns a cycle',
    code: plugin('() => { const a = {}; a.a = a; return a; }'),
    weak: 'dies',
    fails: 'NODE_BAD_OUTPUT',
  },
  {
    name: 'returns nothing',
    code: plugin('() => undefined'),
    weak: (messages) => messages.some((message) => 'result' in message || Object.keys(message).length === 0),
    fails: 'NODE_BAD_OUTPUT',
  },
  {
    name: 'returns a text of 40 MB',
    code: plugin("() => ({ text: 'x'.repeat(4e7) })"),
    weak: (messages) => JSON.stringify(messages.at(-1)?.result ?? '').length > 3e7,
    fails: ['SANDBOX_OUTPUT', 'SANDBOX_MEMORY', 'SANDBOX_CPU'],
    memoryMb: 256,
  },
  {
    name: 'returns an own __proto__ that poisons whoever merges it',
    code: plugin(`() => JSON.parse('{"a":{"__proto__":{"poisoned":"yes"}},"\\\\u005f_proto__":{"poisoned":"yes"}}')`),
    weak: (messages) => JSON.stringify(messages).includes('__proto__'),
    fails: null,
    harmless: (value) => {
      const merge = (target: Record<string, unknown>, source: Record<string, unknown>) => {
        for (const key of Object.keys(source)) {
          if (typeof source[key] === 'object') {
            target[key] ??= {};
            merge(target[key] as Record<string, unknown>, source[key] as Record<string, unknown>);
          } else target[key] = source[key];
        }
      };
      merge({}, value as Record<string, unknown>);
      const isClean = ({} as { poisoned?: string }).poisoned === undefined;
      Reflect.deleteProperty(Object.prototype, 'poisoned');
      return isClean;
    },
  },
  {
    name: 'is poisoned by its inputs',
    code: plugin(`(ctx, inputs) => {
      const merge = (target, source) => { for (const key of Object.keys(source)) {
        if (typeof source[key] === 'object') merge(target[key] ??= {}, source[key]); else target[key] = source[key]; } };
      merge({}, inputs);
      return { mine: ({}).poisoned ?? 'no', config: ctx.config.poisoned ?? 'no' };
    }`),
    inputs: '{"__proto__":{"poisoned":"yes"}}',
    // in a host that shares its realm with the guest, everybody is poisoned from now on
    weak: (messages) => (messages.at(-1)?.result as { mine?: string } | undefined)?.mine === 'yes',
    fails: null,
    // its own realm at most: the host and other runs stay clean
    harmless: () => (({}) as { poisoned?: string }).poisoned === undefined,
  },

  // ------------------------------------------------------------ floods
  {
    name: 'floods the log',
    code: plugin("(ctx) => { for (let i = 0; i < 3e4; i++) ctx.log('line ' + i + 'x'.repeat(5000)); return {}; }"),
    weak: (messages) => messages.filter(({ log }) => log !== undefined).length >= 3e4,
    fails: null,
    harmless: (_value, logs) => logs === 1_001,
  },
  {
    name: 'floods the host with calls',
    code: plugin('async (ctx) => { for (let i = 0; i < 3e4; i++) await ctx.media.probe({ i }); return {}; }'),
    weak: (messages) => messages.filter(({ call }) => call !== undefined).length >= 3e4,
    fails: ['CALL_LIMIT', 'SANDBOX_CPU'],
  },
  {
    name: 'floods the host with calls it does not wait for',
    code: plugin(
      'async (ctx) => { const all = []; for (let i = 0; i < 3e4; i++) all.push(ctx.media.probe({ i })); await Promise.all(all); return {}; }',
    ),
    weak: (messages) => messages.filter(({ call }) => call !== undefined).length >= 3e4,
    fails: ['CALL_LIMIT', 'SANDBOX_CPU'],
  },
  {
    name: 'sends the host a call of 20 MB',
    code: plugin("async (ctx) => ({ got: await ctx.media.probe({ text: 'x'.repeat(2e7) }) })"),
    weak: (messages) => messages.some(({ call }) => call === 'media.probe'),
    fails: ['CALL_TOO_LARGE', 'SANDBOX_MEMORY', 'SANDBOX_CPU'],
    memoryMb: 128,
  },
  {
    name: 'names a capability that is a property of every object',
    code: plugin("async (ctx) => ({ got: await ctx.media.constructor('return 1') })"),
    weak: (messages) =>
      JSON.stringify(messages.at(-1) ?? '').includes('weak') ||
      messages.some(({ call }) => call === 'media.constructor'),
    fails: 'CAPABILITY_UNDECLARED',
  },
];
