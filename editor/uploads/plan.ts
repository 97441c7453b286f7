/**
 * Sorts chosen files into recordings, the captions or transcripts that go along with them, and what cannot be taken.
 * Names are a first look only; the server reads the bytes. Pure.
 */
import { bytes } from '../ui/format.ts';

export const LARGEST = 20e9;
/** Captions and transcripts are text: more is something else. */
const LARGEST_SIDECAR = 20e6;

const KINDS: Record<string, 'video' | 'audio' | 'text'> = {
  mp4: 'video',
  m4v: 'video',
  mov: 'video',
  mkv: 'video',
  webm: 'video',
  mp3: 'audio',
  wav: 'audio',
  m4a: 'audio',
  flac: 'audio',
  ogg: 'audio',
  oga: 'audio',
  opus: 'audio',
  txt: 'text',
  md: 'text',
};
const SIDECARS = ['srt', 'vtt', 'json'];

/** For the `accept` of a file field. */
export const ACCEPT = [...Object.keys(KINDS), ...SIDECARS].map((ending) => `.${ending}`).join(',');
export const TAKES = 'MP4, MOV, MKV, WebM, MP3, WAV, M4A, FLAC or OGG, up to 20 GB';

type Named = { name: string; size: number };
export type Planned<F extends Named> = { file: F; kind: 'video' | 'audio' | 'text'; sidecars: F[] };
export type Plan<F extends Named> = { uploads: Planned<F>[]; refused: { name: string; reason: string }[] };

const ending = (name: string) => /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
const stem = (name: string) => name.replace(/\.[^.]+$/, '').toLowerCase();

/** `talk.srt`, `talk.en.vtt` and `talk.transcript.json` all go along with `talk.mp4`. The longest stem wins. */
function ownerOf<F extends Named>(sidecar: F, uploads: readonly Planned<F>[]): Planned<F> | undefined {
  const name = sidecar.name.toLowerCase();
  return uploads
    .filter(({ file, kind }) => kind !== 'text' && name.startsWith(`${stem(file.name)}.`))
    .sort((one, other) => other.file.name.length - one.file.name.length)[0];
}

export function planUploads<F extends Named>(files: readonly F[]): Plan<F> {
  const uploads: Planned<F>[] = [];
  const refused: Plan<F>['refused'] = [];
  const sidecars: F[] = [];
  for (const file of files) {
    const kind = KINDS[ending(file.name)];
    if (SIDECARS.includes(ending(file.name))) sidecars.push(file);
    else if (!kind)
      refused.push({
        name: file.name,
        reason: `${file.name} is no recording we know. Take ${TAKES.replace(', up to 20 GB', '')}.`,
      });
    else if (file.size === 0)
      refused.push({ name: file.name, reason: `${file.name} is empty. It may still be written or copied.` });
    else if (file.size > LARGEST)
      refused.push({
        name: file.name,
        reason: `${file.name} has ${bytes(file.size)}; 20 GB fit. Export it smaller, or cut it in two.`,
      });
    else uploads.push({ file, kind, sidecars: [] });
  }
  for (const file of sidecars) {
    const owner = ownerOf(file, uploads);
    if (!owner)
      refused.push({
        name: file.name,
        reason: `${file.name} goes along with a recording of the same name. Choose both together.`,
      });
    else if (file.size === 0 || file.size > LARGEST_SIDECAR)
      refused.push({
        name: file.name,
        reason:
          file.size === 0 ? `${file.name} is empty.` : `${file.name} is too large for captions: ${bytes(file.size)}.`,
      });
    else owner.sidecars.push(file);
  }
  return { uploads, refused };
}
