/** Finds the recording and transcript among the inputs of a step: what its output's times refer to. Pure. */
import { type Asset, MediaAsset, Transcript } from '../../nodes/contract.ts';

/** `inputs` as a step view holds them: values by port name, each plain or as `{ value }`. */
export function recordingOf(inputs: Record<string, unknown> | null | undefined): Asset | null {
  for (const value of plain(inputs)) {
    const parsed = MediaAsset.safeParse(value);
    if (parsed.success) return parsed.data;
  }
  return null;
}

export function transcriptOf(inputs: Record<string, unknown> | null | undefined): Transcript | null {
  for (const value of plain(inputs)) {
    const parsed = Transcript.safeParse(value);
    if (parsed.success) return parsed.data;
  }
  return null;
}

function plain(inputs: Record<string, unknown> | null | undefined): unknown[] {
  return Object.values(inputs ?? {}).map((value) =>
    typeof value === 'object' && value !== null && 'value' in value ? value.value : value,
  );
}
