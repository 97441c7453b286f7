/**
 * Cleans the sound of a recording: rumble, hiss, room noise and pauses as wished, then loudness to a target in two
 * passes. What could change the voice is off until somebody turns it on.
 * Sources: EBU R 128; Spotify and Apple Podcasts on loudness (read 2026-11).
 */
import * as z from 'zod';
import { defineManifest, type Loudness, NodeError, port, type Run } from '../contract.ts';

/** LUFS, dBTP, LU. */
const TARGETS = {
  social: { integrated: -14, truePeak: -1, range: 11 },
  podcast: { integrated: -16, truePeak: -1, range: 11 },
  broadcast: { integrated: -23, truePeak: -1, range: 15 },
} as const;

export const manifest = defineManifest({
  id: 'sound.clean',
  version: '1.0.0',
  title: 'Clean audio',
  help: 'Removes rumble, noise and long pauses as you wish, and brings loudness to a target. The picture is copied untouched; only where pauses are shortened is it encoded again.',
  icon: 'audio-waveform',
  family: 'sound',
  aliases: ['loudness', 'normalise', 'normalize', 'denoise', 'noise', 'lufs', 'silence', 'master', 'sound'],
  shape: 'step',
  effect: 'pure',
  weight: 'heavy',
  inputs: { recording: port.media({ title: 'Recording' }) },
  outputs: { recording: port.media({ title: 'Recording' }) },
  config: z.strictObject({
    target: z.enum(['social', 'podcast', 'broadcast', 'own', 'off']).default('social').meta({
      title: 'Loudness',
      help: 'social: −14 LUFS, podcast: −16, broadcast: −23 (EBU R 128). own: the value below. off: as it is.',
    }),
    level: z.number().min(-30).max(-9).default(-14).meta({
      title: 'Own target',
      help: 'Only where Loudness is “own”.',
      unit: 'LUFS',
      slider: true,
      group: 'Own target',
    }),
    truePeak: z.number().min(-6).max(-0.5).default(-1).meta({
      title: 'Highest peak',
      help: 'Only where Loudness is “own”.',
      unit: 'dBTP',
      slider: true,
      group: 'Own target',
    }),
    highPass: z.number().min(0).max(200).default(0).meta({
      title: 'High-pass',
      help: 'Takes out rumble below this. 80 Hz suits voices. 0 is off.',
      unit: 'Hz',
      slider: true,
    }),
    denoise: z.number().min(0).max(100).default(0).meta({
      title: 'Denoise',
      help: 'Lowers steady noise. Above 60 voices begin to sound hollow. 0 is off.',
      unit: '%',
      slider: true,
    }),
    gate: z.number().min(-80).max(0).default(0).meta({
      title: 'Gate',
      help: 'Closes the sound below this level. −50 dB suits a quiet room. 0 is off.',
      unit: 'dB',
      slider: true,
      group: 'More',
    }),
    trimSilence: z.number().min(0).max(10).default(0).meta({
      title: 'Shorten pauses to',
      help: 'Longer pauses are cut down to this, in picture and sound. A transcript has to be made afterwards. 0 is off.',
      unit: 's',
      slider: true,
      group: 'More',
    }),
  }),
  capabilities: { media: ['clean'] },
  fields: ['target', 'highPass', 'denoise'],
  limits: { wallSeconds: 7200 },
  example: {
    config: { target: 'podcast', highPass: 80 },
    inputs: {
      recording: {
        asset: 'a'.repeat(64),
        kind: 'audio',
        mime: 'audio/mpeg',
        bytes: 1_200_000,
        name: 'talk.mp3',
        duration: 75,
      },
    },
    replies: [
      {
        asset: {
          asset: 'b'.repeat(64),
          kind: 'audio',
          mime: 'audio/mp4',
          bytes: 1_800_000,
          name: 'talk (clean).m4a',
          duration: 75,
        },
        before: { integrated: -21.3, truePeak: -6.2, range: 4.1 },
        after: { integrated: -16, truePeak: -1.1, range: 4.1 },
        linear: true,
        note: null,
      },
    ],
    outputs: {
      recording: {
        asset: 'b'.repeat(64),
        kind: 'audio',
        mime: 'audio/mp4',
        bytes: 1_800_000,
        name: 'talk (clean).m4a',
        duration: 75,
      },
    },
  },
});

/** “−17.5 LUFS”, with a real minus sign. */
export function level(loudness: Loudness): string {
  return loudness.integrated === null ? 'silence' : `${loudness.integrated.toFixed(1).replace('-', '−')} LUFS`;
}

export const run: Run<typeof manifest> = async (ctx, { recording }) => {
  if (recording.kind === 'video' && recording.hasSound === false) {
    throw new NodeError('MEDIA_NO_SOUND', 'This recording has no sound, so there is nothing to clean.', {
      hint: 'Wire the recording past this node.',
    });
  }
  const { target, highPass, denoise, gate, trimSilence } = ctx.config;
  const loudness =
    target === 'off'
      ? null
      : target === 'own'
        ? { integrated: ctx.config.level, truePeak: ctx.config.truePeak, range: 11 }
        : TARGETS[target];
  const cleaned = await ctx.media.clean({
    asset: recording.asset,
    highPass,
    denoise: denoise / 100,
    gate: gate === 0 ? null : gate,
    trimSilence: trimSilence === 0 ? null : Math.max(0.1, trimSilence),
    loudness,
  });
  const [before, after] = [level(cleaned.before), level(cleaned.after)];
  ctx.fact('loudness', before === after ? after : `${before.replace(' LUFS', '')} → ${after}`);
  if (cleaned.after.truePeak !== null) ctx.fact('peak', `${cleaned.after.truePeak.toFixed(1).replace('-', '−')} dBTP`);
  if (cleaned.note) {
    ctx.fact('note', cleaned.note);
    ctx.log(cleaned.note);
  }
  const { duration } = cleaned.asset;
  if (
    trimSilence > 0 &&
    duration !== undefined &&
    recording.duration !== undefined &&
    recording.duration - duration > 0.05
  ) {
    ctx.fact('shortened by', `${(recording.duration - duration).toFixed(1)} s`);
  }
  return { recording: cleaned.asset };
};
