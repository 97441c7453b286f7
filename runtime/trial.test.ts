import vm from 'node:vm';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { createTrial, isStack, redacted, stackReader } from './trial.ts';

const OF = { plugin: 'p', runId: 'r', type: 'p.one', step: 'it', entry: 'run', attempt: 1, items: 1 };
const ASK = {
  capability: 'http',
  method: 'request',
  args: { method: 'GET', host: 'api.example.com', path: '/one?key=1' },
};

test('it keeps what was said and asked in its order, with what each took', () => {
  const trial = createTrial(OF);
  trial.log('first');
  trial.asked(ASK, 40)({ reply: { status: 200, headers: {}, body: { word: 'x' } }, bytes: 60 });
  trial.asked(
    { capability: 'effect', method: 'send', args: { name: 'post', request: { ...ASK.args, method: 'POST' } } },
    50,
  )({
    error: { code: 'GRANT_MISSING' },
  });
  trial.used({ cpuMs: 1.234567, heapBytes: 100 });
  const error = { code: 'NODE_THREW', message: 'm', hint: null, retry: 'never' as const };
  expect(trial.over({ ok: false, error })).toMatchObject({
    ...OF,
    cpuMs: 1.23,
    heapBytes: 100,
    error,
    said: [
      { kind: 'log', line: 'first' },
      {
        kind: 'call',
        what: 'GET api.example.com/one',
        status: 200,
        code: null,
        sentBytes: 40,
        receivedBytes: 60,
        request: { path: '/one?key=[redacted]' },
        reply: { body: { word: 'x' } },
      },
      {
        kind: 'call',
        what: 'effect post: POST api.example.com/one',
        status: null,
        code: 'GRANT_MISSING',
        receivedBytes: 0,
      },
    ],
  });
});

test('what was never answered is said as well, once', () => {
  const trial = createTrial(OF);
  const tell = trial.asked(ASK, 1);
  const { said } = trial.over({ ok: true, value: null });
  tell({ reply: { status: 200 }, bytes: 1 });
  expect(said).toMatchObject([{ kind: 'call', what: 'GET api.example.com/one', status: null, code: 'UNANSWERED' }]);
});

test('a flood leaves out what comes after, and replies only as long as there is room', () => {
  const trial = createTrial(OF);
  const long = 'x'.repeat(200 * 1024);
  for (const body of [long, long, 'short']) trial.asked(ASK, 1)({ reply: { status: 200, body }, bytes: 1 });
  for (let line = 0; line < 1_000; line++) trial.log('again');
  const { said } = trial.over({ ok: true, value: null });
  expect(said.length).toBe(301);
  expect(said.at(-1)).toMatchObject({ line: '(the rest is left out)' });
  expect(said.slice(0, 3).map((each) => 'reply' in each)).toEqual([true, false, true]);
});

test.each<[string, unknown, unknown]>([
  ['a header', { Authorization: 'Bearer abcdefgh1234' }, { Authorization: '[redacted]' }],
  ['a cookie', { 'set-cookie': 'a=b' }, { 'set-cookie': '[redacted]' }],
  ['a token of an answer', { access_token: 'abc', expires_in: 7 }, { access_token: '[redacted]', expires_in: 7 }],
  ['a bearer in a text', 'sent Bearer abcdefgh1234 off', 'sent Bearer [redacted] off'],
  ['a signed address', 'https://a.example/f?X-Signature=abc&v=1', 'https://a.example/f?X-Signature=[redacted]&v=1'],
  ['a mail address', { by: 'Mail me: ann@firm.org.' }, { by: 'Mail me: [redacted]@example.com.' }],
  ['deep inside', [{ a: { client_secret: 'x' } }], [{ a: { client_secret: '[redacted]' } }]],
  [
    'what is none',
    { next_page: 'abc', count: 3, ok: true, none: null },
    { next_page: 'abc', count: 3, ok: true, none: null },
  ],
])('a secret is not kept: %s', (_what, value, kept) => {
  expect(redacted(value)).toEqual(kept);
});

test.each([
  ['a word without end', 'x'.repeat(200_000)],
  ['the beginning of a query again and again', '?key'.repeat(50_000)],
  ['a name of a query without end', `?${'token'.repeat(40_000)}`],
  ['bearers of nothing', 'bearer '.repeat(30_000)],
  ['at signs', 'a@'.repeat(100_000)],
  ['names of hosts', `a@${'a.'.repeat(100_000)}`],
])('a text that is made to be slow is read as fast as another: %s', (_what, text) => {
  const began = performance.now();
  redacted(text);
  expect(performance.now() - began).toBeLessThan(5_000); // an unlucky search takes minutes
});

test('what is too deep to be walked is left out, and the call goes on', () => {
  let deep: unknown = 1;
  for (let level = 0; level < 50_000; level++) deep = [deep];
  const trial = createTrial(OF);
  trial.asked(ASK, 1)({ reply: { status: 200, body: deep }, bytes: 1 });
  expect(trial.over({ ok: true, value: null }).said).toMatchObject([{ kind: 'call', status: 200 }]);
});

test('a stack leads into the file of its author, without the frames of the sandbox', async () => {
  const made = await build({
    stdin: {
      contents: `const inner = (value: string | null): number => {\n  return value!.length;\n};\nexport function run() { return inner(null); }`,
      loader: 'ts',
      sourcefile: 'src/count.ts',
    },
    bundle: true,
    minifyWhitespace: true,
    minifySyntax: true,
    format: 'iife',
    globalName: 'plugin',
    sourcemap: 'external',
    outfile: 'run.js',
    write: false,
  });
  const map = made.outputFiles.find(({ path }) => path.endsWith('.map'))!.text;
  const code = made.outputFiles.find(({ path }) => path.endsWith('.js'))!.text;
  const stack = vm.runInNewContext(
    `${code};try { plugin.run() } catch (error) { error.stack }`,
    {},
    { filename: 'plugin' },
  ) as string;
  expect(isStack(stack)).toBe(true);
  const lines = stackReader(map)(`${stack}\n    at call (prelude:3:14)`).split('\n');
  expect(lines[0]).toMatch(/^TypeError: /);
  expect(lines[1]).toMatch(/^ {4}at inner \((\.\/)?src\/count\.ts:2:\d+\)$/);
  expect(lines[2]).toMatch(/src\/count\.ts:4:\d+/);
  expect(lines.join('\n')).not.toContain('prelude');
});

test.each([
  ['no JSON', '{'],
  ['no map', '{}'],
  ['no mappings', '{"version":3,"sources":["a"],"names":[],"mappings":""}'],
  ['a source that is not there', '{"version":3,"sources":[],"names":[],"mappings":"AAAA"}'],
])('a map that leads nowhere leaves a stack as it is: %s', (_what, map) => {
  const stack = 'Error: x\n    at run (plugin:1:2)\n    at plugin:0:0';
  expect(stackReader(map)(stack)).toBe(stack);
});
