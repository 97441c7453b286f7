/**
 * The media capability: named operations on recordings, each with a schema, a bound on its size and the identity of
 * what does the work. Nodes ask for them by name in their manifest (`media: ['probe', 'clip']`).
 *
 * Every result is memoised by (method, input, engine identity), so the same cut is never made twice. Before the first
 * operation of a process, ffmpeg proves that it refuses a playlist posing as a recording (ffmpeg.ts).
 */
import * as z from 'zod';
import { type Capability, method, type StepScope } from '../capability.ts';
import { clip } from './clip.ts';
import { type Ffmpeg, findFfmpeg, refusesPlaylists } from './ffmpeg.ts';
import { detectorIdentity, frames, track } from './people.ts';
import { probe, subtitles } from './probe.ts';
import { clean, loudness, waveform } from './sound.ts';
import { speech, voiceIdentity } from './voice.ts';

/** Goes up when an operation's result changes for the same input: part of the memo key. */
const REVISION = 2;
const LONGEST_CLIP = 3600;

const AssetId = z.string().regex(/^[0-9a-f]{64}$/);
const Seconds = z.number().min(0).max(86_400);
const Target = z.strictObject({
  integrated: z.number().min(-40).max(-8),
  truePeak: z.number().min(-9).max(0),
  range: z.number().min(1).max(20),
});
const Colour = z.string().regex(/^#[0-9a-fA-F]{6}$/);
const Side = z.number().int().min(64).max(3840);

const Piece = z.strictObject({ asset: AssetId, start: Seconds.optional(), end: Seconds.optional() });
const Stretch = z
  .strictObject({ asset: AssetId, start: Seconds, end: Seconds })
  .refine(({ start, end }) => end > start, 'The end lies before the start.');
const Clean = z.strictObject({
  asset: AssetId,
  highPass: z.number().min(0).max(1000),
  denoise: z.number().min(0).max(1),
  gate: z.number().min(-90).max(0).nullable(),
  trimSilence: z.number().min(0.1).max(30).nullable(),
  loudness: Target.nullable(),
});
const CaptionWord = z.strictObject({ text: z.string().max(200), start: z.number(), end: z.number() });
const Clip = z
  .strictObject({
    asset: AssetId,
    start: Seconds,
    end: Seconds,
    width: Side,
    height: Side,
    crop: z
      .strictObject({
        width: z.number().min(16).max(8192),
        height: z.number().min(16).max(8192),
        keys: z
          .array(z.strictObject({ time: z.number(), x: z.number(), y: z.number(), ease: z.enum(['hold', 'linear']) }))
          .max(2000),
      })
      .nullable(),
    captions: z
      .strictObject({
        style: z.enum(['marker', 'plain', 'box', 'stack']),
        cues: z
          .array(
            z.strictObject({ start: z.number(), end: z.number(), lines: z.array(z.array(CaptionWord).max(20)).max(2) }),
          )
          .max(5000),
        colors: z.strictObject({ primary: Colour, light: Colour, ink: Colour }),
        fonts: z.strictObject({ display: z.string().max(100), text: z.string().max(100) }),
        highlight: z.boolean(),
        size: z.number().min(0.5).max(3).optional(),
      })
      .nullable(),
    loudness: Target.nullable(),
  })
  .refine(({ start, end }) => end > start, 'The end lies before the start.')
  .refine(({ start, end }) => end - start <= LONGEST_CLIP, 'A clip may last an hour.');

export type MediaOptions = {
  /** Looked for on the machine where absent. */
  tools?: Ffmpeg;
};

export function mediaCapability(options: MediaOptions = {}): Capability {
  let ready: Promise<Ffmpeg> | undefined;
  /** ffmpeg, found and tested once. */
  const tools = (): Promise<Ffmpeg> => {
    ready ??= (async () => {
      const found = options.tools ?? (await findFfmpeg());
      await refusesPlaylists(found);
      return found;
    })().catch((error: unknown) => {
      ready = undefined;
      throw error;
    });
    return ready;
  };
  const identity = async (...parts: string[]) =>
    [`ffmpeg ${(options.tools ?? (await findFfmpeg())).identity}`, `revision ${REVISION}`, ...parts].join(', ');

  function operation<S extends z.ZodType, O>(
    input: S,
    act: (found: Ffmpeg, scope: StepScope, input: z.output<S>) => Promise<O>,
    also: () => string[] = () => [],
  ) {
    return method<z.output<S>, O>({
      input: input as unknown as z.ZodType<z.output<S>>,
      record: 'memo',
      engine: () => identity(...also()),
      act: async (scope, parsed) => act(await tools(), scope, parsed),
    });
  }

  return {
    name: 'media',
    declared: (manifest, name) => manifest.capabilities.media?.includes(name) ?? false,
    methods: {
      probe: operation(z.strictObject({ asset: AssetId }), async (found, scope, { asset }) => {
        const { texts: _texts, stretch: _stretch, ...facts } = await probe(found, scope, asset);
        return facts;
      }),
      loudness: operation(Piece, loudness),
      clean: operation(Clean, clean),
      waveform: operation(z.strictObject({ asset: AssetId, bins: z.number().int().min(1).max(4000) }), waveform),
      speech: operation(
        z.strictObject({ asset: AssetId }),
        (found, scope, { asset }) => speech(found, scope, asset),
        () => [voiceIdentity()],
      ),
      subtitles: operation(z.strictObject({ asset: AssetId }), (found, scope, { asset }) =>
        subtitles(found, scope, asset),
      ),
      track: operation(Stretch, track, () => [`detector ${detectorIdentity()}`]),
      clip: operation(Clip, clip),
      frames: operation(Piece.extend({ count: z.number().int().min(1).max(12) }), frames, () => [
        `detector ${detectorIdentity()}`,
      ]),
    },
  };
}
