import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  FRAME,
  type Frame,
  frame,
  frameReader,
  GuestCall,
  GuestEvent,
  GuestResult,
  LIMITS,
  parseGuestJson,
  TooDeep,
} from './bridge.ts';

test('frames come out as they went in, however the stream is cut', () => {
  const message = fc.record({
    kind: fc.constantFrom(...Object.values(FRAME)),
    run: fc.nat(0xffff_ffff),
    call: fc.nat(0xffff_ffff),
    text: fc.string({ unit: 'grapheme', maxLength: 300 }).map((text) => text.toWellFormed()),
  });
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (messages, cuts) => {
      const stream = Buffer.concat(messages.map(({ kind, run, call, text }) => frame(kind, run, call, text)));
      const seen: Frame[] = [];
      const read = frameReader(
        (each) => seen.push(each),
        () => expect.unreachable(),
      );
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const end = at + cuts[turn % cuts.length]!;
        read(stream.subarray(at, end));
        at = end;
      }
      expect(seen).toEqual(messages);
    }),
  );
});

test.each([0, 8, LIMITS.FRAME_BYTES + 1, 0xffff_ffff])('a frame that claims %d bytes ends the stream', (length) => {
  const seen: Frame[] = [];
  let broken = 0;
  const read = frameReader(
    (each) => seen.push(each),
    () => broken++,
  );
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(length);
  read(bytes);
  read(frame(FRAME.pong));
  expect({ broken, seen }).toEqual({ broken: 1, seen: [] });
});

test('what a guest says is taken only in its exact shape', () => {
  expect(GuestCall.safeParse({ capability: 'media', method: 'probe', args: {} }).success).toBe(true);
  for (const odd of [
    {},
    { capability: '__proto__', method: 'x', args: 1 },
    { capability: 'a', method: 'b', args: 1, run: 2 },
  ]) {
    expect(GuestCall.safeParse(odd).success).toBe(false);
  }
  expect(GuestEvent.safeParse({ kind: 'progress', fraction: 2, note: null }).success).toBe(false);
  expect(GuestEvent.safeParse({ kind: 'log', line: 'x'.repeat(LIMITS.LOG_LINE_LENGTH + 1) }).success).toBe(false);
  expect(
    GuestResult.safeParse({ ok: false, error: { code: 'lower', message: '', hint: null, retry: 'never' } }).success,
  ).toBe(false);
});

test('own __proto__ keys do not survive, however they are written or nested', () => {
  const texts = ['{"__proto__":{"a":1},"b":2}', '{"\\u005f_proto__":1}', '[{"x":[{"__proto__":null}]}]', '"__proto__"'];
  for (const text of texts) {
    const show = JSON.stringify(parseGuestJson(text));
    if (text !== '"__proto__"') expect(show).not.toContain('__proto__');
  }
  expect(parseGuestJson('"__proto__"')).toBe('__proto__');
});

test('what lies too deep in itself is refused before anything walks it; brackets in texts are no depth', () => {
  const deep = (depth: number) => `${'['.repeat(depth)}{"__proto__":1}${']'.repeat(depth)}`;
  expect(() => parseGuestJson(deep(LIMITS.DEPTH))).not.toThrow();
  expect(() => parseGuestJson(deep(LIMITS.DEPTH + 1))).toThrow(TooDeep);
  expect(() => parseGuestJson(deep(50_000))).toThrow(TooDeep);
  expect(parseGuestJson(JSON.stringify(['['.repeat(5_000), '\\"[{'.repeat(900)]))).toHaveLength(2);
  const wide = JSON.stringify(Array.from({ length: 5_000 }, () => ({ a: [1] })));
  expect(parseGuestJson(wide)).toHaveLength(5_000);
});
