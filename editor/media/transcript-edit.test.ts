/** Tests of corrections of a transcript. */
import { expect, test } from 'vitest';
import type { Transcript, Word } from '../../nodes/contract.ts';
import { Transcript as TranscriptSchema } from '../../nodes/contract.ts';
import {
  addSpeaker,
  assignSpeaker,
  editWord,
  lanes,
  paragraphs,
  renameSpeaker,
  sentenceBorders,
  wordAt,
} from './transcript-edit.ts';

const word = (text: string, start: number, speaker: string, confidence = 0.4): Word => ({
  text,
  start,
  end: start + 0.5,
  confidence,
  speaker,
});
const talk: Transcript = {
  language: 'en',
  duration: 12,
  words: [
    word('Ask', 0, 'jfk'),
    word('not.', 0.5, 'jfk'),
    word('Congratulation.', 4, 'allison'),
    word('You', 6, 'allison'),
    word('dialed', 6.5, 'allison'),
  ],
  speakers: [
    { id: 'jfk', name: 'John F. Kennedy' },
    { id: 'allison', name: 'Allison Smith' },
  ],
  turns: [
    { start: 0, end: 1, speaker: 'jfk' },
    { start: 4, end: 7, speaker: 'allison' },
  ],
  speech: [],
  engine: { id: 'attached', label: 'Attached transcript' },
};

test('a corrected word keeps its time and is certain from then on', () => {
  const next = editWord(talk, 2, ' Congratulations. ');
  expect(next.words[2]).toEqual({ ...talk.words[2], text: 'Congratulations.', confidence: 1 });
  expect(talk.words[2]?.text).toBe('Congratulation.');
});

test('several words typed for one share its time by their length, without a gap', () => {
  const next = editWord(talk, 4, 'have dialled');
  const made = next.words.slice(4);
  expect(made.map(({ text }) => text)).toEqual(['have', 'dialled']);
  expect(made[0]?.start).toBe(6.5);
  expect(made[0]?.end).toBe(made[1]?.start);
  expect(made[1]?.end).toBe(7);
  expect((made[0]?.end ?? 0) - 6.5).toBeCloseTo((0.5 * 4) / 11, 2);
});

test('an emptied word is gone, and the unchanged word is no correction', () => {
  expect(editWord(talk, 1, '  ').words).toHaveLength(4);
  expect(editWord(talk, 1, 'not.')).toBe(talk);
  expect(editWord(talk, 99, 'x')).toBe(talk);
});

test('a speaker is renamed once for the whole transcript', () => {
  const next = renameSpeaker(talk, 'jfk', 'J. F. Kennedy');
  expect(next.speakers[0]).toEqual({ id: 'jfk', name: 'J. F. Kennedy' });
  expect(next.words).toBe(talk.words);
  expect(renameSpeaker(talk, 'jfk', '  ')).toBe(talk);
});

test('giving a speaker the name of another one joins the two, words and turns included', () => {
  const next = renameSpeaker(talk, 'jfk', 'Allison Smith');
  expect(next.speakers.map(({ id }) => id)).toEqual(['allison']);
  expect(new Set(next.words.map(({ speaker }) => speaker))).toEqual(new Set(['allison']));
  expect(new Set(next.turns.map(({ speaker }) => speaker))).toEqual(new Set(['allison']));
});

test('a paragraph given to another speaker takes its part of the turn along and cuts the rest off', () => {
  const next = assignSpeaker(talk, 3, 5, 'jfk');
  expect(next.words.map(({ speaker }) => speaker)).toEqual(['jfk', 'jfk', 'allison', 'jfk', 'jfk']);
  expect(next.turns).toEqual([
    { start: 0, end: 1, speaker: 'jfk' },
    { start: 4, end: 6, speaker: 'allison' },
    { start: 6, end: 7, speaker: 'jfk' },
  ]);
  expect(assignSpeaker(talk, 3, 5, 'nobody')).toBe(talk);
});

test('every correction still fits the schema of a transcript', () => {
  const { transcript, speaker } = addSpeaker(talk);
  for (const next of [
    editWord(talk, 0, 'a b c d e f'),
    editWord(talk, 0, 'x'.repeat(900)),
    renameSpeaker(talk, 'jfk', 'y'.repeat(900)),
    assignSpeaker(transcript, 0, 2, speaker.id),
  ]) {
    expect(TranscriptSchema.safeParse(next).success).toBe(true);
  }
});

test('a paragraph ends where somebody else speaks or pauses, and every word is in exactly one', () => {
  const found = paragraphs(talk.words);
  expect(found.map(({ from, to, speaker, named }) => [from, to, speaker, named])).toEqual([
    [0, 2, 'jfk', true],
    [2, 3, 'allison', true],
    [3, 5, 'allison', false],
  ]);
  const long = Array.from({ length: 1000 }, (_, index) => word('on', index / 2, 'jfk'));
  const parts = paragraphs(long);
  expect(parts.length).toBeGreaterThan(7);
  expect(parts.at(0)?.from).toBe(0);
  expect(parts.at(-1)?.to).toBe(1000);
  parts.slice(1).forEach((part, index) => {
    expect(part.from).toBe(parts[index]?.to);
  });
});

test('the spoken word is found before, between and after the words', () => {
  expect(wordAt(talk.words, -1)).toBe(-1);
  expect(wordAt(talk.words, 0)).toBe(0);
  expect(wordAt(talk.words, 3)).toBe(1);
  expect(wordAt(talk.words, 100)).toBe(4);
  expect(wordAt([], 1)).toBe(-1);
});

test('sentence borders are the edges of sentences only', () => {
  expect(sentenceBorders(talk.words)).toEqual([0, 1, 4, 4.5, 6, 7]);
});

test('without turns the lanes come from the words', () => {
  const found = lanes({ ...talk, turns: [] });
  expect(found.map(({ speaker, turns }) => [speaker.id, turns.length])).toEqual([
    ['jfk', 1],
    ['allison', 2],
  ]);
  expect(found.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
});
