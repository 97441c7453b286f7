/**
 * The media operations on small real recordings, through the confined ffmpeg: what they promise is measured on what
 * they made, by a second program or by decoding it again.
 */
import { execFile } from 'node:child_process';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  CleanResult,
  ClipInput,
  ClipResult,
  FrameCandidate,
  Loudness,
  MediaFacts,
  Turn,
} from '../../nodes/contract.ts';
import {
  type Ffmpeg,
  findFfmpeg,
  lookForFfmpeg,
  NEEDED_FILTERS,
  refusesPlaylists,
} from '../../runtime/capabilities/media/ffmpeg.ts';
import { mediaCapability } from '../../runtime/capabilities/media/media.ts';
import { openTrial, type Trial } from '../../runtime/capabilities/media/trial.ts';
import { INTERVIEW, make, SPEECH } from './derived.ts';

const execute = promisify(execFile);
const media = mediaCapability();
let trial: Trial;
let tools: Ffmpeg;
/** Eight seconds of the interview, 320 × 180, with its sound. */
let small: string;
let speech: string;

beforeAll(async () => {
  tools = await findFfmpeg();
  trial = await openTrial();
  small = await add('small.mp4', [
    '-ss',
    '43.2',
    '-t',
    '8',
    '-i',
    INTERVIEW,
    '-vf',
    'scale=320:180',
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-c:a',
    'aac',
  ]);
  speech = await add('speech.wav', ['-i', SPEECH, '-ac', '1', '-ar', '48000']);
});
afterAll(() => trial[Symbol.asyncDispose]());

async function add(name: string, args: string[]): Promise<string> {
  const file = await make(path.join(trial.folder, name), args);
  const asset = await trial.add(file);
  await rm(file);
  return asset;
}

const call = <T>(method: string, input: unknown) => trial.call<T>(media, method, input);
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing was refused',
    (error: { error?: { code: string } }) => error.error?.code ?? String(error),
  );

/** The bundled ffprobe, asked as a stranger would. */
async function ask(asset: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(tools.ffprobe, [
    '-v',
    'error',
    ...args,
    '-of',
    'csv=p=0',
    await trial.assets.path(asset),
  ]);
  return stdout.trim();
}

describe('input nobody trusts', () => {
  const playlist = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:other.wav\n#EXT-X-ENDLIST\n';

  test('a playlist that calls itself talk.mp4 is refused before it is decoded', async () => {
    const { asset } = await trial.assets.putBytes(Buffer.from(playlist), {
      kind: 'video',
      mime: 'video/mp4',
      name: 'talk.mp4',
    });
    for (const [method, input] of [
      ['probe', { asset }],
      ['loudness', { asset }],
      ['frames', { asset, count: 1 }],
    ] as const) {
      expect(await codeOf(call(method, input))).toBe('MEDIA_NOT_RECORDING');
    }
  });

  test('without our options this very build reads what the playlist names; with them it is proven not to', async () => {
    const folder = await trial.assets.jobFolder();
    await make(path.join(folder.path, 'other.wav'), ['-t', '1', '-i', SPEECH]);
    await writeFile(path.join(folder.path, 'in.bin'), playlist);
    const { stderr } = await execute(
      tools.ffmpeg,
      ['-nostdin', '-allowed_extensions', 'ALL', '-i', 'in.bin', '-f', 'null', '-'],
      { cwd: folder.path },
    );
    expect(stderr).toMatch(/time=00:00:0[01]/);
    await folder[Symbol.asyncDispose]();
    await expect(refusesPlaylists(tools)).resolves.toBeUndefined();
  });

  test('a text, a picture and an empty file are no recordings', async () => {
    for (const bytes of [
      Buffer.from('Hello, this is a text of some length.'),
      Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
      Buffer.alloc(0),
    ]) {
      const { asset } = await trial.assets.putBytes(bytes, { kind: 'file', mime: 'video/mp4' });
      expect(await codeOf(call('probe', { asset }))).toBe('MEDIA_NOT_RECORDING');
    }
  });

  test('a recording cut off in the middle fails with words and leaves nothing behind', async () => {
    const whole = await trial.assets.read(small);
    const chunks: Buffer[] = [];
    for await (const chunk of whole) chunks.push(chunk as Buffer);
    const { asset } = await trial.assets.putBytes(Buffer.concat(chunks).subarray(0, 20_000), {
      kind: 'video',
      mime: 'video/mp4',
    });
    expect(await codeOf(call('probe', { asset }))).toBe('MEDIA_FAILED');
    expect(await readdir(path.join(trial.folder, 'jobs'))).toEqual([]);
  });

  test('what a schema does not know never reaches a filter', async () => {
    const bad = {
      asset: small,
      start: 0,
      end: 2,
      width: 270,
      height: 480,
      crop: null,
      captions: null,
      loudness: null,
      filter: 'movie=/etc/passwd',
    };
    await expect(call('clip', bad)).rejects.toThrow(/filter/);
    await expect(call('probe', { asset: '../../etc/passwd' })).rejects.toThrow();
  });
});

test('a cancelled operation is over within two seconds, its processes with it', async () => {
  await using other = await openTrial();
  const file = await make(path.join(other.folder, 'long.mp4'), [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=s=320x180:r=10:d=60',
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
  ]);
  const asset = await other.add(file);
  const started = Date.now();
  const work = other.call(media, 'clip', {
    asset,
    start: 0,
    end: 60,
    width: 1080,
    height: 1920,
    crop: null,
    captions: null,
    loudness: null,
  });
  const ended = work.then(
    () => 'finished',
    () => 'stopped',
  );
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const cancelledAt = Date.now();
  other.controller.abort(new Error('cancelled'));
  expect(await ended).toBe('stopped');
  expect(Date.now() - cancelledAt).toBeLessThan(2000);
  expect(Date.now() - started).toBeLessThan(20_000);
  expect(await readdir(path.join(other.folder, 'jobs'))).toEqual([]);
});

describe('ffmpeg', () => {
  test('has every filter the operations need', () => {
    expect(Object.keys(NEEDED_FILTERS).filter((name) => !tools.filters.has(name))).toEqual([]);
  });

  test('is taken from the environment first, and a wrong name there is said', async () => {
    const chosen = await lookForFfmpeg({ FFMPEG_PATH: tools.ffmpeg, FFPROBE_PATH: tools.ffprobe });
    expect(chosen).toMatchObject({ from: 'FFMPEG_PATH', identity: tools.identity });
    expect(await codeOf(lookForFfmpeg({ FFMPEG_PATH: '/nowhere/ffmpeg', FFPROBE_PATH: '/nowhere/ffprobe' }))).toBe(
      'MEDIA_NO_FFMPEG',
    );
    expect((await lookForFfmpeg({})).from).toBe('@ffmpeg-installer/ffmpeg');
  });

  test('another build is another identity, so nothing made with it is reused', async () => {
    const mixed = await lookForFfmpeg({ FFMPEG_PATH: tools.ffprobe, FFPROBE_PATH: tools.ffprobe });
    expect(mixed.identity).not.toBe(tools.identity);
  });
});

test('probing tells picture, sound and length', async () => {
  expect(await call<MediaFacts>('probe', { asset: small })).toMatchObject({
    kind: 'video',
    format: 'mov',
    duration: expect.closeTo(8, 0),
    video: { codec: 'h264', width: 320, height: 180, rate: 30, rotation: 0 },
    audio: { codec: 'aac', channels: 2 },
    subtitles: 0,
  });
  expect(await call<MediaFacts>('probe', { asset: speech })).toMatchObject({
    kind: 'audio',
    format: 'wav',
    video: null,
  });
});

test('a picture filmed on its side is measured as people see it', async () => {
  const turned = await add('turned.mp4', [
    '-i',
    await trial.assets.path(small),
    '-c',
    'copy',
    '-metadata:s:v:0',
    'rotate=90',
  ]);
  expect((await call<MediaFacts>('probe', { asset: turned })).video).toMatchObject({ width: 180, height: 320 });
});

test('subtitle tracks inside a file come out as WebVTT', async () => {
  const srt = path.join(trial.folder, 's.srt');
  await writeFile(srt, '1\n00:00:01,000 --> 00:00:02,500\nHello there\n');
  const file = await make(path.join(trial.folder, 'subtitled.mkv'), [
    '-i',
    await trial.assets.path(small),
    '-i',
    srt,
    '-map',
    '0',
    '-map',
    '1',
    '-c',
    'copy',
    '-c:s',
    'srt',
    '-metadata:s:s:0',
    'language=eng',
    '-t',
    '8',
  ]);
  const [track] = await call<{ language: string; vtt: string }[]>('subtitles', { asset: await trial.add(file) });
  expect(track).toMatchObject({
    language: 'eng',
    vtt: expect.stringMatching(/^WEBVTT[\s\S]*00:01\.0\d\d --> 00:02\.5\d\d\s+Hello there/),
  });
  expect(await call('subtitles', { asset: small })).toEqual([]);
});

describe('Clean audio', () => {
  const off = { highPass: 0, denoise: 0, gate: null, trimSilence: null };

  test('reaches its target within half a unit, and copies the picture bit by bit', async () => {
    const target = { integrated: -20, truePeak: -1, range: 20 };
    const result = await call<CleanResult>('clean', { asset: small, ...off, highPass: 80, loudness: target });
    const measured = await call<Loudness>('loudness', { asset: result.asset.asset });
    expect(measured.integrated).toBeGreaterThan(-20.5);
    expect(measured.integrated).toBeLessThan(-19.5);
    expect(result.linear).toBe(true);
    const frames = (asset: string) => ask(asset, '-select_streams', 'v', '-show_entries', 'packet=size');
    expect(await frames(result.asset.asset)).toBe(await frames(small));
  });

  test('says when one gain was not possible, and still reaches the target', async () => {
    const result = await call<CleanResult>('clean', {
      asset: speech,
      ...off,
      loudness: { integrated: -10, truePeak: -2, range: 15 },
    });
    expect(result.linear).toBe(false);
    expect(result.note).toMatch(/One gain for all was not possible/);
    const measured = await call<Loudness>('loudness', { asset: result.asset.asset });
    expect(Math.abs(measured.integrated! + 10)).toBeLessThanOrEqual(0.5);
    expect(measured.truePeak).toBeLessThanOrEqual(-1.4);
  });

  test('shortens pauses in sound and picture alike', async () => {
    const gaps = await add('gaps.mp4', [
      ...[
        '-f',
        'lavfi',
        '-i',
        'testsrc2=s=160x90:r=30:d=9',
        '-f',
        'lavfi',
        '-i',
        "aevalsrc='0.3*sin(2*PI*330*t)*(lt(mod(t,3),1))':d=9:s=48000",
      ],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-c:a', 'aac'],
    ]);
    const { asset } = await call<CleanResult>('clean', { asset: gaps, ...off, trimSilence: 0.5, loudness: null });
    const [video, audio] = [
      await ask(asset.asset, '-select_streams', 'v', '-show_entries', 'stream=duration'),
      await ask(asset.asset, '-select_streams', 'a', '-show_entries', 'stream=duration'),
    ].map(Number) as [number, number];
    expect(asset.duration).toBeLessThan(5);
    expect(Math.abs(video - audio)).toBeLessThan(0.05);
    expect(Math.abs(video - asset.duration!)).toBeLessThan(0.08);
  });

  test('leaves silence as it is and says so', async () => {
    const silence = await add('silence.wav', ['-f', 'lavfi', '-i', 'anullsrc=r=48000', '-t', '2']);
    const result = await call<CleanResult>('clean', {
      asset: silence,
      ...off,
      loudness: { integrated: -14, truePeak: -1, range: 11 },
    });
    expect(result).toMatchObject({ before: { integrated: null }, note: expect.stringMatching(/nothing to hear/) });
  });
});

describe('a clip', () => {
  const cues: NonNullable<ClipInput['captions']>['cues'] = [
    {
      start: 0.2,
      end: 2.8,
      lines: [
        [
          { text: 'Ask', start: 0.2, end: 0.6 },
          { text: 'what', start: 0.6, end: 1 },
        ],
        [
          { text: 'you{\\pos(0,0)}', start: 1, end: 1.6 },
          { text: 'ß😀', start: 1.6, end: 2.4 },
        ],
      ],
    },
  ];
  const captions = (style: 'marker' | 'plain' | 'box' | 'stack') => ({
    style,
    cues,
    colors: { primary: '#b8541a', light: '#ffb480', ink: '#1d1a16' },
    fonts: { display: 'Bricolage Grotesque', text: 'Instrument Sans' },
    highlight: true,
    size: 1.5,
  });
  const base = { start: 1, end: 4, width: 270, height: 480, loudness: { integrated: -14, truePeak: -1, range: 11 } };
  const crop = { width: 100, height: 180, keys: [{ time: 0, x: 160, y: 90, ease: 'hold' as const }] };

  test('is what platforms ask for, exactly as long as was asked, at its loudness', async () => {
    const { asset, loudness } = await call<ClipResult>('clip', {
      asset: small,
      ...base,
      crop,
      captions: captions('marker'),
    });
    const video = await ask(
      asset.asset,
      '-select_streams',
      'v',
      '-show_entries',
      'stream=codec_name,profile,pix_fmt,width,height,r_frame_rate,color_space',
    );
    expect(video).toBe('h264,High,270,480,yuv420p,bt709,30/1');
    expect(
      await ask(asset.asset, '-select_streams', 'a', '-show_entries', 'stream=codec_name,sample_rate,channels'),
    ).toBe('aac,48000,2');
    expect(Math.abs(Number(await ask(asset.asset, '-show_entries', 'format=duration')) - 3)).toBeLessThan(0.06);
    const keys = (
      await ask(
        asset.asset,
        '-select_streams',
        'v',
        '-skip_frame',
        'nokey',
        '-show_entries',
        'frame=pkt_pts_time,pts_time',
      )
    )
      .split('\n')
      .map((row) => Number(row.split(',')[0]));
    for (const [index, time] of keys.entries())
      if (index > 0) expect(time - keys[index - 1]!).toBeLessThanOrEqual(2.05);
    const bytes = Buffer.alloc(64);
    for await (const chunk of await trial.assets.read(asset.asset, { start: 0, end: 63 }))
      (chunk as Buffer).copy(bytes);
    expect(bytes.toString('latin1')).toContain('moov'); // the index lies in front
    const heard = await call<Loudness>('loudness', { asset: asset.asset });
    expect(Math.abs(heard.integrated! + 14)).toBeLessThanOrEqual(0.5);
    expect(loudness?.after.integrated).toBe(heard.integrated);
  });

  test('of loud speech is held by a limiter and still meets its target', async () => {
    const { asset, loudness } = await call<ClipResult>('clip', {
      asset: speech,
      ...base,
      start: 3,
      end: 5,
      loudness: { integrated: -9, truePeak: -1, range: 11 },
      crop: null,
      captions: null,
    });
    expect(loudness?.linear).toBe(false);
    const heard = await call<Loudness>('loudness', { asset: asset.asset });
    expect(Math.abs(heard.integrated! + 9)).toBeLessThanOrEqual(0.5);
    expect(heard.truePeak).toBeLessThanOrEqual(-0.5);
  });

  /** RGB of one frame. */
  async function frameOf(asset: string, time: number): Promise<Buffer> {
    const { stdout } = await execute(
      tools.ffmpeg,
      [
        '-v',
        'error',
        '-ss',
        String(time),
        '-i',
        await trial.assets.path(asset),
        '-frames:v',
        '1',
        '-f',
        'rawvideo',
        '-pix_fmt',
        'rgb24',
        '-',
      ],
      { encoding: 'buffer', maxBuffer: 10_000_000 },
    );
    return stdout;
  }

  test.each(['marker', 'plain', 'box', 'stack'] as const)(
    'with %s captions has them inside the safe area and nowhere else',
    async (style) => {
      const wall = await add(`wall-${style}.mp4`, [
        '-f',
        'lavfi',
        '-i',
        'color=c=white:s=270x480:r=10:d=4',
        '-c:v',
        'libx264',
        '-preset',
        'ultrafast',
      ]);
      const whole = { width: 270, height: 480, keys: [{ time: 0, x: 135, y: 240, ease: 'hold' as const }] };
      const made = async (shown: ReturnType<typeof captions> | null) =>
        frameOf(
          (
            await call<ClipResult>('clip', {
              asset: wall,
              ...base,
              start: 0,
              end: 3,
              loudness: null,
              crop: whole,
              captions: shown,
            })
          ).asset.asset,
          2,
        );
      const [shown, hidden] = [
        await made(captions(style)),
        await made({ ...captions(style), cues: [{ ...cues[0]!, start: 2.9, end: 2.95 }] }),
      ];
      let letters = 0;
      for (let y = 0; y < 480; y++) {
        for (let x = 0; x < 270; x++) {
          const at = (y * 270 + x) * 3;
          const change = [0, 1, 2].reduce((sum, part) => sum + Math.abs(shown[at + part]! - hidden[at + part]!), 0);
          if (change < 120) continue;
          letters++;
          expect(x).toBeGreaterThanOrEqual(270 * 0.07 - 8);
          expect(x).toBeLessThanOrEqual(270 * 0.82 + 8);
          expect(y).toBeGreaterThanOrEqual(480 * 0.12);
          expect(y).toBeLessThanOrEqual(480 * 0.8 + 4);
        }
      }
      expect(letters).toBeGreaterThan(400);
    },
  );

  test('of sound alone has a drawn picture', async () => {
    const { asset } = await call<ClipResult>('clip', {
      asset: speech,
      ...base,
      crop: null,
      captions: captions('stack'),
    });
    expect(await ask(asset.asset, '-select_streams', 'v', '-show_entries', 'stream=width,height')).toBe('270,480');
    const frame = await frameOf(asset.asset, 1.5);
    expect(new Set(frame).size).toBeGreaterThan(20);
  });

  test('without a crop shows the whole picture on a blurred one', async () => {
    const { asset } = await call<ClipResult>('clip', { asset: small, ...base, end: 2, crop: null, captions: null });
    expect(asset).toMatchObject({ width: 270, height: 480, duration: 1 });
    expect(await ask(asset.asset, '-select_streams', 'v', '-show_entries', 'stream=sample_aspect_ratio')).toMatch(
      /^(1:1|N\/A|0:1)$/,
    );
  });

  test('made twice is the same file', async () => {
    const input = { asset: small, ...base, end: 2, crop, captions: captions('box') };
    const [one, two] = [await call<ClipResult>('clip', input), await call<ClipResult>('clip', input)];
    expect(one.asset.asset).toBe(two.asset.asset);
  });

  test('outside the recording is refused in words', async () => {
    expect(await codeOf(call('clip', { asset: small, ...base, start: 30, end: 40, crop: null, captions: null }))).toBe(
      'MEDIA_OUT_OF_RANGE',
    );
  });

  test('with captions no font can draw says which signs', async () => {
    const chinese = { ...captions('box'), cues: [{ start: 0, end: 1, lines: [[{ text: '漢字', start: 0, end: 1 }]] }] };
    expect(await codeOf(call('clip', { asset: small, ...base, crop, captions: chinese }))).toBe('FONT_MISSING');
  });
});

describe('looking and listening', () => {
  test('speech is found where the reference has it', async () => {
    const turns = await call<Turn[]>('speech', { asset: speech });
    const heard = turns.reduce((sum, turn) => sum + turn.end - turn.start, 0);
    expect(heard).toBeGreaterThan(6);
    expect(heard).toBeLessThan(10.5);
    expect(turns[0]!.start).toBeLessThan(0.6);
    const silence = await add('nothing.wav', ['-f', 'lavfi', '-i', 'anoisesrc=a=0.001:d=3:r=16000']);
    expect(await call('speech', { asset: silence })).toEqual([]);
  });

  test('stills show the person’s face, sharp before blurred', async () => {
    const blurred = await add('blurred.mp4', [
      '-ss',
      '24',
      '-t',
      '6',
      '-i',
      INTERVIEW,
      '-vf',
      "scale=640:360,gblur=sigma=6:enable='lt(t,3)'",
      '-an',
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-g',
      '15',
    ]);
    const stills = await call<FrameCandidate[]>('frames', { asset: blurred, count: 2 });
    expect(stills).toHaveLength(2);
    expect(stills[0]!.time).toBeGreaterThan(2.9);
    const [face] = stills[0]!.faces;
    expect(face!.x + face!.width / 2).toBeGreaterThan(0.4);
    expect(face!.x + face!.width / 2).toBeLessThan(0.6);
    expect(face!.y).toBeLessThan(0.35);
    expect(stills[0]!.asset).toMatchObject({ mime: 'image/jpeg', width: 640, height: 360 });
  });

  test('the envelope follows the sound', async () => {
    const half = await add('half.wav', ['-f', 'lavfi', '-i', "aevalsrc='0.5*sin(2*PI*440*t)*gt(t,1)':d=2:s=16000"]);
    const peaks = await call<number[]>('waveform', { asset: half, bins: 10 });
    expect(peaks.slice(0, 4).every((peak) => peak < 0.02)).toBe(true);
    expect(peaks.slice(6).every((peak) => Math.abs(peak - 0.5) < 0.05)).toBe(true);
  });

  test('a recording without picture says so', async () => {
    expect(await codeOf(call('frames', { asset: speech, count: 1 }))).toBe('MEDIA_NO_PICTURE');
    expect(await codeOf(call('track', { asset: speech, start: 0, end: 1 }))).toBe('MEDIA_NO_PICTURE');
  });
});
