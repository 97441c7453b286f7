/**
 * Node's own URL, TextDecoder and friends are the oracle: ours must say the same for whatever they are given.
 * The differences that are left on purpose are named in prelude-web.ts and in the tests.
 */
import vm from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WEB_NAMES, webPrelude, whenUsed } from './prelude-web.ts';

type Web = {
  URL: typeof URL;
  URLSearchParams: typeof URLSearchParams;
  TextEncoder: typeof TextEncoder;
  TextDecoder: typeof TextDecoder;
  atob: typeof atob;
  btoa: typeof btoa;
  structuredClone: typeof structuredClone;
};
const realm = vm.createContext({});
vm.runInContext(`(${webPrelude.toString()})()`, realm);
const ours = realm as Web;

const PARTS = [
  'href',
  'origin',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
];
const show = (Kind: typeof URL, url: string, base?: string) => {
  try {
    const parsed = new Kind(url, base) as unknown as Record<string, string>;
    return Object.fromEntries(PARTS.map((part) => [part, parsed[part]]));
  } catch {
    return 'invalid';
  }
};

const KNOWN: [string, string?][] = [
  ['http://example.com'],
  ['HTTP://EXAMPLE.com:80/a/../b/./c?x=1&y= 2#frag ment'],
  ['https://user:p%40ss@host:8443/p?q#h'],
  ['https://us er:pa:ss@host/'],
  ['../x?y#z', 'http://h/a/b/c?q'],
  ['?only', 'http://h/a/b?q#f'],
  ['#only', 'http://h/a/b?q#f'],
  ['', 'http://h/a/b?q#f'],
  ['//other/path', 'https://h/a'],
  ['/root', 'https://h/a/b'],
  ['http:relative', 'http://h/a/b'],
  ['http:\\\\host\\path'],
  ['http://0x7f.1/'],
  ['http://127.1'],
  ['http://2130706433/'],
  ['http://256.1.1.1'],
  ['http://1.2.3.4.5'],
  ['http://[::1]:3000/'],
  ['http://[2001:db8:0:0:1:0:0:1]/'],
  ['http://[::ffff:1.2.3.4]/'],
  ['http://[::1'],
  ['http://ex ample.com'],
  ['http://exa%41mple.com'],
  ['http://münchen.de/straße?ö=ü#ß'],
  ['http://日本語.jp/'],
  ['http://host:99999/'],
  ['http://host:port/'],
  ['http://'],
  ['http:///host/path'],
  ['mailto:someone@example.com'],
  ['data:text/plain,hello world'],
  ['javascript:alert(1)'],
  ['file:///etc/passwd'],
  ['custom://Host/Path/../x'],
  ['custom:/a/b/../c'],
  ['//x', 'custom://a/b'],
  ['x', 'mailto:a@b'],
  ['not a url'],
  ['  http://trim.me/ \n'],
  ['ht\ntp://ta\tbs.com/'],
  ['http://a/%2e%2E/b/%2e'],
  ['http://a/b/..'],
  ['http://a@b@c/'],
  ['https://example.com./'],
  ['ws://h:80/x'],
  ['wss://h:443/x'],
  ["http://h/?it's"],
  ["custom://h/?it's"],
  ['http://h/a|b^c`d{e}'],
];
test.each(KNOWN)('URL reads %j as Node does (base %j)', (url, base) => {
  expect(show(ours.URL, url, base)).toEqual(show(URL, url, base));
});

test('URL reads made-up addresses as Node does', () => {
  const piece = fc.string({ unit: fc.constantFrom(...'ab1./:?#@%&=+ é-_~[]\\2F'), maxLength: 12 });
  const scheme = fc.constantFrom('http://', 'https://', 'custom://', 'ws:', '', '//', '/', '?');
  fc.assert(
    fc.property(scheme, piece, piece, (start, host, rest) => {
      const url = `${start}${host}/${rest}`;
      expect(show(ours.URL, url, 'https://base.example/one/two?three')).toEqual(
        show(URL, url, 'https://base.example/one/two?three'),
      );
    }),
    { numRuns: 3_000, seed: 7 },
  );
});

test('URL changes as Node does when its parts are set', () => {
  const changes: [string, string][] = [
    ['protocol', 'http'],
    ['protocol', 'custom:'],
    ['host', 'other:81'],
    ['host', 'a/b'],
    ['hostname', 'third.example'],
    ['port', '8080'],
    ['port', '443'],
    ['port', '9x'],
    ['pathname', 'new/../path?x#y'],
    ['search', 'a=b c'],
    ['search', ''],
    ['hash', '#end'],
    ['hash', ''],
    ['username', 'me@x'],
    ['password', 'p:w'],
  ];
  for (const [part, value] of changes) {
    const [mine, theirs] = [new ours.URL('https://h:81/p?q#f'), new URL('https://h:81/p?q#f')] as unknown as [
      Record<string, string>,
      Record<string, string>,
    ];
    mine[part] = value;
    theirs[part] = value;
    expect([part, value, mine.href]).toEqual([part, value, theirs.href]);
  }
  const [mine, theirs] = [new ours.URL('https://h/?a=1'), new URL('https://h/?a=1')];
  for (const url of [mine, theirs]) {
    url.searchParams.append('b', 'x y&z');
    url.searchParams.delete('a');
  }
  expect(mine.href).toBe(theirs.href);
  expect(JSON.stringify({ mine })).toBe('{"mine":"https://h/?b=x+y%26z"}');
});

test('URLSearchParams agrees with Node on any pairs and any text', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string())), fc.string(), (pairs, text) => {
      expect(new ours.URLSearchParams(pairs).toString()).toBe(new URLSearchParams(pairs).toString());
      expect([...new ours.URLSearchParams(text)]).toEqual([...new URLSearchParams(text)]);
    }),
    { numRuns: 300 },
  );
});

test('TextEncoder, TextDecoder, atob and btoa agree with Node on anything', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (text, bytes) => {
      expect(Array.from(new ours.TextEncoder().encode(text))).toEqual(Array.from(new TextEncoder().encode(text)));
      expect(new ours.TextDecoder().decode(bytes)).toBe(new TextDecoder().decode(bytes));
      const binary = String.fromCharCode(...bytes);
      expect(ours.btoa(binary)).toBe(btoa(binary));
      expect(ours.atob(btoa(binary))).toBe(binary);
    }),
    { numRuns: 500 },
  );
  expect(() => new ours.TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.of(0xff))).toThrow('not valid UTF-8');
  expect(() => ours.atob('a')).toThrow('not base64');
});

test('a character that arrives in two pieces is decoded whole', () => {
  const decoder = new ours.TextDecoder();
  const bytes = new TextEncoder().encode('ß€😀');
  let text = '';
  for (const byte of bytes) text += decoder.decode(Uint8Array.of(byte), { stream: true });
  expect(text + decoder.decode()).toBe('ß€😀');
});

test('structuredClone copies cycles, maps, sets, dates and own __proto__ keys, and refuses functions', () => {
  const result = vm.runInContext(
    `(() => {
      const value = { map: new Map([[1, new Set(['a'])]]), date: new Date(5), list: [1, , 3], bytes: new Uint8Array([1, 2]) };
      value.self = value;
      const copy = structuredClone(value);
      const poisoned = structuredClone(JSON.parse('{"__proto__": {"bad": true}}'));
      let refused = '';
      try { structuredClone({ f() {} }); } catch (error) { refused = error.name; }
      return [copy !== value, copy.self === copy, copy.map.get(1).has('a'), copy.date.getTime(), copy.list.length,
        copy.bytes[1], Object.keys(poisoned)[0], poisoned.bad, ({}).bad, refused];
    })()`,
    realm,
  ) as unknown[];
  expect([...result]).toEqual([true, true, true, 5, 3, 2, '__proto__', undefined, undefined, 'DataCloneError']);
});

test('nothing of it is made before one of its names is used; then all are there, as plain values', () => {
  const lazy = vm.createContext({ made: 0 });
  const names = JSON.stringify(WEB_NAMES);
  vm.runInContext(`(${whenUsed.toString()})(${names}, () => { made += 1; (${webPrelude.toString()})(); })`, lazy);
  expect(vm.runInContext('made', lazy)).toBe(0);
  expect(vm.runInContext(`new URL('../b', 'https://example.org/a/').href`, lazy)).toBe('https://example.org/b');
  const shapes = vm.runInContext(
    `${names}.map((name) => { const { value, enumerable } = Object.getOwnPropertyDescriptor(globalThis, name); return [typeof value, enumerable]; })`,
    lazy,
  );
  expect(shapes).toEqual(WEB_NAMES.map(() => ['function', false]));
  expect(vm.runInContext('made', lazy)).toBe(1);
  expect(vm.runInContext('globalThis.atob = 1; [atob, typeof btoa]', lazy)).toEqual([1, 'function']);
});

test('what a guest puts in the place of a name stays', () => {
  const lazy = vm.createContext({});
  vm.runInContext(`(${whenUsed.toString()})(${JSON.stringify(WEB_NAMES)}, ${webPrelude.toString()})`, lazy);
  expect(vm.runInContext(`globalThis.URL = 'mine'; [URL, typeof btoa, URL]`, lazy)).toEqual([
    'mine',
    'function',
    'mine',
  ]);
});
