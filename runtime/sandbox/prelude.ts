/**
 * What a guest's realm is made of before foreign code runs: the `ctx`, a fixed clock, seeded chance, and nothing that
 * leads out. Runs INSIDE the isolate: it is turned into text, so it may use nothing but its own body and language
 * globals. Everything taken from the realm is saved first, because foreign code shares the realm afterwards.
 *
 * The guest reaches the host by one function that takes text: `c<run>.<call>:<GuestCall>`, `e<run>:<GuestEvent>`,
 * `r<run>:<GuestResult>`. Answers come back through `settle`, which only the host can call. Results and errors become
 * bounded JSON here, while the clock runs: whatever getters, proxies, toJSON or prepareStackTrace do, they do it inside.
 */

/** The same names as in bridge.ts: passed in as text, since nothing can be imported here. */
export type PreludeLimits = {
  OUTPUT_LENGTH: number;
  CALL_LENGTH: number;
  CALLS: number;
  LOG_LINES: number;
  LOG_CALLS: number;
  LOG_LINE_LENGTH: number;
  PROGRESS_EVENTS: number;
  FACTS: number;
  NOTE_LENGTH: number;
};

type Start = {
  entry: string;
  config: unknown;
  now: string;
  seed: string;
  brand: unknown;
  connection: unknown;
  inputs: unknown;
  many?: { config: unknown; seed: string; inputs: unknown }[];
};
type Waiting = { resolve(value: unknown): void; reject(error: unknown): void };
type RunState = {
  id: number;
  open: boolean;
  calls: number;
  lines: number;
  steps: number;
  facts: number;
  fraction: number;
  waiting: Record<number, Waiting>;
  /** One of many: what it says is kept, as JSON with commas, and `ended` is given its result. */
  said: string;
  ended: ((text: string) => void) | null;
};
type Problem = { code: string; message: string; hint: string | null; retry: string; notBefore?: string | null };
type Guest = Record<string, unknown>;

export function prelude(host: (text: string) => void, limitsText: string) {
  const realm = globalThis as unknown as Record<string, unknown>;
  const { parse, stringify } = JSON;
  const { create, defineProperty, freeze, keys, assign } = Object;
  const { apply, construct } = Reflect;
  const SavedError = Error;
  const SavedPromise = Promise;
  const SavedProxy = Proxy;
  const SavedDate = Date;
  const SavedString = String;
  const isArray = Array.isArray;
  const isFrozen = Object.isFrozen;
  const { floor, imul } = Math;
  const uncurry =
    (method: (...args: never[]) => unknown) =>
    (self: unknown, ...args: unknown[]) =>
      apply(method, self, args);
  const slice = uncurry(String.prototype.slice) as (text: string, from: number, to: number) => string;
  const charCodeAt = uncurry(String.prototype.charCodeAt) as (text: string, at: number) => number;
  const test = uncurry(RegExp.prototype.test) as (pattern: RegExp, text: string) => boolean;
  const then = uncurry(Promise.prototype.then) as (
    promise: unknown,
    done: (value: unknown) => void,
    failed: (error: unknown) => void,
  ) => unknown;
  const limits = freeze(parse(limitsText)) as PreludeLimits;
  const CODE = /^[A-Z][A-Z0-9_]{0,59}$/;

  // Shared memory and threads, machine code, and whatever shows when memory is collected.
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry']) {
    delete realm[name];
  }

  const record = (fields: Record<string, unknown>): Record<string, unknown> => assign(create(null), fields);
  const hide = (name: string, value: unknown) =>
    defineProperty(realm, name, { value, writable: true, configurable: true, enumerable: false });

  // ---------------------------------------------------------------- time and chance

  let now = 0;
  // biome-ignore lint/suspicious/noExplicitAny: has to be callable with and without `new`
  const FixedDate: any = function FixedDate(this: unknown, ...args: unknown[]) {
    if (!new.target) return SavedString(new SavedDate(now));
    return construct(SavedDate, args.length === 0 ? [now] : args, new.target);
  };
  defineProperty(FixedDate, 'length', { value: 7 });
  defineProperty(FixedDate, 'name', { value: 'Date' });
  FixedDate.prototype = SavedDate.prototype;
  SavedDate.prototype.constructor = FixedDate;
  for (const [name, value] of [
    ['now', () => now],
    ['parse', SavedDate.parse],
    ['UTC', SavedDate.UTC],
  ] as const) {
    defineProperty(FixedDate, name, { value, writable: true, configurable: true });
  }
  hide('Date', FixedDate);
  const { DateTimeFormat } = Intl;
  for (const name of ['formatToParts', 'format'] as const) {
    const found = Object.getOwnPropertyDescriptor(DateTimeFormat.prototype, name);
    if (found?.get) {
      const { get } = found;
      defineProperty(DateTimeFormat.prototype, name, {
        configurable: true,
        get(this: unknown) {
          const format = apply(get, this, []) as (date: unknown) => string;
          return (date?: unknown) => format(date ?? now);
        },
      });
    } else if (found?.value) {
      const plain = found.value as (date: unknown) => unknown;
      defineProperty(DateTimeFormat.prototype, name, {
        configurable: true,
        writable: true,
        value: function (this: unknown, date?: unknown) {
          return apply(plain, this, [date ?? now]);
        },
      });
    }
  }

  /** sfc32, started from an FNV-1a hash of the step's seed. */
  const state = [0, 0, 0, 1];
  const seedChance = (seed: string) => {
    for (let lane = 0; lane < 3; lane++) {
      let hash = 0x811c9dc5 ^ (lane * 0x9e3779b9);
      for (let at = 0; at < seed.length; at++) hash = imul(hash ^ charCodeAt(seed, at), 0x01000193);
      state[lane] = hash | 0;
    }
    state[3] = 1;
    for (let round = 0; round < 15; round++) chance();
  };
  const chance = () => {
    const [a, b, c, d] = state as [number, number, number, number];
    const sum = (((a + b) | 0) + d) | 0;
    state[3] = (d + 1) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = (c + (c << 3)) | 0;
    state[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  defineProperty(Math, 'random', { value: () => chance(), writable: true, configurable: true });

  // ---------------------------------------------------------------- talking to the host

  const runs: Record<number, RunState> = create(null);
  let calls = 0;
  let latest: RunState | undefined;

  function send(kind: string, run: RunState, text: string) {
    if (run.ended === null) host(`${kind}${run.id}:${text}`);
    else if (kind === 'e') run.said += run.said === '' ? text : `,${text}`;
    else run.ended(text);
  }

  const newRun = (id: number): RunState => ({
    id,
    open: true,
    calls: 0,
    lines: 0,
    steps: 0,
    facts: 0,
    fraction: -1,
    waiting: create(null),
    said: '',
    ended: null,
  });

  function hostError(problem: Problem): Error {
    const error = new SavedError(problem.message) as Error & Record<string, unknown>;
    const fields: Record<string, unknown> = {
      name: 'NodeError',
      code: problem.code,
      hint: problem.hint,
      retry: problem.retry,
      notBefore: problem.notBefore ?? null,
    };
    for (const name of keys(fields)) {
      defineProperty(error, name, {
        value: fields[name],
        writable: true,
        configurable: true,
        enumerable: name !== 'name',
      });
    }
    return error;
  }

  function call(run: RunState, capability: string, method: string, args: unknown): Promise<unknown> {
    return new SavedPromise((resolve, reject) => {
      if (!run.open)
        return reject(hostError({ code: 'RUN_OVER', message: 'This run is over.', hint: null, retry: 'never' }));
      run.calls += 1;
      if (run.calls > limits.CALLS) {
        return reject(
          hostError({
            code: 'CALL_LIMIT',
            message: `A run may ask the host for at most ${limits.CALLS} things.`,
            hint: 'Ask for more at once.',
            retry: 'never',
          }),
        );
      }
      const text = stringify(record({ capability, method, args: args === undefined ? create(null) : args }));
      if (text.length > limits.CALL_LENGTH) {
        return reject(
          hostError({
            code: 'CALL_TOO_LARGE',
            message: `The arguments of ${capability}.${method} are ${text.length} characters long; ${limits.CALL_LENGTH} are allowed.`,
            hint: 'Large data belongs into an asset.',
            retry: 'never',
          }),
        );
      }
      calls += 1;
      run.waiting[calls] = { resolve, reject };
      host(`c${run.id}.${calls}:${text}`);
    });
  }

  /** Text of anything, without trusting it: a string, bounded. */
  function words(value: unknown, length: number): string {
    if (typeof value === 'string') return slice(value, 0, length);
    try {
      return slice(typeof value === 'object' && value !== null ? stringify(value) : SavedString(value), 0, length);
    } catch {
      return '(cannot be shown)';
    }
  }

  function log(run: RunState, value: unknown) {
    if (!run.open) return;
    run.lines += 1;
    if (run.lines > limits.LOG_CALLS) {
      return fail(run, {
        code: 'SANDBOX_LOG',
        message: `The node wrote more than ${limits.LOG_CALLS} lines to its log.`,
        hint: `${limits.LOG_LINES} are kept. Log what helps, not every item.`,
        retry: 'never',
      });
    }
    if (run.lines > limits.LOG_LINES + 1) return;
    const line = run.lines > limits.LOG_LINES ? '(further lines are left out)' : words(value, limits.LOG_LINE_LENGTH);
    send('e', run, stringify(record({ kind: 'log', line })));
  }

  function makeCtx(run: RunState, start: Start) {
    const open = (capability: string) => {
      const made: Record<string, unknown> = create(null);
      return new SavedProxy(freeze(create(null)) as Record<string, unknown>, {
        get(_target, method) {
          if (typeof method !== 'string' || method === 'then') return undefined;
          made[method] ??= (args: unknown) => call(run, capability, method, args);
          return made[method];
        },
      });
    };
    const assetId = (asset: unknown) =>
      typeof asset === 'object' && asset !== null ? (asset as { asset: unknown }).asset : asset;
    return freeze(
      record({
        config: start.config,
        now: start.now,
        brand: start.brand,
        connection: start.connection,
        progress(fraction: unknown, note: unknown) {
          if (!run.open || typeof fraction !== 'number' || !(fraction >= 0) || run.steps >= limits.PROGRESS_EVENTS)
            return;
          const bounded = floor((fraction > 1 ? 1 : fraction) * 1000) / 1000;
          if (bounded === run.fraction && note === undefined) return;
          run.fraction = bounded;
          run.steps += 1;
          const text = note === undefined || note === null ? null : words(note, limits.NOTE_LENGTH);
          send('e', run, stringify(record({ kind: 'progress', fraction: bounded, note: text })));
        },
        log: (line: unknown) => log(run, line),
        fact(name: unknown, value: unknown) {
          if (!run.open || run.facts >= limits.FACTS) return;
          run.facts += 1;
          const fields = { kind: 'fact', name: words(name, 60), value: words(value, limits.NOTE_LENGTH) };
          send('e', run, stringify(record(fields)));
        },
        http: (request: unknown) => call(run, 'http', 'request', request),
        effect: (name: unknown, request: unknown) => call(run, 'effect', 'send', record({ name, request })),
        wait: (name: unknown, request: unknown) => call(run, 'wait', 'for', record({ name, request })),
        assets: freeze(
          record({
            readText: (asset: unknown) => call(run, 'assets', 'readText', record({ asset: assetId(asset) })),
            writeText: (text: unknown, options: { name?: unknown; mime?: unknown } = {}) =>
              call(run, 'assets', 'writeText', record({ text, name: options.name, mime: options.mime })),
            fetch: (url: unknown) =>
              call(run, 'assets', 'fetch', record({ url: typeof url === 'object' ? `${url}` : url })),
            inspect: (asset: unknown) => call(run, 'assets', 'inspect', record({ asset: assetId(asset) })),
          }),
        ),
        media: open('media'),
        ai: open('ai'),
        render: open('render'),
        store: freeze(
          record({
            get: (key: unknown) => call(run, 'store', 'get', record({ key })),
            set: (key: unknown, value: unknown) => call(run, 'store', 'set', record({ key, value: value ?? null })),
          }),
        ),
      }),
    );
  }

  function deepFreeze(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || isFrozen(value)) return value;
    freeze(value);
    if (isArray(value)) for (let at = 0; at < value.length; at++) deepFreeze(value[at]);
    else for (const name of keys(value)) deepFreeze((value as Guest)[name]);
    return value;
  }

  // ---------------------------------------------------------------- ending a run

  function end(run: RunState, text: string) {
    if (!run.open) return;
    run.open = false;
    if (run.ended === null) delete runs[run.id];
    send('r', run, text);
  }

  function fail(run: RunState, problem: Problem) {
    end(run, `{"ok":false,"error":${stringify(record(problem as unknown as Record<string, unknown>))}}`);
  }

  function succeed(run: RunState, value: unknown) {
    if (!run.open) return;
    let text: string | undefined;
    try {
      text = stringify(value);
    } catch (error) {
      const why = describe(run, error).message;
      return fail(run, {
        code: 'NODE_BAD_OUTPUT',
        message: `What the node gave back cannot be written as JSON: ${slice(why, 0, 500)}`,
        hint: 'Give back plain data: objects, lists, text, numbers.',
        retry: 'never',
      });
    }
    if (typeof text !== 'string') {
      return fail(run, {
        code: 'NODE_BAD_OUTPUT',
        message: 'The node gave nothing back.',
        hint: 'Return an object with one entry for each output port.',
        retry: 'never',
      });
    }
    if (text.length > limits.OUTPUT_LENGTH) {
      return fail(run, {
        code: 'SANDBOX_OUTPUT',
        message: `What the node gave back is ${text.length} characters long; ${limits.OUTPUT_LENGTH} are allowed.`,
        hint: 'Large data belongs into an asset.',
        retry: 'never',
      });
    }
    end(run, `{"ok":true,"value":${text}}`);
  }

  /** Reads something that was thrown. Every look at it may run foreign code, and may throw again. */
  /** What much of npm takes for granted, and what to do instead. */
  const ABSENT: [name: string, hint: string][] = [
    [
      'process',
      'Settings come from ctx.config. A library that wants process needs a build for browsers: import that one.',
    ],
    ['Buffer', 'Use Uint8Array, TextEncoder and atob, or a library build for browsers.'],
    ['global', 'Use globalThis, or a library build for browsers.'],
    ['__dirname', 'There are no files: texts belong into the code or into assets.'],
    ['__filename', 'There are no files: texts belong into the code or into assets.'],
    ['window', 'There is no page: a node only has its inputs and ctx.'],
    ['document', 'There is no page: pictures are drawn with ctx.render.'],
    ['localStorage', 'Declare store in the manifest and use ctx.store.'],
    ['crypto', 'Bundle a library in plain JavaScript; random numbers come from Math.random, which is seeded.'],
    ['performance', 'The time is ctx.now; the runtime measures how long a node takes.'],
    ['WebAssembly', 'Bundle a version in plain JavaScript.'],
  ];

  function describe(run: RunState, thrown: unknown): Problem {
    const unreadable: Problem = {
      code: 'NODE_THREW',
      message: 'The node threw something that cannot be read.',
      hint: null,
      retry: 'never',
    };
    try {
      if (typeof thrown !== 'object' || thrown === null) {
        return { ...unreadable, message: `The node threw ${words(thrown, 300)}.` };
      }
      const error = thrown as Guest;
      const name = error.name;
      const code = error.code;
      const message = error.message;
      if (name === 'NodeError' && typeof code === 'string' && test(CODE, code) && slice(code, 0, 8) !== 'SANDBOX_') {
        const { hint, retry, notBefore } = error;
        return {
          code,
          message: words(message, 2000),
          hint: typeof hint === 'string' ? words(hint, 1000) : null,
          retry: retry === 'later' || retry === 'person' ? retry : 'never',
          notBefore: typeof notBefore === 'string' ? words(notBefore, 40) : null,
        };
      }
      if (name === 'RangeError' && message === 'Array buffer allocation failed') {
        return { ...unreadable, code: 'SANDBOX_MEMORY', message: 'The node asked for more memory than it may have.' };
      }
      if (name === 'ReferenceError' && typeof message === 'string') {
        for (let at = 0; at < ABSENT.length; at++) {
          const [absent, hint] = ABSENT[at]!;
          if (message !== `${absent} is not defined`) continue;
          return { code: 'NOT_IN_A_NODE', message: `${absent} does not exist inside a node.`, hint, retry: 'never' };
        }
      }
      const title = typeof name === 'string' ? slice(name, 0, 100) : 'Error';
      const text = typeof message === 'string' ? slice(message, 0, 1500) : 'without a message';
      const stack = error.stack;
      if (typeof stack === 'string') log(run, stack);
      return { ...unreadable, message: `${title}: ${text}` };
    } catch {
      return unreadable;
    }
  }

  // ---------------------------------------------------------------- what does not exist here

  const refuse = (name: string, hint: string) =>
    hide(name, () => {
      throw hostError({
        code: 'NOT_IN_A_NODE',
        message: `${name} does not exist inside a node.`,
        hint,
        retry: 'never',
      });
    });
  const WAIT_HINT = 'A node cannot wait by itself: throw a NodeError with retry "later", and it is run again.';
  for (const name of ['setTimeout', 'setInterval', 'setImmediate']) refuse(name, WAIT_HINT);
  for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) hide(name, () => undefined);
  for (const name of ['fetch', 'XMLHttpRequest', 'WebSocket']) {
    refuse(name, 'Declare http in the manifest and use ctx.http.');
  }
  refuse('require', 'Bundle what the node needs into its one file.');
  hide('queueMicrotask', (task: () => void) => {
    then(
      new SavedPromise((resolve) => resolve(undefined)),
      () => task(),
      () => undefined,
    );
  });
  const logLatest = (...values: unknown[]) => {
    if (latest) log(latest, values.length === 1 ? values[0] : values.map((value) => words(value, 300)).join(' '));
  };
  hide(
    'console',
    freeze(
      record({
        log: logLatest,
        info: logLatest,
        warn: logLatest,
        error: logLatest,
        debug: logLatest,
        trace: logLatest,
      }),
    ),
  );

  // ---------------------------------------------------------------- running

  type EntryPoint = (...args: never[]) => unknown;

  function launch(run: RunState, start: Start, entry: EntryPoint) {
    deepFreeze(start.config);
    // what carries settings over asks for nothing: it is given them and where they come from
    const given = start.entry === 'migrateConfig' ? start.inputs : [makeCtx(run, start), start.inputs];
    const value = apply(entry, undefined, given as never[]);
    then(
      new SavedPromise((resolve) => resolve(value)),
      (result) => {
        try {
          succeed(run, result);
        } catch {
          fail(run, describe(run, undefined));
        }
      },
      (error) => fail(run, describe(run, error)),
    );
  }

  /** One after the other, each with its own chance and its own result; the results go out together. */
  function launchMany(whole: RunState, start: Start, entry: EntryPoint) {
    const many = start.many!;
    let at = 0;
    let results = '';
    const next = () => {
      if (!whole.open) return;
      if (at === many.length) return end(whole, `{"ok":true,"value":[${results}]}`);
      const item = newRun(whole.id);
      item.waiting = whole.waiting;
      item.ended = (text) => {
        results += `${results === '' ? '' : ','}{"said":[${item.said}],${slice(text, 1, text.length)}`;
        if (results.length <= limits.OUTPUT_LENGTH) return next();
        const message = 'What the node gave back for these items is too long to cross at once.';
        fail(whole, { code: 'SANDBOX_OUTPUT', message, hint: null, retry: 'never' });
      };
      latest = item;
      const { config, seed, inputs } = many[at]!;
      at += 1;
      try {
        seedChance(seed);
        launch(item, { ...start, config, seed, inputs }, entry);
      } catch (error) {
        fail(item, describe(item, error));
      }
    };
    next();
  }

  // ---------------------------------------------------------------- what only the host can call

  return {
    /** Starts one run in this realm. Never throws: what foreign code throws is described and sent. */
    start(id: number, text: string) {
      const run = newRun(id);
      try {
        runs[id] = run;
        latest = run;
        const start = parse(text) as Start;
        now = SavedDate.parse(start.now);
        deepFreeze(start.brand);
        deepFreeze(start.connection);
        const plugin = realm.plugin as Guest | undefined;
        const entry = plugin?.[start.entry];
        if (start.entry === 'manifest' && typeof entry === 'string')
          return end(run, `{"ok":true,"value":${stringify(parse(entry))}}`);
        if (typeof entry !== 'function') {
          return fail(run, {
            code: 'NODE_BROKEN',
            message: `The plugin does not export ${start.entry}.`,
            hint: null,
            retry: 'never',
          });
        }
        if (start.many) return launchMany(run, start, entry as EntryPoint);
        seedChance(start.seed);
        if (start.entry === 'manifest') succeed(run, parse((entry as () => string)()));
        else launch(run, start, entry as EntryPoint);
      } catch (error) {
        fail(run, describe(run, error));
      }
    },
    settle(id: number, callId: number, ok: boolean, text: string): void {
      const waiting = runs[id]?.waiting[callId];
      if (!waiting) return;
      delete runs[id]?.waiting[callId];
      if (ok) waiting.resolve(parse(text));
      else waiting.reject(hostError(parse(text) as Problem));
    },
    /** The host has ended a run from outside: what it still does goes nowhere. */
    close(id: number): void {
      const run = runs[id];
      if (run) run.open = false;
      delete runs[id];
    },
  };
}
