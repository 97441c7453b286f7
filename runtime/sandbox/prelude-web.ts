/**
 * The few web functions that much of npm expects, in plain JavaScript: URL, URLSearchParams, TextEncoder, TextDecoder
 * (UTF-8), atob, btoa, structuredClone. Runs INSIDE the isolate, turned into text like prelude.ts, so it may use
 * nothing but its own body. It holds no rights: what foreign code does to it, it does to itself.
 *
 * Source: url.spec.whatwg.org, encoding.spec.whatwg.org, html.spec.whatwg.org "structured data" (read 2026-11).
 * Left out: UTS 46 mapping of host names (they are lower-cased, normalised (NFC) and written as punycode), encodings
 * other than UTF-8, blob: and file: drive letters, structuredClone's transfer list.
 */

/** What it defines. */
export const WEB_NAMES = ['URL', 'URLSearchParams', 'TextEncoder', 'TextDecoder', 'atob', 'btoa', 'structuredClone'];

/** Runs INSIDE the isolate: few guests want any of it, so `web` is called when the first of its names is used. */
export function whenUsed(names: readonly string[], web: () => void): void {
  const realm = globalThis as unknown as Record<string, unknown>;
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  /** What the guest has put in their places itself stays. */
  const replaced: { name: string; value: unknown }[] = [];
  const define = (name: string, value: unknown) =>
    defineProperty(realm, name, { value, writable: true, configurable: true, enumerable: false });
  for (const name of names) {
    defineProperty(realm, name, {
      configurable: true,
      enumerable: false,
      get() {
        for (const each of names) {
          const found = getOwnPropertyDescriptor(realm, each);
          if (!found?.get) replaced.push({ name: each, value: found?.value });
          delete realm[each];
        }
        web();
        for (const each of replaced) define(each.name, each.value);
        return realm[name];
      },
      set(value: unknown) {
        define(name, value);
      },
    });
  }
}

/** Defines them all, on whatever realm it runs in. */
export function webPrelude(): void {
  const realm = globalThis as unknown as Record<string, unknown>;
  const define = (name: string, value: unknown) =>
    Object.defineProperty(realm, name, { value, writable: true, configurable: true, enumerable: false });

  // ---------------------------------------------------------------- UTF-8

  function utf8(text: string): number[] {
    const bytes: number[] = [];
    for (let at = 0; at < text.length; at++) {
      let point = text.charCodeAt(at);
      if (point >= 0xd800 && point <= 0xdfff) {
        const low = at + 1 < text.length ? text.charCodeAt(at + 1) : 0;
        if (point <= 0xdbff && low >= 0xdc00 && low <= 0xdfff) {
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
          at++;
        } else point = 0xfffd;
      }
      if (point < 0x80) bytes.push(point);
      else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
      else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
      else {
        bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
      }
    }
    return bytes;
  }

  /** Wrong sequences become U+FFFD one by one ("maximal subpart"), or throw where `fatal`. */
  function fromUtf8(bytes: ArrayLike<number>, fatal: boolean): string {
    const parts: string[] = [];
    let text = '';
    const bad = () => {
      if (fatal) throw new TypeError('The encoded data was not valid UTF-8');
      text += '\ufffd';
    };
    for (let at = 0; at < bytes.length; ) {
      const first = bytes[at++]!;
      if (first < 0x80) text += String.fromCharCode(first);
      else {
        const more =
          first >= 0xc2 && first <= 0xdf
            ? 1
            : first >= 0xe0 && first <= 0xef
              ? 2
              : first >= 0xf0 && first <= 0xf4
                ? 3
                : 0;
        if (more === 0) bad();
        else {
          let point = first & (0x3f >> more);
          let lower = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
          let upper = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
          let left = more;
          while (left > 0 && at < bytes.length && bytes[at]! >= lower && bytes[at]! <= upper) {
            point = (point << 6) | (bytes[at++]! & 63);
            lower = 0x80;
            upper = 0xbf;
            left--;
          }
          if (left > 0) bad();
          else text += String.fromCodePoint(point);
        }
      }
      if (text.length > 8192) {
        parts.push(text);
        text = '';
      }
    }
    parts.push(text);
    return parts.join('');
  }

  const bytesOf = (data: unknown): Uint8Array => {
    if (data === undefined) return new Uint8Array(0);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw new TypeError('The data is neither an ArrayBuffer nor a view of one');
  };

  define(
    'TextEncoder',
    class TextEncoder {
      get encoding() {
        return 'utf-8';
      }
      encode(text: unknown = '') {
        return new Uint8Array(utf8(String(text)));
      }
      encodeInto(text: unknown, target: Uint8Array) {
        let read = 0;
        let written = 0;
        for (const character of String(text)) {
          const bytes = utf8(character);
          if (written + bytes.length > target.length) break;
          target.set(bytes, written);
          written += bytes.length;
          read += character.length;
        }
        return { read, written };
      }
    },
  );

  define(
    'TextDecoder',
    class TextDecoder {
      #fatal: boolean;
      #ignoreBOM: boolean;
      #held: number[] = [];
      #started = false;
      constructor(label: unknown = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
        if (!/^\s*(?:utf-?8|unicode-1-1-utf-8)\s*$/i.test(String(label))) {
          throw new RangeError(`Only UTF-8 can be decoded inside a node, not "${String(label)}"`);
        }
        this.#fatal = Boolean(options.fatal);
        this.#ignoreBOM = Boolean(options.ignoreBOM);
      }
      get encoding() {
        return 'utf-8';
      }
      get fatal() {
        return this.#fatal;
      }
      get ignoreBOM() {
        return this.#ignoreBOM;
      }
      decode(data?: unknown, options: { stream?: boolean } = {}) {
        let bytes: ArrayLike<number> = bytesOf(data);
        if (this.#held.length > 0) bytes = [...this.#held, ...Array.from(bytes)];
        this.#held = [];
        if (options.stream) {
          // keep back an unfinished last character
          for (let back = 1; back <= 3 && back <= bytes.length; back++) {
            const byte = bytes[bytes.length - back]!;
            if (byte < 0x80) break;
            if (byte >= 0xc0) {
              const need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
              if (need > back) {
                const all = Array.from(bytes);
                this.#held = all.slice(all.length - back);
                bytes = all.slice(0, all.length - back);
              }
              break;
            }
          }
        }
        let text = fromUtf8(bytes, this.#fatal);
        if (!this.#started && !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
        this.#started = Boolean(options.stream);
        return text;
      }
    },
  );

  // ---------------------------------------------------------------- base64

  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const invalidCharacter = (message: string) =>
    Object.assign(new Error(message), { name: 'InvalidCharacterError', code: 5 });
  define('btoa', function btoa(data: unknown) {
    const text = String(data);
    let out = '';
    for (let at = 0; at < text.length; at += 3) {
      const [a, b, c] = [text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2)];
      if (a > 255 || b > 255 || c > 255) throw invalidCharacter('btoa takes characters up to U+00FF only');
      const left = text.length - at;
      const bits = (a << 16) | ((left > 1 ? b : 0) << 8) | (left > 2 ? c : 0);
      out += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]!;
      out += (left > 1 ? ALPHABET[(bits >> 6) & 63]! : '=') + (left > 2 ? ALPHABET[bits & 63]! : '=');
    }
    return out;
  });
  define('atob', function atob(data: unknown) {
    let text = String(data).replace(/[\t\n\f\r ]/g, '');
    if (text.length % 4 === 0) text = text.replace(/==?$/, '');
    if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) throw invalidCharacter('This is not base64');
    let out = '';
    let bits = 0;
    let count = 0;
    for (const character of text) {
      bits = ((bits << 6) | ALPHABET.indexOf(character)) & 0xffffff;
      count += 6;
      if (count >= 8) {
        count -= 8;
        out += String.fromCharCode((bits >> count) & 255);
      }
    }
    return out;
  });

  // ---------------------------------------------------------------- structuredClone

  const cannot = (value: unknown) =>
    Object.assign(new Error(`${typeof value === 'function' ? 'A function' : String(value)} could not be cloned.`), {
      name: 'DataCloneError',
      code: 25,
    });
  define('structuredClone', function structuredClone(root: unknown) {
    const seen = new Map<unknown, unknown>();
    const clone = (value: unknown): unknown => {
      if (typeof value === 'function' || typeof value === 'symbol') throw cannot(value);
      if (typeof value !== 'object' || value === null) return value;
      if (seen.has(value)) return seen.get(value);
      const keep = <T>(copy: T): T => {
        seen.set(value, copy);
        return copy;
      };
      if (value instanceof Date) return keep(new Date(value.getTime()));
      if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
      if (value instanceof Boolean || value instanceof Number || value instanceof String)
        return keep(Object(value.valueOf()));
      if (value instanceof ArrayBuffer) return keep(value.slice(0));
      if (ArrayBuffer.isView(value)) {
        const buffer = clone(value.buffer) as ArrayBuffer;
        const { byteOffset, byteLength } = value;
        if (value instanceof DataView) return keep(new DataView(buffer, byteOffset, byteLength));
        const View = value.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => unknown;
        return keep(new View(buffer, byteOffset, (value as Uint8Array).length));
      }
      if (value instanceof Map) {
        const copy = keep(new Map());
        for (const [key, member] of [...value]) copy.set(clone(key), clone(member));
        return copy;
      }
      if (value instanceof Set) {
        const copy = keep(new Set());
        for (const member of [...value]) copy.add(clone(member));
        return copy;
      }
      if (value instanceof Error) {
        const names = ['EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'];
        const Kind = names.includes(value.name) ? (realm[value.name] as ErrorConstructor) : Error;
        const copy = keep(new Kind(String(value.message)));
        if (Object.hasOwn(value, 'cause')) copy.cause = clone(value.cause);
        return copy;
      }
      if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw cannot(value);
      const copy = keep(Array.isArray(value) ? new Array(value.length) : {}) as Record<string, unknown>;
      for (const key of Object.keys(value)) {
        Object.defineProperty(copy, key, {
          value: clone((value as Record<string, unknown>)[key]),
          writable: true,
          enumerable: true,
          configurable: true,
        });
      }
      return copy;
    };
    return clone(root);
  });

  // ---------------------------------------------------------------- percent-encoding

  const hex = (byte: number) => `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
  const C0 = '';
  const FRAGMENT = ' "<>`';
  const QUERY = ' "#<>';
  const SPECIAL_QUERY = `${QUERY}'`;
  const PATH = ' "#<>?^`{}';
  const USERINFO = `${PATH}/:;=@[\\]|`;
  function encode(text: string, set: string): string {
    let out = '';
    for (const character of text) {
      const code = character.codePointAt(0)!;
      if (code > 0x20 - (set === C0 ? 1 : 0) && code < 0x7f && !set.includes(character)) out += character;
      else if (code === 0x20 && !set.includes(' ')) out += character;
      else for (const byte of utf8(character)) out += hex(byte);
    }
    return out;
  }
  function decodeBytes(text: string): number[] {
    const bytes = utf8(text);
    const out: number[] = [];
    for (let at = 0; at < bytes.length; at++) {
      const pair = bytes[at] === 0x25 ? String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0) : '';
      if (/^[0-9a-f]{2}$/i.test(pair)) {
        out.push(Number.parseInt(pair, 16));
        at += 2;
      } else out.push(bytes[at]!);
    }
    return out;
  }

  // ---------------------------------------------------------------- URLSearchParams

  const formDecode = (text: string) => fromUtf8(decodeBytes(text.replace(/\+/g, ' ')), false);
  function formEncode(text: string): string {
    let out = '';
    for (const byte of utf8(text)) {
      if (byte === 0x20) out += '+';
      else if (/[A-Za-z0-9*\-._]/.test(String.fromCharCode(byte))) out += String.fromCharCode(byte);
      else out += hex(byte);
    }
    return out;
  }
  const wellFormed = (value: unknown) => String(value).toWellFormed();
  const UPDATE = Symbol('update');

  class URLSearchParams {
    #pairs: [string, string][] = [];
    [UPDATE]: (() => void) | undefined;
    constructor(init: unknown = '') {
      if (typeof init === 'object' && init !== null) {
        if (Symbol.iterator in init) {
          for (const pair of init as Iterable<Iterable<unknown>>) {
            const [name, value, ...rest] = [...pair];
            if (rest.length > 0 || value === undefined) throw new TypeError('Each pair must have a name and a value');
            this.#pairs.push([wellFormed(name), wellFormed(value)]);
          }
        } else {
          for (const [name, value] of Object.entries(init)) this.#pairs.push([wellFormed(name), wellFormed(value)]);
        }
      } else this.#read(wellFormed(init).replace(/^\?/, ''));
    }
    #read(query: string) {
      this.#pairs = [];
      for (const part of query.split('&')) {
        if (part === '') continue;
        const at = part.indexOf('=');
        this.#pairs.push(
          at < 0 ? [formDecode(part), ''] : [formDecode(part.slice(0, at)), formDecode(part.slice(at + 1))],
        );
      }
    }
    get size() {
      return this.#pairs.length;
    }
    append(name: unknown, value: unknown) {
      this.#pairs.push([wellFormed(name), wellFormed(value)]);
      this[UPDATE]?.();
    }
    delete(name: unknown, value?: unknown) {
      this.#pairs = this.#pairs.filter(
        (pair) => pair[0] !== wellFormed(name) || (value !== undefined && pair[1] !== wellFormed(value)),
      );
      this[UPDATE]?.();
    }
    get(name: unknown) {
      return this.#pairs.find((pair) => pair[0] === wellFormed(name))?.[1] ?? null;
    }
    getAll(name: unknown) {
      return this.#pairs.filter((pair) => pair[0] === wellFormed(name)).map((pair) => pair[1]);
    }
    has(name: unknown, value?: unknown) {
      return this.#pairs.some(
        (pair) => pair[0] === wellFormed(name) && (value === undefined || pair[1] === wellFormed(value)),
      );
    }
    set(name: unknown, value: unknown) {
      const at = this.#pairs.findIndex((pair) => pair[0] === wellFormed(name));
      if (at < 0) return this.append(name, value);
      this.#pairs[at] = [wellFormed(name), wellFormed(value)];
      this.#pairs = this.#pairs.filter((pair, index) => index <= at || pair[0] !== wellFormed(name));
      this[UPDATE]?.();
    }
    sort() {
      this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this[UPDATE]?.();
    }
    forEach(each: (value: string, name: string, params: unknown) => void, self?: unknown) {
      for (const [name, value] of this.#pairs) each.call(self, value, name, this);
    }
    *entries(): Generator<[string, string]> {
      for (let at = 0; at < this.#pairs.length; at++) yield [...this.#pairs[at]!];
    }
    *keys() {
      for (const [name] of this.entries()) yield name;
    }
    *values() {
      for (const [, value] of this.entries()) yield value;
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return this.#pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join('&');
    }
    get [Symbol.toStringTag]() {
      return 'URLSearchParams';
    }
    /** Only for URL: takes over a new query without telling it. */
    static reread(params: URLSearchParams, query: string) {
      params.#read(query);
    }
  }
  const { reread } = URLSearchParams;
  Reflect.deleteProperty(URLSearchParams, 'reread');
  define('URLSearchParams', URLSearchParams);

  // ---------------------------------------------------------------- URL

  const PORTS: Record<string, string> = { http: '80', https: '443', ws: '80', wss: '443', ftp: '21', file: '' };
  const isSpecial = (scheme: string) => Object.hasOwn(PORTS, scheme);
  const invalid = (text: string) =>
    Object.assign(new TypeError(`Invalid URL`), { code: 'ERR_INVALID_URL', input: text.slice(0, 200) });

  type Parts = {
    scheme: string;
    username: string;
    password: string;
    host: string | null;
    port: string;
    /** a list of segments, or one opaque string (`mailto:a@b`) */
    path: string[] | string;
    query: string | null;
    fragment: string | null;
  };

  function ipv4Number(part: string): number {
    if (part === '') return Number.NaN;
    if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : Number.parseInt(part.slice(2), 16);
    if (/^0[0-7]+$/.test(part)) return Number.parseInt(part, 8);
    return /^(?:0|[1-9][0-9]*)$/.test(part) ? Number(part) : Number.NaN;
  }
  function ipv4(host: string): string {
    const parts = host.split('.');
    if (parts[parts.length - 1] === '' && parts.length > 1) parts.pop();
    if (parts.length > 4) throw invalid(host);
    const numbers = parts.map(ipv4Number);
    const last = numbers.pop()!;
    if (numbers.some((value) => !(value <= 255)) || !(last < 256 ** (4 - numbers.length))) throw invalid(host);
    let address = last;
    for (const [index, value] of numbers.entries()) address += value * 256 ** (3 - index);
    return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
  }
  function ipv6(text: string): string {
    let source = text;
    const dotted = /^(.*:)([0-9]+(?:\.[0-9]+){3})$/.exec(source);
    if (dotted) {
      const bytes = dotted[2]!.split('.').map((part) => (/^(?:0|[1-9][0-9]{0,2})$/.test(part) ? Number(part) : 256));
      if (bytes.some((byte) => byte > 255)) throw invalid(text);
      const [a, b, c, d] = bytes as [number, number, number, number];
      source = `${dotted[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    }
    const halves = source.split('::');
    if (halves.length > 2) throw invalid(text);
    const pieces = (half: string) =>
      half === ''
        ? []
        : half.split(':').map((piece) => {
            if (!/^[0-9a-f]{1,4}$/i.test(piece)) throw invalid(text);
            return Number.parseInt(piece, 16);
          });
    const [head, tail] = [pieces(halves[0]!), halves.length === 2 ? pieces(halves[1]!) : []];
    if (halves.length === 2 ? head.length + tail.length > 7 : head.length !== 8) throw invalid(text);
    const all = [...head, ...new Array(8 - head.length - tail.length).fill(0), ...tail] as number[];
    let [best, bestLength] = [-1, 1];
    for (let at = 0; at < 8; at++) {
      let length = 0;
      while (at + length < 8 && all[at + length] === 0) length++;
      if (length > bestLength) [best, bestLength] = [at, length];
    }
    const text16 = all.map((piece) => piece.toString(16));
    if (best < 0) return `[${text16.join(':')}]`;
    return `[${text16.slice(0, best).join(':')}::${text16.slice(best + bestLength).join(':')}]`;
  }
  /** RFC 3492, as far as writing goes. */
  function punycode(label: string): string {
    const input = Array.from(label, (character) => character.codePointAt(0)!);
    const basic = input.filter((point) => point < 0x80);
    let out = String.fromCharCode(...basic);
    if (basic.length > 0) out += '-';
    let [n, delta, bias, handled] = [128, 0, 72, basic.length];
    while (handled < input.length) {
      const next = Math.min(...input.filter((point) => point >= n));
      delta += (next - n) * (handled + 1);
      n = next;
      for (const point of input) {
        if (point < n) delta++;
        if (point !== n) continue;
        let q = delta;
        for (let k = 36; ; k += 36) {
          const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
          if (q < t) break;
          const digit = t + ((q - t) % (36 - t));
          out += String.fromCharCode(digit < 26 ? digit + 97 : digit + 22);
          q = Math.floor((q - t) / (36 - t));
        }
        out += String.fromCharCode(q < 26 ? q + 97 : q + 22);
        let d = handled === basic.length ? Math.floor(delta / 700) : Math.floor(delta / 2);
        d += Math.floor(d / (handled + 1));
        let k = 0;
        for (; d > 455; k += 36) d = Math.floor(d / 35);
        bias = k + Math.floor((36 * d) / (d + 38));
        delta = 0;
        handled++;
      }
      delta++;
      n++;
    }
    return out;
  }
  function parseHost(text: string, special: boolean): string {
    if (text.startsWith('[')) {
      if (!text.endsWith(']')) throw invalid(text);
      return ipv6(text.slice(1, -1));
    }
    if (!special) {
      if (/[\0\t\n\r #/:<>?@[\\\]^|]/.test(text)) throw invalid(text);
      return encode(text, C0);
    }
    const name = fromUtf8(decodeBytes(text), false)
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[。．｡]/g, '.')
      .replace(/\u00ad/g, '');
    const ascii = name
      .split('.')
      .map((label) => (/[^\0-\x7f]/.test(label) ? `xn--${punycode(label.normalize('NFC'))}` : label))
      .join('.');
    if (ascii === '' || name.includes('\ufffd') || /[\0-\x20#%/:<>?@[\\\]^|\x7f]/.test(ascii)) throw invalid(text);
    const labels = ascii.split('.');
    const last = labels[labels.length - 1] === '' ? (labels[labels.length - 2] ?? '') : labels[labels.length - 1]!;
    return /^[0-9]+$/.test(last) || /^0x[0-9a-f]*$/i.test(last) ? ipv4(ascii) : ascii;
  }

  const isSingleDot = (segment: string) => /^(?:\.|%2e)$/i.test(segment);
  const isDoubleDot = (segment: string) => /^(?:\.|%2e){2}$/i.test(segment);
  function addPath(base: string[], text: string, special: boolean): string[] {
    const path = [...base];
    const segments = text.split(special ? /[/\\]/ : '/');
    for (const [index, segment] of segments.entries()) {
      const isLast = index === segments.length - 1;
      if (isDoubleDot(segment)) {
        path.pop();
        if (isLast) path.push('');
      } else if (isSingleDot(segment)) {
        if (isLast) path.push('');
      } else path.push(encode(segment, PATH));
    }
    return path;
  }
  function setAuthority(parts: Parts, authority: string, special: boolean) {
    const at = authority.lastIndexOf('@');
    if (at >= 0) {
      const [, name = '', secret] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, at)) ?? [];
      parts.username = encode(name, USERINFO);
      parts.password = encode(secret ?? '', USERINFO);
    }
    const rest = authority.slice(at + 1);
    const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/s.exec(rest);
    if (!match) throw invalid(rest);
    if (match[1] === '' && (special || at >= 0 || match[2] !== undefined)) throw invalid(rest);
    parts.host = match[1] === '' ? '' : parseHost(match[1]!, special);
    setPort(parts, match[2] ?? '');
  }
  function setPort(parts: Parts, digits: string) {
    if (digits === '') parts.port = '';
    else if (Number(digits) > 65_535) throw invalid(digits);
    else parts.port = String(Number(digits)) === PORTS[parts.scheme] ? '' : String(Number(digits));
  }

  function parseUrl(input: string, base: Parts | null): Parts {
    let text = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
    const parts: Parts = {
      scheme: '',
      username: '',
      password: '',
      host: null,
      port: '',
      path: [],
      query: null,
      fragment: null,
    };
    const hash = text.indexOf('#');
    if (hash >= 0) {
      parts.fragment = encode(text.slice(hash + 1), FRAGMENT);
      text = text.slice(0, hash);
    }
    const scheme = /^([a-z][a-z0-9+\-.]*):/i.exec(text)?.[1]?.toLowerCase();
    const takeQuery = (special: boolean) => {
      const mark = text.indexOf('?');
      if (mark < 0) return;
      parts.query = encode(text.slice(mark + 1), special ? SPECIAL_QUERY : QUERY);
      text = text.slice(0, mark);
    };
    if (scheme !== undefined) {
      const special = isSpecial(scheme);
      const rest = text.slice(scheme.length + 1);
      const relative = special && base?.scheme === scheme && !/^[/\\]{2}/.test(rest) && scheme !== 'file';
      parts.scheme = scheme;
      text = rest;
      if (!relative) {
        takeQuery(special);
        if (special) {
          if (scheme === 'file') {
            text = text.replace(/\\/g, '/');
            const match = /^\/\/([^/]*)(.*)$/s.exec(text);
            parts.host = match?.[1] ? parseHost(match[1], true) : '';
            if (parts.host === 'localhost') parts.host = '';
            parts.path = addPath([], (match ? match[2]! : text).replace(/^\//, ''), true);
            return parts;
          }
          const match = /^[/\\]*([^/\\]*)[/\\]?(.*)$/s.exec(text)!;
          setAuthority(parts, match[1]!, true);
          parts.path = addPath([], match[2]!, true);
        } else if (text.startsWith('//')) {
          const match = /^\/\/([^/]*)(.*)$/s.exec(text)!;
          setAuthority(parts, match[1]!, false);
          parts.path = match[2] === '' ? [] : addPath([], match[2]!.slice(1), false);
        } else if (text.startsWith('/')) parts.path = addPath([], text.slice(1), false);
        else parts.path = encode(text, C0).replace(/ $/, '%20');
        return parts;
      }
    }
    if (!base) throw invalid(input);
    if (typeof base.path === 'string') {
      if (text !== '' || hash < 0) throw invalid(input);
      return { ...base, fragment: parts.fragment };
    }
    parts.scheme = base.scheme;
    const special = isSpecial(base.scheme);
    const hasQuery = text.includes('?');
    takeQuery(special);
    const slashes = special ? /^[/\\]{2}/ : /^\/\//;
    if (slashes.test(text)) {
      const match = (special ? /^[/\\]{2}[/\\]*([^/\\]*)[/\\]?(.*)$/s : /^\/\/([^/]*)(.*)$/s).exec(text)!;
      setAuthority(parts, match[1]!, special);
      if (special) parts.path = addPath([], match[2]!, true);
      else parts.path = match[2] === '' ? [] : addPath([], match[2]!.slice(1), false);
      return parts;
    }
    parts.username = base.username;
    parts.password = base.password;
    parts.host = base.host;
    parts.port = base.port;
    if (text === '') {
      parts.path = [...base.path];
      if (!hasQuery) parts.query = base.query;
    } else if ((special ? /^[/\\]/ : /^\//).test(text)) parts.path = addPath([], text.slice(1), special);
    else parts.path = addPath(base.path.slice(0, -1), text, special);
    return parts;
  }

  const pathText = (parts: Parts) =>
    typeof parts.path === 'string' ? parts.path : parts.path.map((segment) => `/${segment}`).join('');
  function print(parts: Parts): string {
    let out = `${parts.scheme}:`;
    if (parts.host !== null) {
      out += '//';
      if (parts.username !== '' || parts.password !== '') {
        out += `${parts.username}${parts.password === '' ? '' : `:${parts.password}`}@`;
      }
      out += parts.host + (parts.port === '' ? '' : `:${parts.port}`);
    } else if (typeof parts.path !== 'string' && parts.path.length > 1 && parts.path[0] === '') out += '/.';
    out += pathText(parts);
    if (parts.query !== null) out += `?${parts.query}`;
    if (parts.fragment !== null) out += `#${parts.fragment}`;
    return out;
  }

  class URL {
    #parts: Parts;
    #params: URLSearchParams;
    constructor(url: unknown, base?: unknown) {
      this.#parts = parseUrl(wellFormed(url), base === undefined ? null : parseUrl(wellFormed(base), null));
      this.#params = new URLSearchParams();
      reread(this.#params, this.#parts.query ?? '');
      this.#params[UPDATE] = () => {
        const text = this.#params.toString();
        this.#parts.query = text === '' ? null : text;
      };
    }
    static canParse(url: unknown, base?: unknown) {
      return URL.parse(url, base) !== null;
    }
    static parse(url: unknown, base?: unknown) {
      try {
        return new URL(url, base);
      } catch {
        return null;
      }
    }
    /** Setters ignore what does not fit, as the standard says. */
    #change(change: (parts: Parts) => void) {
      const copy = { ...this.#parts };
      try {
        change(copy);
        this.#parts = copy;
      } catch {
        // stays as it was
      }
    }
    get href() {
      return print(this.#parts);
    }
    set href(value: unknown) {
      this.#parts = parseUrl(wellFormed(value), null);
      reread(this.#params, this.#parts.query ?? '');
    }
    get origin() {
      const { scheme, host, port } = this.#parts;
      if (!isSpecial(scheme) || scheme === 'file') return 'null';
      return `${scheme}://${host}${port === '' ? '' : `:${port}`}`;
    }
    get protocol() {
      return `${this.#parts.scheme}:`;
    }
    set protocol(value: unknown) {
      const scheme = /^([a-z][a-z0-9+\-.]*)(?::|$)/i.exec(wellFormed(value))?.[1]?.toLowerCase();
      if (scheme === undefined || isSpecial(scheme) !== isSpecial(this.#parts.scheme)) return;
      this.#change((parts) => {
        parts.scheme = scheme;
        setPort(parts, parts.port);
      });
    }
    get username() {
      return this.#parts.username;
    }
    set username(value: unknown) {
      if (this.#parts.host) this.#parts.username = encode(wellFormed(value), USERINFO);
    }
    get password() {
      return this.#parts.password;
    }
    set password(value: unknown) {
      if (this.#parts.host) this.#parts.password = encode(wellFormed(value), USERINFO);
    }
    get host() {
      const { host, port } = this.#parts;
      return (host ?? '') + (port === '' ? '' : `:${port}`);
    }
    set host(value: unknown) {
      if (typeof this.#parts.path === 'string') return;
      this.#change((parts) => {
        const { username, password, port } = parts;
        const given = wellFormed(value).split(isSpecial(parts.scheme) ? /[/\\?#]/ : /[/?#]/)[0]!;
        if (given.includes('@')) throw invalid(given);
        setAuthority(parts, given, isSpecial(parts.scheme));
        if (!/:[0-9]+$/.test(given)) parts.port = port;
        parts.username = username;
        parts.password = password;
      });
    }
    get hostname() {
      return this.#parts.host ?? '';
    }
    set hostname(value: unknown) {
      if (typeof this.#parts.path === 'string') return;
      this.#change((parts) => {
        const given = wellFormed(value).split(isSpecial(parts.scheme) ? /[/\\?#]/ : /[/?#]/)[0]!;
        if (given === '' && isSpecial(parts.scheme)) throw invalid(given);
        parts.host = parseHost(given.startsWith('[') ? given : given.split(':')[0]!, isSpecial(parts.scheme));
      });
    }
    get port() {
      return this.#parts.port;
    }
    set port(value: unknown) {
      const text = wellFormed(value);
      const digits = /^[0-9]*/.exec(text)![0];
      if (!this.#parts.host || this.#parts.scheme === 'file' || (digits === '' && text !== '')) return;
      this.#change((parts) => setPort(parts, digits));
    }
    get pathname() {
      return pathText(this.#parts);
    }
    set pathname(value: unknown) {
      if (typeof this.#parts.path === 'string') return;
      const special = isSpecial(this.#parts.scheme);
      const text = wellFormed(value).replace(special ? /^[/\\]/ : /^\//, '');
      this.#parts.path = addPath([], text.replace(/\?/g, '%3F').replace(/#/g, '%23'), special);
    }
    get search() {
      return this.#parts.query ? `?${this.#parts.query}` : '';
    }
    set search(value: unknown) {
      const text = wellFormed(value).replace(/^\?/, '');
      this.#parts.query = text === '' ? null : encode(text, isSpecial(this.#parts.scheme) ? SPECIAL_QUERY : QUERY);
      reread(this.#params, this.#parts.query ?? '');
    }
    get searchParams() {
      return this.#params;
    }
    get hash() {
      return this.#parts.fragment ? `#${this.#parts.fragment}` : '';
    }
    set hash(value: unknown) {
      const text = wellFormed(value).replace(/^#/, '');
      this.#parts.fragment = text === '' ? null : encode(text, FRAGMENT);
    }
    toString() {
      return this.href;
    }
    toJSON() {
      return this.href;
    }
    get [Symbol.toStringTag]() {
      return 'URL';
    }
  }
  define('URL', URL);
}
