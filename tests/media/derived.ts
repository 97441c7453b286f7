/**
 * Small recordings made from the interview with ffmpeg, for tests that need to know what is in them.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { findFfmpeg } from '../../runtime/capabilities/media/ffmpeg.ts';

const run = promisify(execFile);
export const INTERVIEW = path.join(import.meta.dirname, '../fixtures/interview.mp4');
export const SPEECH = path.join(import.meta.dirname, '../fixtures/jfk.flac');

/** Runs ffmpeg as a person would at a shell. */
export async function make(file: string, args: string[]): Promise<string> {
  const { ffmpeg } = await findFfmpeg();
  await run(ffmpeg, ['-nostdin', '-v', 'error', '-y', ...args, file], { maxBuffer: 10_000_000 });
  return file;
}

export const WIDTH = 640;
export const HEIGHT = 360;
/** The cut-out of the person: 240 wide in a picture of 640 × 360, their middle at 112 from its left edge. */
const MIDDLE = 112;

/**
 * The person of the interview in front of a grey wall, `left(t)` pixels from the left edge as an ffmpeg expression;
 * `where` says the same in JavaScript: the middle of the person.
 */
export async function standing(file: string, left: string, seconds: number): Promise<string> {
  return make(file, [
    ...['-f', 'lavfi', '-i', `color=c=0xb8c0bc:s=${WIDTH}x${HEIGHT}:r=30:d=${seconds}`],
    ...['-ss', '24', '-t', String(seconds), '-i', INTERVIEW],
    ...[
      '-filter_complex',
      `[1:v]scale=${WIDTH}:${HEIGHT},crop=240:${HEIGHT}:200:0,setsar=1[person];[0:v][person]overlay=x='${left}':y=0:shortest=1,format=yuv420p[v]`,
    ],
    ...[
      '-map',
      '[v]',
      '-map',
      '1:a',
      '-t',
      String(seconds),
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-g',
      '30',
      '-c:a',
      'aac',
    ],
  ]);
}
export const middleAt = (left: number) => left + MIDDLE;
