/**
 * The draft engine: Debian's pocketsphinx with its US-English model, run as a confined program without network.
 *
 * It writes words with times and a probability, no punctuation and no speakers. In clear studio speech about nine words
 * of ten are right, in old or telephone recordings few (measured 2026-11: 0.37 s of one core a second of sound).
 * `[SPEECH]`, `<sil>` and the like are no words; `read(2)` is a second pronunciation of `read`.
 * Source: pocketsphinx 0.8+5prealpha, `pocketsphinx_continuous -time yes` (read from its output).
 */
import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Transcript } from '../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capabilities/capability.ts';
import { spawnConfined, takeBack } from '../sandbox/spawn.ts';
import { type Stretch, soundFile } from './sound.ts';
import { buildTranscript, type SpokenWord } from './transcript.ts';

const PROGRAM = 'pocketsphinx_continuous';
const MODEL = '/usr/share/pocketsphinx/model/en-us/en-us';
/** Nothing said for this long: it has hung. Its own pauses are as long as the recording's longest sentence. */
const QUIET_MS = 180_000;
const ADDRESS_SPACE_BYTES = 4 * 1024 ** 3;

/** The program's path, or undefined where it or its model is not installed. */
export async function findDraft(): Promise<string | undefined> {
  if (!existsSync(MODEL)) return undefined;
  for (const folder of [...(process.env.PATH ?? '').split(path.delimiter), '/usr/bin', '/usr/local/bin']) {
    if (!path.isAbsolute(folder)) continue;
    const file = path.join(folder, PROGRAM);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // next folder
    }
  }
  return undefined;
}

export async function transcribeDraft(
  scope: StepScope,
  order: { asset: string; duration: number; stretch?: Stretch },
): Promise<Transcript> {
  const program = await findDraft();
  if (!program) {
    throw new CapabilityError('ENGINE_MISSING', 'The draft engine is not installed.', {
      hint: 'Run: npm run spliceboard -- speech install draft',
      retry: 'person',
    });
  }
  const { stretch = {} } = order;
  await using sound = await soundFile(scope, order.asset, 'wav', stretch);
  const child = await spawnConfined(
    program,
    ['-infile', path.basename(sound.path), '-time', 'yes', '-logfn', '/dev/null'],
    {
      cwd: sound.folder,
      ownFolder: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      addressSpaceBytes: ADDRESS_SPACE_BYTES,
      fileSizeBytes: 0,
      nice: 5,
      env: { LC_ALL: 'C' },
      signal: scope.signal,
    },
  );
  try {
    const lasts = Math.max(1, (stretch.end ?? order.duration) - (stretch.start ?? 0));
    const { words, complaint } = await listen(child, (at) =>
      scope.progress(Math.min(0.99, at / lasts), 'Writing a draft.'),
    );
    const { code, signal } = await child.exited;
    scope.signal.throwIfAborted();
    if (code !== 0) {
      throw new CapabilityError(
        'ENGINE_FAILED',
        `The draft engine ended (${signal ?? code})${complaint ? `: ${complaint}` : ''}.`,
        {
          hint: 'It is tried again by itself.',
          retry: 'later',
        },
      );
    }
    const offset = stretch.start ?? 0;
    const moved = words.map((word) => ({ ...word, start: word.start + offset, end: word.end + offset }));
    return buildTranscript(
      moved.map((word) => ({ start: word.start, end: word.end, text: word.text, words: [word] })),
      {
        language: 'en',
        duration: order.duration,
        engine: {
          id: 'draft',
          label: 'Draft (pocketsphinx)',
          note: 'A rough draft: English only, without punctuation and speakers. Expect one word in ten to be wrong in clear speech, and far more otherwise.',
        },
      },
    );
  } finally {
    child.kill();
    await takeBack(sound.folder).catch(() => {});
  }
}

async function listen(
  child: { stdout: Readable | null; stderr: Readable | null; kill(): void },
  onWord: (at: number) => void,
): Promise<{ words: SpokenWord[]; complaint: string }> {
  const words: SpokenWord[] = [];
  let complaint = '';
  let timer: NodeJS.Timeout | undefined;
  const moved = () => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill(), QUIET_MS);
  };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-300).trim();
  });
  moved();
  try {
    let rest = '';
    for await (const chunk of (child.stdout as Readable).setEncoding('utf8') as AsyncIterable<string>) {
      moved();
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const word = readLine(line);
        if (!word) continue;
        words.push(word);
        onWord(word.end);
      }
    }
  } finally {
    clearTimeout(timer);
  }
  return { words, complaint };
}

/** `installed 14.590 15.190 0.993421` → a word; sentences, silences and noises → undefined. */
export function readLine(line: string): SpokenWord | undefined {
  const found = /^([^\s<>[\]+]+) (\d+\.\d+) (\d+\.\d+) (\d+\.\d+)\s*$/.exec(line);
  if (!found) return undefined;
  const [, text = '', start, end, confidence] = found;
  return {
    text: text.replace(/\(\d+\)$/, ''),
    start: Number(start),
    end: Number(end),
    confidence: Math.min(1, Number(confidence)),
  };
}
