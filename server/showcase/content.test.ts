import { expect, test } from 'vitest';
import type { Transcript, Word } from '../../nodes/contract.ts';
import { linesOf, mediaOf, PageContent, webVtt } from './content.ts';

const word = (text: string, start: number, end: number, speaker?: string): Word => ({
  text,
  start,
  end,
  ...(speaker ? { speaker } : {}),
});
function transcript(words: Word[]): Transcript {
  return {
    language: 'en',
    duration: 60,
    words,
    speakers: [
      { id: 'a', name: 'Ada' },
      { id: 'b', name: 'Ben' },
    ],
    turns: [],
    speech: [],
    engine: { id: 'attached', label: 'Attached' },
  };
}

test('a line ends with its sentence, a change of speaker and a long pause; a name stands where it changes', () => {
  const lines = linesOf(
    transcript([
      word('Hello', 0, 0.5, 'a'),
      word('there.', 0.5, 1, 'a'),
      word('So', 1.2, 1.4, 'a'),
      word('yes', 1.4, 1.6, 'b'),
      word('well', 5, 5.2, 'b'),
    ]),
  );
  expect(lines.map((line) => [line.speaker, line.text, line.start])).toEqual([
    ['Ada', 'Hello there.', 0],
    [null, 'So', 1.2],
    ['Ben', 'yes', 1.4],
    [null, 'well', 5],
  ]);
});

test('captions have at most two lines of 42 characters, no tags, and cues that do not overlap', () => {
  const words = Array.from({ length: 60 }, (_none, index) =>
    word(index % 9 === 8 ? '<b>word</b>.' : 'wordy', index * 0.4, index * 0.4 + 0.3),
  );
  const vtt = webVtt(transcript(words));
  const cues = vtt.split('\n\n').slice(1);
  expect(cues.length).toBeGreaterThan(5);
  let before = -1;
  for (const cue of cues) {
    const [times, ...lines] = cue.trim().split('\n');
    const [start, end] = times!.split(' --> ').map((text) => {
      const [hours, minutes, seconds] = text.split(':').map(Number);
      return hours! * 3600 + minutes! * 60 + seconds!;
    });
    expect(start).toBeGreaterThanOrEqual(before);
    expect(end).toBeGreaterThan(start!);
    before = end!;
    expect(lines.length).toBeLessThanOrEqual(2);
    for (const line of lines) expect(line.replaceAll(/&(lt|gt|amp);/g, '.').length).toBeLessThanOrEqual(42);
    expect(lines.join('')).not.toContain('<');
  }
});

test('a name that the page does not give leads nowhere', () => {
  const recording = { asset: 'a'.repeat(64), kind: 'video' as const, mime: 'video/mp4', bytes: 10 };
  const content = PageContent.parse({ title: 'T', recording });
  expect(mediaOf(content, 'recording.mp4')).toMatchObject({ kind: 'asset', asset: recording });
  for (const name of [
    'recording.mkv',
    'clip-1.mp4',
    'clip-0.mp4',
    'captions.vtt',
    'thumbnail-1.jpg',
    '../recording.mp4',
    'constructor',
  ]) {
    expect(mediaOf(content, name), name).toBeUndefined();
  }
});
