/** What a `recording` field holds, as far as the picker can show it. Pure. */
import type { RecordingValue } from '../uploads/recording-picker.tsx';

/** A stored config may hold anything; null for what is no recording. */
export function readRecording(value: unknown): RecordingValue | null {
  if (typeof value !== 'object' || value === null) return null;
  if ('asset' in value && typeof value.asset === 'string') return { asset: value.asset };
  if ('url' in value && typeof value.url === 'string') return { url: value.url };
  return null;
}
