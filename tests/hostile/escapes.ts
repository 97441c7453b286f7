/**
 * Published ways out of sandboxes, each brought down to one script that asks for the number of the host's process. README.md says
 * which advisory each stands for. The weak host (weak-host.mjs) gives it away; ours has nothing to give.
 */
import type { Case } from './corpus.ts';

const plugin = (body: string) => `var plugin = { run: ${body} };`;
const PROCESS = `'return process'`;
const gotOut: Case['weak'] = (messages) =>
  typeof (messages.at(-1)?.result as { pid?: unknown } | undefined)?.pid === 'number';
/** It ends with an error of its own, or gives nothing. */
const wayOut = (name: string, body: string): Case => ({
  name: `gets out by ${name}`,
  code: plugin(body),
  weak: gotOut,
  fails: ['NODE_THREW', 'NODE_BROKEN', 'NODE_BAD_OUTPUT', 'NOT_IN_A_NODE', 'CAPABILITY_UNDECLARED'],
  harmless: (value) => (value as { pid?: unknown } | null)?.pid === undefined,
});

export const ESCAPES: readonly Case[] = [
  wayOut('the constructor of its global', `() => ({ pid: globalThis.constructor.constructor(${PROCESS})().pid })`),
  wayOut(
    'the constructor of this',
    `function () { return { pid: (function () { return this; })().constructor.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut('a template as the argument', '(ctx) => ({ pid: ctx.each.constructor`return process`().pid })'),
  wayOut('a name put together', `(ctx) => ({ pid: ctx.each['constr' + 'uctor'](${PROCESS})().pid })`),
  wayOut(
    'a name from a list',
    `(ctx) => { const [name] = ['constructor']; return { pid: Reflect.get(ctx.each, name)(${PROCESS})().pid }; }`,
  ),
  wayOut('a with statement', `(ctx) => { with (ctx.each) { return { pid: constructor(${PROCESS})().pid }; } }`),
  wayOut(
    'the prototype of a host function',
    `(ctx) => ({ pid: Object.getPrototypeOf(ctx.each).constructor(${PROCESS})().pid })`,
  ),
  wayOut(
    'the descriptor of a host method',
    `(ctx) => ({ pid: Object.getOwnPropertyDescriptor(ctx, 'each').value.constructor(${PROCESS})().pid })`,
  ),
  wayOut('a bound host function', `(ctx) => ({ pid: ctx.each.bind(null).constructor(${PROCESS})().pid })`),
  wayOut('a proxy around a host function', `(ctx) => ({ pid: new Proxy(ctx.each, {}).constructor(${PROCESS})().pid })`),
  wayOut(
    'the arguments of a proxy trap',
    `(ctx) => { let found; const list = new Proxy([1], { get(target, key, receiver) { return Reflect.get(target, key, receiver); } });
      ctx.each(list, () => { found = ctx.each.caller ?? ctx.each; }); return { pid: found.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'the caller of a function',
    `(ctx) => { let found; ctx.each([1], function callback() { found = callback.caller; }); return { pid: found.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'the call sites of a stack: what is this',
    `(ctx) => { let found; Error.prepareStackTrace = (error, frames) => frames;
      ctx.each([1], () => { for (const frame of new Error('x').stack) found ??= frame.getThis?.()?.constructor; });
      return { pid: found.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'the call sites of a stack: which function',
    `(ctx) => { let found; Error.prepareStackTrace = (error, frames) => frames;
      ctx.each([1], () => { for (const frame of new Error('x').stack) if (frame.getFunction?.()?.name === 'each') found = frame.getFunction(); });
      return { pid: found.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'a function that inspects',
    `(ctx) => { let found; ctx.fact('x', { [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) { found = inspect ?? options; return 'x'; } });
      return { pid: found.constructor.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'an error of a full stack',
    `(ctx) => { let found; const deeper = () => { try { deeper(); } catch { try { ctx.each([1], deeper); } catch (error) { found ??= error; } } };
      try { ctx.each([1], () => { const fall = () => { ctx.each([1], fall); }; fall(); }); } catch (error) { found = error; }
      return { pid: found.constructor.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'the species of a promise',
    `async (ctx) => { let found; const promise = ctx.media.probe({});
      promise.constructor = { [Symbol.species]: function (executor) { executor((value) => value, (error) => error); found = executor; } };
      try { promise.then(() => {}); } catch {}
      return { pid: found.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'what a promise is settled with',
    `async (ctx) => { const reply = await ctx.media.probe({}); return { pid: reply.constructor.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'the error of a promise, caught as vm2 did not',
    `async (ctx) => { let found; await Promise.prototype.catch.call(ctx.media.refuse({}), (error) => { found = error; });
      return { pid: found.constructor.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'an async generator that returns a host promise',
    `async (ctx) => { const walk = (async function* () { yield* [ctx.media.probe({})]; })(); const { value } = await walk.next();
      return { pid: value.constructor.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'a thenable that is handed the host’s resolvers',
    `async (ctx) => { let found; ctx.fact('x', 'y'); await { then(resolve) { found = ctx.each; resolve(1); } };
      return { pid: found.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut(
    'a setter on the prototype of arrays',
    `(ctx) => { let found; Object.defineProperty(Array.prototype, 'found', { configurable: true, set(value) { found = value; }, get() { return ctx.each; } });
      return { pid: [].found.constructor(${PROCESS})().pid }; }`,
  ),
  wayOut('a built-in module asked of process', `() => ({ pid: process.getBuiltinModule('node:process').pid })`),
  wayOut(
    'the loader of process',
    `() => ({ pid: process.mainModule === undefined ? process.pid : process.mainModule.require('process').pid })`,
  ),
  wayOut('a binding', `() => ({ pid: typeof process.binding === 'function' ? process.pid : undefined })`),
  wayOut('an import inside eval', `async () => ({ pid: (await (0, eval)('import("node:process")')).default.pid })`),
  wayOut(
    'an import inside a function',
    `async () => ({ pid: (await new Function('return import("node:process")')()).default.pid })`,
  ),
  wayOut(
    'an import inside an async function',
    `async () => { const Async = (async () => {}).constructor; return { pid: (await (await new Async('return import("node:process")')())).default.pid }; }`,
  ),
  wayOut('the console', `() => ({ pid: console.log.constructor(${PROCESS})().pid })`),
  wayOut('a timer’s handle', `() => ({ pid: setTimeout(() => {}, 0).constructor.constructor(${PROCESS})().pid })`),
  wayOut('the queue of microtasks', `() => ({ pid: queueMicrotask.constructor(${PROCESS})().pid })`),
];
