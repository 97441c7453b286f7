/** Times inside media as people read and type them: "1:02.5". Seconds. Pure. */

/** `62.46` → "1:02.5", `3701.04` → "1:01:41.0". Rounds to the nearest tenth. */
export function tenths(seconds: number): string {
  const all = Math.max(0, Math.round(seconds * 10));
  const whole = Math.floor(all / 10);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = `${String(whole % 60).padStart(2, '0')}.${all % 10}`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** "75", "75.5", "1:15.5", "1:01:15,5" → seconds; null for what is not a time. */
export function parseTime(text: string): number | null {
  const match = /^\s*(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,5}(?:[.,]\d{1,3})?)\s*s?\s*$/.exec(text);
  if (!match) return null;
  const [, hours, minutes, seconds] = match;
  const rest = Number((seconds ?? '0').replace(',', '.'));
  // Below an hour or a minute sign, sixty and more is a slip of the hand.
  if (minutes !== undefined && rest >= 60) return null;
  if (hours !== undefined && Number(minutes) >= 60) return null;
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + rest;
}

/** `0.07` → 0.1: to the tenth, never below zero, without binary dust. */
export const toTenth = (seconds: number): number => Math.max(0, Math.round(seconds * 10) / 10);
