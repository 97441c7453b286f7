import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Transcript } from '../../nodes/contract.ts';
import { parseAttached } from './attached.ts';

const read = (text: string, name = 'talk.srt', duration = 60) => parseAttached({ text, name, duration });
const said = (transcript: Transcript) => transcript.words.map((word) => word.text).join(' ');

test('SRT with CRLF, a byte-order mark, tags and entities gives its words in time', () => {
  const transcript = read(
    '\ufeff1\r\n00:00:01,000 --> 00:00:03,000\r\n<i>Salt &amp; pepper,</i>\r\nplease.\r\n\r\n2\r\n00:00:04,500 --> 00:00:05,000\r\nNow.\r\n',
  );
  expect(said(transcript)).toBe('Salt & pepper, please. Now.');
  expect(transcript.words[0]).toMatchObject({ start: 1 });
  expect(transcript.words[3]).toMatchObject({ end: 3 });
  expect(transcript.engine).toMatchObject({ id: 'attached', note: expect.stringMatching(/spread by length/) });
  expect(transcript.speech).toEqual([
    { start: 1, end: 3 },
    { start: 4.5, end: 5 },
  ]);
  expect(Transcript.parse(transcript)).toEqual(transcript);
});

test('SRT without numbers and blank lines, and with names before a colon, is still read', () => {
  const transcript = read(
    '00:01.0 --> 00:02.0\nJane Doe: Hello there\n00:02.0 --> 00:03.0\nTOM: Hi\n3\n00:03.0 --> 00:04.0\nno name here: 42',
  );
  expect(said(transcript)).toBe('Hello there Hi no name here: 42');
  expect(transcript.speakers.map((speaker) => speaker.name)).toEqual(['Jane Doe', 'TOM']);
  expect(transcript.words[2]?.speaker).toBe('s2');
});

test('WebVTT voices become speakers, notes and styles are no speech, karaoke times are kept', () => {
  const transcript = read(
    'WEBVTT\nLanguage: de\n\nNOTE 00:00 --> not a cue\n\nSTYLE\n::cue { color: red }\n\nid-1\n00:01.000 --> 00:03.000 align:start\n<v Jane>Hello</v>\n<v.loud Tom>Hi &lt;you&gt;</v>\n\n00:04.000 --> 00:06.000\none <00:05.000>two <00:05.500><c>three</c>\n',
    'talk.vtt',
  );
  expect(transcript.language).toBe('de');
  expect(said(transcript).split(' ').sort()).toEqual(['<you>', 'Hello', 'Hi', 'one', 'three', 'two'].sort());
  expect(transcript.speakers.map((speaker) => speaker.name)).toEqual(['Jane', 'Tom']);
  expect(transcript.words.find((word) => word.text === 'two')).toMatchObject({ start: 5, end: 5.5 });
  expect(transcript.turns).toHaveLength(2);
});

test('a caption that rolls on is said once', () => {
  const transcript = read('1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:02,000 --> 00:00:03,000\nHello\n');
  expect(said(transcript)).toBe('Hello');
  expect(transcript.words[0]?.end).toBe(3);
});

test('TTML in clock, offset and frame times', () => {
  const transcript = read(
    '<?xml version="1.0"?><tt xml:lang="en" xmlns="http://www.w3.org/ns/ttml" ttp:frameRate="25"><body><div>' +
      '<p begin="00:00:01.000" end="00:00:02.000">One<br/>two</p><p begin="3s" dur="500ms">Three</p>' +
      '<p begin="00:00:04:05" end="00:00:05:00">Four</p></div></body></tt>',
    'talk.ttml',
  );
  expect(said(transcript)).toBe('One two Three Four');
  expect(transcript.words.map((word) => word.start)).toEqual([1, 1.5, 3, 4.2]);
  expect(transcript.language).toBe('en');
});

test("the sample's transcript: its words, its two speakers, its turns", () => {
  const file = path.join(import.meta.dirname, '../../templates/sample/talk.transcript.json');
  const transcript = read(readFileSync(file, 'utf8'), 'talk.transcript.json', 147.73);
  expect(transcript.words).toHaveLength(340);
  expect(transcript.language).toBe('en');
  expect(transcript.speakers).toEqual([
    { id: 's1', name: 'John F. Kennedy' },
    { id: 's2', name: 'Allison Smith' },
  ]);
  expect(transcript.turns[0]).toEqual({ start: 0.05, end: 10.46, speaker: 's1' });
  expect(transcript.engine.note).toBeUndefined();
  expect(Transcript.parse(transcript)).toEqual(transcript);
});

test('JSON of Whisper and of AssemblyAI, seconds and milliseconds', () => {
  const whisper = {
    language: 'english',
    segments: [
      {
        start: 0,
        end: 2,
        text: ' Hello you',
        words: [
          { word: ' Hello', start: 0, end: 1, probability: 0.9 },
          { word: ' you', start: 1, end: 2, probability: 1 },
        ],
      },
    ],
  };
  expect(read(JSON.stringify(whisper), 'a.json').words[0]).toEqual({
    text: 'Hello',
    start: 0,
    end: 1,
    confidence: 0.9,
  });
  const assembly = {
    language_code: 'en_us',
    audio_duration: 60,
    words: [{ text: 'Hi', start: 250, end: 650, confidence: 0.97, speaker: 'A' }],
    utterances: [{ speaker: 'A', start: 250, end: 650, text: 'Hi' }],
  };
  const transcript = read(JSON.stringify(assembly), 'a.json');
  expect(transcript.words[0]).toEqual({ text: 'Hi', start: 0.25, end: 0.65, confidence: 0.97, speaker: 's1' });
  expect(transcript.speakers).toEqual([{ id: 's1', name: 'Speaker A' }]);
  expect(transcript.language).toBe('en-us');
});

test.each([['just prose, no times at all'], ['{"words":'], ['{"hello":1}'], ['WEBVTT\n\nnothing']])(
  'what is no transcript is refused in words: %s',
  (text) =>
    expect(() => read(text, 'x.json')).toThrow(
      expect.objectContaining({ error: expect.objectContaining({ code: 'ATTACHED_UNREADABLE' }) }),
    ),
);

test('our own transcript comes back as it was written', () => {
  const one = read('1\n00:00:01,000 --> 00:00:03,000\nHello you\n');
  expect(read(JSON.stringify(one), 'talk.json').words).toEqual(one.words);
});
