import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { SNIFF_BYTES, sniff, sniffMedia } from './sniff.ts';

const bytes = (text: string, ...lead: number[]) => new Uint8Array([...lead, ...Buffer.from(text, 'latin1')]);

test.each([
  ['MP4', bytes('ftypisom\0\0\0\0', 0, 0, 0, 24), 'video/mp4'],
  ['MOV', bytes('ftypqt  \0\0\0\0', 0, 0, 0, 20), 'video/quicktime'],
  ['M4A', bytes('ftypM4A \0\0\0\0', 0, 0, 0, 20), 'audio/mp4'],
  ['WebM', bytes('\x9fB\x86\x81\x01B\x82\x84webm', 0x1a, 0x45, 0xdf, 0xa3), 'video/webm'],
  ['MKV', bytes('\x9fB\x86\x81\x01B\x82\x88matroska', 0x1a, 0x45, 0xdf, 0xa3), 'video/x-matroska'],
  ['WAV', bytes('RIFF\x24\0\0\0WAVEfmt '), 'audio/wav'],
  ['FLAC', bytes('fLaC\0\0\0\x22'), 'audio/flac'],
  ['OGG', bytes('OggS\0\x02 OpusHead'), 'audio/ogg'],
  ['MP3 with a tag', bytes('ID3\x04\0\0'), 'audio/mpeg'],
  ['SRT', bytes('1\n00:00:01,000 --> 00:00:02,000\nHello'), 'application/x-subrip'],
  ['WebVTT', bytes('WEBVTT\n\n00:01.000 --> 00:02.000\nHello'), 'text/vtt'],
  ['TTML', bytes('<?xml version="1.0"?>\n<tt xmlns="http://www.w3.org/ns/ttml">'), 'application/ttml+xml'],
])('%s is known by its bytes', (_name, sample, mime) => {
  expect(sniff(sample)?.mime).toBe(mime);
});

test('a playlist, a page or a script under the name of a film is not a medium', () => {
  for (const text of ['#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd', 'ffconcat version 1.0\nfile /etc/passwd']) {
    expect(sniff(bytes(text), 'holiday.mp4')).toMatchObject({ kind: 'text', demuxer: null });
  }
  expect(sniff(bytes('<!DOCTYPE html><script>'), 'a.mp4')).toMatchObject({ kind: 'file', mime: 'text/html' });
  expect(sniff(bytes('MZ\x90\0\x03\0\0\0'), 'a.mp4')).toBeUndefined();
  expect(sniff(new Uint8Array(0))).toBeUndefined();
});

test('bare MP3 is believed only where a second frame follows the first', () => {
  const frame = Math.floor((144 * 128_000) / 44_100); // MPEG 1 layer III, 128 kbit/s, 44.1 kHz
  const two = new Uint8Array(frame + 16);
  two.set([0xff, 0xfb, 0x90, 0x00], 0);
  two.set([0xff, 0xfb, 0x90, 0x00], frame);
  expect(sniff(two)?.mime).toBe('audio/mpeg');
  two[frame] = 0;
  expect(sniff(two)).toBeUndefined();
});

test('text keeps its kind by name, and a character cut at the end of the sample is no error', () => {
  expect(sniff(bytes('# Title'), 'notes.md')?.mime).toBe('text/markdown');
  expect(sniff(bytes('{"a":1}'), 'talk.transcript.json')?.mime).toBe('application/json');
  const long = Buffer.from(`${'a'.repeat(SNIFF_BYTES - 1)}ß`);
  expect(sniff(long.subarray(0, SNIFF_BYTES))?.mime).toBe('text/plain');
});

test('the sample recording is a film', async () => {
  const file = await open(path.join(import.meta.dirname, '../templates/sample/talk.mp4'));
  try {
    const { buffer } = await file.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
    expect(sniff(buffer)).toMatchObject({ kind: 'video', demuxer: 'mov' });
  } finally {
    await file.close();
  }
});

test('ffmpeg is given what lies behind an ID3 tag, and nothing that is no medium', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-sniff-'));
  const file = path.join(folder, 'in.bin');
  const told = async (content: Uint8Array) => {
    writeFileSync(file, content);
    return (await sniffMedia(file))?.demuxer ?? null;
  };
  const tag = (behind: Uint8Array) => {
    const length = 5_000; // longer than the first look: 39 × 128 + 8
    return Buffer.concat([bytes('ID3\x04\0\0\0\0\x27\x08'), new Uint8Array(length), behind]);
  };
  try {
    expect(await told(tag(bytes('fLaC\0\0\0\x22')))).toBe('flac');
    expect(await told(tag(new Uint8Array([0xff, 0xf1, 0x50, 0x80])))).toBe('aac');
    expect(await told(tag(new Uint8Array([0xff, 0xfb, 0x90, 0x00])))).toBe('mp3');
    expect(await told(bytes('#EXTM3U\nfile:///etc/passwd'))).toBeNull();
    expect(await told(bytes('\x89PNG\r\n\x1a\n'))).toBeNull();
    expect(await told(new Uint8Array(0))).toBeNull();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
