import { describe, expect, test } from 'vitest';
import { fakeCtx } from '../testing.ts';
import { manifest } from './clip.ts';

describe('the node', () => {
  const recording = { asset: 'a'.repeat(64), kind: 'video' as const, mime: 'video/mp4', bytes: 1, duration: 30 };
  const segment = { id: 's1', title: 'T', start: 5, end: 9, summary: '', score: 1, why: '', quotes: [], topics: [] };
  const facts = {
    kind: 'video',
    format: 'mov',
    duration: 30,
    bytes: 1,
    video: { codec: 'h264', width: 1280, height: 720, rate: 30, rotation: 0 },
    audio: { codec: 'aac', channels: 2, sampleRate: 48000 },
    subtitles: 0,
  };
  const made = {
    asset: {
      asset: 'b'.repeat(64),
      kind: 'video',
      mime: 'video/mp4',
      bytes: 2,
      width: 1080,
      height: 1920,
      duration: 4,
    },
    loudness: {
      before: { integrated: -20, truePeak: -6, range: 2 },
      after: { integrated: -14, truePeak: -1.4, range: 2 },
      linear: false,
    },
  };
  const words = {
    language: 'en',
    duration: 30,
    words: [{ text: 'Hello.', start: 6, end: 6.5 }],
    speakers: [],
    turns: [],
    speech: [],
    engine: { id: 'x', label: 'x' },
  };

  test('asks for the brand’s style, colours and fonts', async () => {
    const ctx = fakeCtx(manifest, { config: { reframe: 'center' }, replies: [facts, made] });
    const { clip } = await ctx.execute({ recording, segment, transcript: words });
    expect(ctx.calls[1]?.args).toMatchObject({
      start: 5,
      end: 9,
      width: 1080,
      height: 1920,
      crop: { width: 404, height: 720, keys: [{ time: 0, x: 640, y: 360, ease: 'hold' }] },
      captions: {
        style: 'marker',
        colors: { primary: '#5b3df5' },
        fonts: { display: 'Bricolage Grotesque' },
        highlight: true,
      },
      loudness: { integrated: -14 },
    });
    expect(clip).toMatchObject({
      id: 's1',
      video: { of: 's1' },
      words: [{ text: 'Hello.', start: 1, end: 1.5 }],
      source: { start: 5, end: 9 },
    });
    expect(ctx.facts.loudness).toBe('−20.0 → −14.0 LUFS');
  });

  test('shows the whole picture on a blurred one where nobody is found, and says so', async () => {
    const track = { width: 1280, height: 720, samples: [], cuts: [], detector: 'MoveNet' };
    const ctx = fakeCtx(manifest, { replies: [facts, track, made] });
    const { clip } = await ctx.execute({ recording, segment, transcript: words });
    expect(ctx.calls[2]?.args).toMatchObject({ crop: null });
    expect(clip.framing).toMatch(/Nobody was found \(MoveNet\)/);
  });

  test('a recording already in shape is neither tracked nor cropped', async () => {
    const upright = { ...facts, video: { ...facts.video, width: 1080, height: 1920 } };
    const ctx = fakeCtx(manifest, { replies: [upright, made] });
    await ctx.execute({ recording, segment });
    expect(ctx.calls.map((call) => call.method)).toEqual(['probe', 'clip']);
    expect(ctx.calls[1]?.args).toMatchObject({ crop: { width: 1080, height: 1920 }, captions: null });
  });

  test('sound alone becomes a clip with a drawn picture', async () => {
    const ctx = fakeCtx(manifest, { replies: [{ ...facts, kind: 'audio', video: null }, made] });
    const { clip } = await ctx.execute({
      recording: { ...recording, kind: 'audio', mime: 'audio/mpeg' },
      segment,
      transcript: words,
    });
    expect(ctx.calls[1]?.args).toMatchObject({ crop: null });
    expect(clip.framing).toMatch(/waveform/);
  });

  test('a segment behind the end of the recording is refused in words', async () => {
    const ctx = fakeCtx(manifest, { replies: [facts] });
    await expect(ctx.execute({ recording, segment: { ...segment, start: 40, end: 50 } })).rejects.toMatchObject({
      code: 'CLIP_OUT_OF_RANGE',
    });
  });
});
