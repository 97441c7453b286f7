import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Captions, Word } from '../contract.ts';
import { fakeCtx } from '../testing.ts';
import { GAP, LONGEST, makeCues, manifest, printSrt, printVtt, SHORTEST, setLines } from './captions.ts';

type Cue = Captions['cues'][number];
const RULES = { line: 42, cps: 20 };
const length = (text: string) => [...text].length;

const spoken = (text: string, wordsASecond = 2.5): Word[] =>
  text
    .split(' ')
    .map((word, index) => ({ text: word, start: index / wordsASecond, end: (index + 0.9) / wordsASecond }));

/** Words at a human pace: 2 to 4 a second, pauses, sentences, some very long words. */
const speech = fc
  .array(
    fc.record({
      text: fc.oneof(
        { weight: 10, arbitrary: fc.stringMatching(/^[a-zäß]{1,12}[,.!?]?$/) },
        { weight: 1, arbitrary: fc.stringMatching(/^[a-z]{40,90}$/) },
        { weight: 1, arbitrary: fc.constantFrom('the', 'a', 'of', '&', '<i>', '-->') },
      ),
      takes: fc.double({ min: 0.12, max: 0.6, noNaN: true }),
      pause: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.double({ min: 0, max: 4, noNaN: true }) },
      ),
    }),
    { minLength: 1, maxLength: 80 },
  )
  .map((parts) => {
    let at = 0;
    return parts.map(({ text, takes, pause }): Word => {
      const start = at + pause;
      at = start + takes;
      return { text, start, end: at };
    });
  });

describe('whatever is said', () => {
  test('no caption has more than two lines or a line that is too long', () => {
    fc.assert(
      fc.property(speech, fc.constantFrom(20, 37, 42), (words, line) => {
        for (const cue of makeCues(words, { line, cps: 20 }, words.at(-1)!.end + 5).cues) {
          expect(cue.lines.length).toBeLessThanOrEqual(2);
          for (const each of cue.lines) expect(length(each)).toBeLessThanOrEqual(line);
        }
      }),
    );
  });

  test('captions follow each other with two frames between, none over 7 s', () => {
    fc.assert(
      fc.property(speech, (words) => {
        const { cues } = makeCues(words, RULES, words.at(-1)!.end + 5);
        for (const [index, cue] of cues.entries()) {
          expect(cue.end).toBeGreaterThan(cue.start);
          expect(cue.end - cue.start).toBeLessThanOrEqual(LONGEST + 0.001);
          if (index > 0) expect(cue.start - cues[index - 1]!.end).toBeGreaterThanOrEqual(GAP - 0.0015);
        }
      }),
    );
  });

  test('every word is kept, in order', () => {
    fc.assert(
      fc.property(speech, (words) => {
        const { cues } = makeCues(words, RULES, words.at(-1)!.end + 5);
        const squeeze = (text: string) => text.replace(/[\s-]/g, '');
        expect(squeeze(cues.flatMap((cue) => cue.lines).join(''))).toBe(
          squeeze(words.map((word) => word.text).join('')),
        );
      }),
    );
  });

  test('a caption is read in time, or it is counted as too fast', () => {
    fc.assert(
      fc.property(speech, (words) => {
        const { cues, tooFast } = makeCues(words, RULES, words.at(-1)!.end + 5);
        const fast = cues.filter((cue) => length(cue.lines.join(' ')) / (cue.end - cue.start) > RULES.cps * 1.03);
        expect(fast.length).toBeLessThanOrEqual(tooFast);
      }),
    );
  });

  test('nobody waits longer than a moment for what is said', () => {
    fc.assert(
      fc.property(speech, (words) => {
        const cues = makeCues(words, RULES, words.at(-1)!.end + 5).cues;
        const first = words.find((word) => word.text.trim())!;
        expect(cues[0]!.start).toBeCloseTo(first.start, 2);
        expect(cues.at(-1)!.start).toBeLessThanOrEqual(words.at(-1)!.end + 1.7);
      }),
    );
  });
});

describe('lines', () => {
  test('do not part an article from its noun', () => {
    const lines = setLines('You will navigate the demonstration by dialling digits'.split(' '), 42)!;
    expect(lines[0]).not.toMatch(/ (the|by)$/);
  });

  test('are heavier at the bottom', () => {
    const [above, below] = setLines('one two three four five six seven eight nine ten'.split(' '), 30)!;
    expect(length(above!)).toBeLessThanOrEqual(length(below!));
  });

  test('break after a comma where there is a fair one', () => {
    expect(setLines('And so, my fellow Americans, ask not what your country'.split(' '), 42)![0]).toMatch(/,$/);
  });
});

test('ordinary speech at an ordinary pace is never too fast and never flashes', () => {
  const words = spoken(
    'Like a normal PBX, you will navigate this demonstration by dialing digits. If you are using a console channel driver instead of a real phone, you can use the dial, answer and hangup commands.',
  );
  const { cues, tooFast } = makeCues(words, RULES, 60);
  expect(tooFast).toBe(0);
  for (const cue of cues) expect(cue.end - cue.start).toBeGreaterThanOrEqual(SHORTEST - 0.001);
});

test('the sample talk obeys the rules', () => {
  const file = new URL('../../templates/sample/talk.transcript.json', import.meta.url);
  const { words, durationSeconds } = JSON.parse(readFileSync(file, 'utf8')) as {
    words: Word[];
    durationSeconds: number;
  };
  const { cues, tooFast } = makeCues(words, RULES, durationSeconds);
  expect(cues.length).toBeGreaterThan(20);
  expect(tooFast / cues.length).toBeLessThan(0.1);
});

const TIMES = /^(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3}) --> (?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})/;

/** What a player sees in our SRT or WebVTT; what is neither a cue nor its text is passed over. */
function parseCues(text: string): Cue[] {
  const isVtt = text.startsWith('WEBVTT');
  const plainText = (line: string) => line.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  return text.split(/\n{2,}/).flatMap((block) => {
    const rows = block.split('\n');
    const at = rows.findIndex((row) => TIMES.test(row));
    if (at < 0) return [];
    const parts = TIMES.exec(rows[at]!)!
      .slice(1)
      .map((part) => Number(part ?? 0));
    const seconds = (from: number) =>
      parts[from]! * 3600 + parts[from + 1]! * 60 + parts[from + 2]! + parts[from + 3]! / 1000;
    const lines = rows.slice(at + 1).filter(Boolean);
    return [{ start: seconds(0), end: seconds(4), lines: isVtt ? lines.map(plainText) : lines }];
  });
}

describe('files', () => {
  const cue = fc
    .record({
      start: fc.integer({ min: 0, max: 20_000_000 }),
      takes: fc.integer({ min: 1, max: 7000 }),
      lines: fc.array(fc.stringMatching(/^[!-~äß€😀][ -~äß€😀]{0,30}[!-~äß€😀]$/u), { minLength: 1, maxLength: 2 }),
    })
    .map(
      ({ start, takes, lines }): Cue => ({
        start: start / 1000,
        end: (start + takes) / 1000,
        lines: lines.map((line) => line.replace(/\s+/g, ' ').trim().replaceAll('-->', '→')),
      }),
    );

  test('printed and read back are the same', () => {
    fc.assert(
      fc.property(fc.array(cue, { maxLength: 20 }), (cues) => {
        expect(parseCues(printSrt(cues))).toEqual(cues.map(near));
        expect(parseCues(printVtt(cues))).toEqual(cues.map(near));
      }),
    );
    function near(each: Cue) {
      return { start: expect.closeTo(each.start, 6), end: expect.closeTo(each.end, 6), lines: each.lines };
    }
  });

  test('a tag in the words stays text in WebVTT', () => {
    expect(printVtt([{ start: 0, end: 1, lines: ['a <b> & c'] }])).toContain('a &lt;b&gt; &amp; c');
  });
});

test('captions of a clip say which clip', async () => {
  const ctx = fakeCtx(manifest, {});
  const transcript = {
    language: 'en',
    duration: 3,
    words: spoken('Ask what you can do.'),
    speakers: [],
    turns: [],
    speech: [],
    engine: { id: 'clip', label: 'c' },
    of: 'segment-2',
  };
  const { captions } = await ctx.execute({ transcript });
  expect(captions?.of).toBe('segment-2');
  expect(parseCues(captions!.srt)).toHaveLength(captions!.cues.length);
});

test('without words there are no captions, and nothing fails', async () => {
  const ctx = fakeCtx(manifest, {});
  const transcript = {
    language: 'und',
    duration: 3,
    words: [],
    speakers: [],
    turns: [],
    speech: [],
    engine: { id: 'none', label: 'n' },
  };
  await expect(ctx.execute({ transcript })).resolves.toEqual({});
  expect(ctx.facts.captions).toMatch(/no words/);
});
