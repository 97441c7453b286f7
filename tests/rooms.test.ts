/**
 * Each danger lives in exactly one room, and imports run one way (docs: the table below is the rule itself).
 * TypeScript 7 gives no compiler API, so the imports are found by a small scanner of our own, which is tested first:
 * a scanner that finds nothing would let everything pass.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '..');

type Import = { specifier: string | null; isType: boolean };

// ---------------------------------------------------------------- the scanner

/** The source without comments; each string literal is a numbered placeholder, `${…}` in templates stays code. */
function skeleton(source: string): { code: string; strings: string[] } {
  const strings: string[] = [];
  let code = '';
  const keep = (text: string) => {
    code += `"${strings.length}"`;
    strings.push(text);
  };
  const mayStartRegex = () => {
    const before = code.trimEnd();
    return before === '' || /[(,=:[!&|?{};+\-*%<>~^]$|\b(?:return|typeof|case|in|of|await|yield)$/.test(before);
  };
  let at = 0;
  const scan = (until: string | null) => {
    let depth = 0;
    while (at < source.length) {
      const rest = source.slice(at, at + 2);
      const character = source[at]!;
      if (until !== null && character === '{') depth++;
      if (until !== null && character === '}' && depth-- === 0) {
        at++;
        return;
      }
      if (rest === '//') {
        const end = source.indexOf('\n', at);
        at = end < 0 ? source.length : end;
      } else if (rest === '/*') {
        const end = source.indexOf('*/', at + 2);
        at = end < 0 ? source.length : end + 2;
        code += ' ';
      } else if (character === "'" || character === '"') {
        const match = new RegExp(`${character}((?:[^\\\\\\n${character}]|\\\\[\\s\\S])*)${character}`, 'y');
        match.lastIndex = at;
        const found = match.exec(source);
        if (found) keep(found[1]!);
        at += found ? found[0].length : 1; // unclosed on its line: an apostrophe in JSX text
      } else if (character === '`') {
        at++;
        let text = '';
        while (at < source.length && source[at] !== '`') {
          if (source[at] === '\\') {
            text += source.slice(at, at + 2);
            at += 2;
          } else if (source.startsWith('${', at)) {
            at += 2;
            text += '$';
            code += '(';
            scan('}');
            code += ')';
          } else text += source[at++];
        }
        at++;
        keep(text);
      } else if (character === '/' && mayStartRegex()) {
        const match = /\/(?:[^\\/[\n]|\\.|\[(?:[^\\\]\n]|\\.)*\])+\/[a-z]*/y;
        match.lastIndex = at;
        const found = match.exec(source);
        code += found ? '/r/' : '/';
        at += found ? found[0].length : 1;
      } else {
        code += character;
        at++;
      }
    }
  };
  scan(null);
  return { code, strings };
}

/** `specifier` is null where it is computed. */
function importsOf(source: string): Import[] {
  const { code, strings } = skeleton(source);
  const found: Import[] = [];
  const string = (index: string | undefined) => strings[Number(index)] ?? '';
  for (const [, type, index] of code.matchAll(/\bimport\s+(type\s+)?(?:[\w$*{}\s,]+?\s*\bfrom\s*)?"(\d+)"/g)) {
    found.push({ specifier: string(index), isType: type !== undefined });
  }
  for (const [, type, index] of code.matchAll(/\bexport\s+(type\s+)?(?:\*|\{)[\w$*{}\s,]*?\bfrom\s*"(\d+)"/g)) {
    found.push({ specifier: string(index), isType: type !== undefined });
  }
  for (const [, lead, argument] of code.matchAll(/(\btypeof\s+)?\b(?:import|require)\s*\(\s*([^)]*)\)/g)) {
    const literal = /^"(\d+)"\s*(?:,|$)/.exec(argument!.trim());
    found.push({ specifier: literal ? string(literal[1]) : null, isType: lead !== undefined });
  }
  return found;
}

/** Text in quotes that reads like a statement to a database. */
function sqlIn(source: string): string[] {
  const lower =
    /^\s*(?:select\s[\s\S]+\sfrom\s|select\s+[a-z_.]+\(|insert\s+into\s|update\s+[\w."]+\s+set\s|delete\s+from\s|(?:create|alter|drop)\s+(?:table|role|index|schema|policy)\s|(?:un)?listen\s+\w+$|notify\s\w+$)/;
  const upper = new RegExp(
    lower.source.replace(
      /select|from|insert|into|update|set|delete|create|alter|drop|table|role|index|schema|policy|listen|notify/g,
      (word) => word.toUpperCase(),
    ),
  );
  return skeleton(source).strings.filter((text) => lower.test(text) || upper.test(text));
}

// ---------------------------------------------------------------- the table

const ROOMS = ['nodes', 'db', 'runtime', 'server', 'editor'] as const;
type Room = (typeof ROOMS)[number];
type Rule = (target: string, isType: boolean) => boolean;

/** What a room may import of ours besides itself, by path from the root. */
const MAY_IMPORT: Record<Room, Rule> = {
  nodes: () => false,
  db: () => false,
  runtime: (target) => target.startsWith('db/') || target === 'nodes/contract.ts',
  server: (target) =>
    target.startsWith('db/') ||
    target.startsWith('runtime/graph/') ||
    /^runtime\/(?:assets|fetch|seal|sniff)\.ts$/.test(target) ||
    target === 'nodes/contract.ts',
  editor: (target, isType) =>
    target.startsWith('runtime/graph/') || target === 'nodes/contract.ts' || (isType && target === 'server/router.ts'),
};

/** Packages that are a danger, and the only places among the rooms that may hold them. Types may be named anywhere. */
const HOMES: { packages: RegExp; home: RegExp }[] = [
  { packages: /^(?:pg|kysely|postgres)(?:\/|$)/, home: /^db\// },
  { packages: /^graphile-worker$/, home: /^(?:db|runtime)\// },
  { packages: /^isolated-vm$/, home: /^$/ }, // as a type only: the child loads the addon itself
  { packages: /^(?:node:)?vm$/, home: /^$/ },
  { packages: /^(?:node:)?(?:child_process|cluster)$/, home: /^runtime\/sandbox\/spawn\.ts$/ },
  {
    packages: /^(?:undici|openai|assemblyai|(?:node:)?(?:http|https|http2|net|tls|dgram|dns)(?:\/promises)?)$/,
    home: /^runtime\//,
  },
  {
    packages: /^(?:fastify|@fastify\/.*|better-auth(?:\/.*)?|@tus\/server|@trpc\/server(?:\/.*)?)$/,
    home: /^server\//,
  },
  { packages: /^(?:react|react-dom|reactflow|@xyflow\/.*|zustand)(?:\/|$)/, home: /^editor\// },
];

/** Files that compute what they load, and why that is no way out of the room. */
const COMPUTED: Record<string, string> = {
  'nodes/testing.ts': 'finds the node under test by its id; it is never packed',
  'runtime/capabilities/media/ffmpeg.ts': 'asks for the two optional ffmpeg packages by name',
  'runtime/capabilities/render/render.ts': 'reads the versions of a fixed list of packages',
};

/** Files that start a process without spawn.ts, and why: never with foreign code, media or text in its arguments. */
const STARTERS: Record<string, string> = {
  'runtime/capabilities/media/ffmpeg.ts': 'asks our own ffmpeg for its version and filters, with no input',
  'runtime/language/embed.ts': 'our own model, which has to read its weights from node_modules; empty environment',
  'runtime/speech/install.ts': 'apt-get with fixed arguments needs the network and the rights that spawn.ts takes away',
};

const isTest = (file: string) => /\.test\.tsx?$/.test(file);

/** The folder of a node's parts: `nodes/video/clip` for `nodes/video/clip.ts` and for every file in that folder. */
function partsOf(file: string): string | undefined {
  return /^nodes\/[^/]+\/[^/.]+(?=\.ts$|\/[^/]+$)/.exec(file)?.[0];
}

/** Why `file` may not hold this import; undefined where it may. */
function refusal(file: string, { specifier, isType }: Import): string | undefined {
  const room = file.split('/')[0] as Room;
  if (specifier === null) {
    return isTest(file) || Object.hasOwn(COMPUTED, file) ? undefined : 'an import whose target is computed';
  }
  if (specifier.startsWith('.')) {
    const target = path.posix.join(path.posix.dirname(file), specifier);
    if (target.startsWith('..')) return `${specifier} leaves the checkout`;
    const other = target.split('/')[0];
    if (isTest(file)) return undefined; // a test may import anything
    if (room === 'nodes') {
      return target === 'nodes/contract.ts' || path.posix.dirname(target) === partsOf(file)
        ? undefined
        : `nodes may import nodes/contract.ts, zod and their own parts, not ${target}`;
    }
    return other === room || MAY_IMPORT[room](target, isType) ? undefined : `${room} may not import ${target}`;
  }
  if (isTest(file)) return undefined;
  if (room === 'nodes')
    return specifier === 'zod'
      ? undefined
      : `nodes may import nodes/contract.ts, zod and their own parts, not ${specifier}`;
  if (isType) return undefined;
  if (/^(?:node:)?child_process$/.test(specifier) && Object.hasOwn(STARTERS, file)) return undefined;
  const homes = HOMES.filter(({ packages }) => packages.test(specifier));
  return homes.length === 0 || homes.some(({ home }) => home.test(file))
    ? undefined
    : `${specifier} has no place in ${file}`;
}

async function sources(folder: string): Promise<string[]> {
  const entries = await readdir(path.join(ROOT, folder), { withFileTypes: true, recursive: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && /\.(?:ts|tsx|mts|js|mjs|cjs)$/.test(entry.name))
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}

// ---------------------------------------------------------------- the tests

describe('the scanner', () => {
  test('finds every way to import, and types apart from values', () => {
    const found = importsOf(`
      import a from 'default'; import * as b from "star"; import { c,\n  d as e } from 'named';
      import type { F } from 'types'; import 'bare'; import g, { h } from 'both';
      export { i } from 'again'; export * from 'all'; export type { J } from 'again-types';
      const k = await import('dynamic'); const l = require("required"); type M = typeof import('type-of');
      const n = \`\${await import('in-template')}\`; import(where); import { type O, p } from 'mixed';
    `);
    expect(
      found
        .filter(({ isType }) => !isType)
        .map(({ specifier }) => specifier)
        .sort(),
    ).toEqual(
      [
        'default',
        'star',
        'named',
        'bare',
        'both',
        'again',
        'all',
        'dynamic',
        'required',
        'in-template',
        null,
        'mixed',
      ].sort(),
    );
    expect(
      found
        .filter(({ isType }) => isType)
        .map(({ specifier }) => specifier)
        .sort(),
    ).toEqual(['types', 'again-types', 'type-of'].sort());
  });

  test('is not misled by comments, strings, regular expressions or JSX', () => {
    expect(
      importsOf(`
        // import a from 'x'
        /* import b from 'x' */
        const text = "import c from 'x'"; const code = \`import d from 'x'\`;
        const quote = /['"\`]/; const half = total / 2; const url = 'http://x//y';
        const element = <p>Don't import this from here</p>;
        import real from 'real';
      `),
    ).toEqual([{ specifier: 'real', isType: false }]);
  });

  test('tells SQL from sentences', () => {
    expect(
      sqlIn("run('select id from run where x = 1'); say('Select a brand from the list below'.slice(1))"),
    ).toHaveLength(1);
    expect(sqlIn('const q = `update step set state = $'.concat('{x}`'))).toHaveLength(1);
    expect(sqlIn("q('INSERT INTO run VALUES ($1)')")).toHaveLength(1);
    expect(sqlIn("say('Update available'); say('Delete this clip?'); say('Create table of contents')")).toEqual([]);
  });
});

describe('the table', () => {
  const planted: [file: string, source: string][] = [
    ['nodes/video/clip.ts', "import { readFile } from 'node:fs/promises';"],
    ['nodes/video/clip.ts', "import { helper } from './helper.ts';"],
    ['nodes/video/clip.ts', "import { helper } from './frame/crop.ts';"],
    ['nodes/video/clip.ts', "import { helper } from './clip/deeper/crop.ts';"],
    ['nodes/video/clip/crop.ts', "import { run } from '../clip.ts';"],
    ['nodes/video/clip/crop.ts', "import { helper } from '../frame/crop.ts';"],
    ['nodes/video/clip/crop.ts', "import { helper } from '../../testing.ts';"],
    ['nodes/testing.ts', "import { run } from './video/clip.ts';"],
    ['nodes/video/clip.ts', "import type { Sandbox } from '../../runtime/sandbox/sandbox.ts';"],
    ['nodes/video/clip.ts', "const m = await import(['no', 'de:fs'].join(''));"],
    ['db/runs.ts', "import { settle } from '../runtime/retry.ts';"],
    ['runtime/step.ts', "import { router } from '../server/router.ts';"],
    ['runtime/step.ts', "import * as clip from '../nodes/video/clip.ts';"],
    ['runtime/step.ts', "import pg from 'pg';"],
    ['runtime/capabilities/media.ts', "import { spawn } from 'node:child_process';"],
    ['runtime/step.ts', "import vm from 'node:vm';"],
    ['runtime/step.ts', "import ivm from 'isolated-vm';"],
    ['server/runs.ts', "import { run } from '../runtime/sandbox/sandbox.ts';"],
    ['server/runs.ts', "export { run } from '../runtime/step.ts';"],
    ['server/runs.ts', "import OpenAI from 'openai';"],
    ['editor/runs/list.tsx', "import { router } from '../../server/router.ts';"],
    ['editor/runs/list.tsx', "import type { Row } from '../../db/runs.ts';"],
    ['editor/runs/list.tsx', "import type { X } from '../../server/runs.ts';"],
    ['runtime/step.ts', "import x from '../scripts/start.ts';"],
    ['runtime/step.ts', "import x from '../../elsewhere/x.ts';"],
  ];
  test.each(planted)('a stray import planted in %s is refused: %s', (file, source) => {
    const refusals = importsOf(source).map((each) => refusal(file, each));
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toEqual(expect.any(String));
  });

  test('what the rooms are for is allowed', () => {
    const allowed: [string, Import][] = [
      ['nodes/video/clip.ts', { specifier: '../contract.ts', isType: false }],
      ['nodes/video/clip.ts', { specifier: 'zod', isType: false }],
      ['nodes/video/clip.ts', { specifier: './clip/crop.ts', isType: false }],
      ['nodes/video/clip/crop.ts', { specifier: './captions.ts', isType: false }],
      ['nodes/video/clip/crop.ts', { specifier: '../../contract.ts', isType: true }],
      ['runtime/step.ts', { specifier: '../db/runs.ts', isType: false }],
      ['server/runs.ts', { specifier: '../runtime/graph/frames.ts', isType: false }],
      ['editor/client.ts', { specifier: '../server/router.ts', isType: true }],
      ['db/connect.ts', { specifier: 'kysely', isType: false }],
    ];
    for (const [file, each] of allowed) expect(refusal(file, each)).toBeUndefined();
  });

  test.each(ROOMS)('%s imports only what it may', async (room) => {
    const files = await sources(room);
    expect(files.length).toBeGreaterThan(0);
    const strays: string[] = [];
    let count = 0;
    for (const file of files) {
      for (const each of importsOf(await readFile(path.join(ROOT, file), 'utf8'))) {
        count++;
        const why = refusal(file, each);
        if (why) strays.push(`${file}: ${why}`);
      }
    }
    expect(strays).toEqual([]);
    expect(count).toBeGreaterThan(files.length / 4); // the scanner saw the room
  });

  test('SQL is written in db and nowhere else', async () => {
    const strays: string[] = [];
    for (const room of ROOMS.filter((each) => each !== 'db')) {
      for (const file of await sources(room)) {
        if (isTest(file)) continue;
        for (const text of sqlIn(await readFile(path.join(ROOT, file), 'utf8')))
          strays.push(`${file}: ${text.slice(0, 60)}`);
      }
    }
    expect(strays).toEqual([]);
    const own = await Promise.all(
      (await sources('db')).map(async (file) => sqlIn(await readFile(path.join(ROOT, file), 'utf8'))),
    );
    expect(own.flat().length).toBeGreaterThan(0);
  });

  test('no exemption outlives its file', async () => {
    const files = (await Promise.all(ROOMS.map(sources))).flat();
    for (const file of [...Object.keys(COMPUTED), ...Object.keys(STARTERS)]) expect(files).toContain(file);
  });

  test('every folder that holds code is a room or one of the outbuildings', async () => {
    const folders = (await readdir(ROOT, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name);
    const outbuildings = [
      'bench',
      'dist',
      'docs',
      'emulators',
      'node_modules',
      'scripts',
      'templates',
      'tests',
      'data',
    ];
    expect(
      folders.filter((name) => !(ROOMS as readonly string[]).includes(name) && !outbuildings.includes(name)),
    ).toEqual([]);
  });
});
