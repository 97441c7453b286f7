/** Numbers as the interface says them: every one with its unit. Pure. */

const nbsp = '\u00a0';

/** `7` → "7 s", `70` → "1 min 10 s", `3700` → "1 h 2 min". Seconds. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (seconds > 0 && seconds < 0.05) return `<${nbsp}0.1${nbsp}s`;
  if (whole < 60) return seconds > 0 && seconds < 0.95 ? `${seconds.toFixed(1)}${nbsp}s` : `${whole}${nbsp}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes}${nbsp}min` : `${minutes}${nbsp}min ${whole % 60}${nbsp}s`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours}${nbsp}h` : `${hours}${nbsp}h ${minutes % 60}${nbsp}min`;
}

/** `2.14` → "2.1 ms", `27.3` → "27 ms", `1_240` → "1.2 s". Of what is measured finely. */
export function milliseconds(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)}${nbsp}s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}${nbsp}ms`;
}

/** `148.2` → "2:28", `3701` → "1:01:41". Seconds. */
export function timecode(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds + 0.001));
  const rest = `${String(Math.floor(whole / 60) % 60).padStart(whole >= 3600 ? 2 : 1, '0')}:${String(whole % 60).padStart(2, '0')}`;
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${rest}` : rest;
}

/** `5_100_000` → "5.1 MB". Decimal units, as file managers and platforms count. */
export function bytes(count: number): string {
  if (count < 1000) return `${count}${nbsp}B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}${nbsp}${units[unit]}`;
}

/** `plural(1, 'clip')` → "1 clip"; `plural(5, 'clip')` → "5 clips". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')}${nbsp}${count === 1 ? one : many}`;
}

/** "just now", "4 min ago", "3 h ago", then the date. Both as instants in milliseconds. */
export function ago(instant: string | number | Date, now = Date.now()): string {
  const then = new Date(instant);
  const seconds = (now - then.getTime()) / 1000;
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))}${nbsp}min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)}${nbsp}h ago`;
  const sameYear = then.getFullYear() === new Date(now).getFullYear();
  return then.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', ...(sameYear ? {} : { year: 'numeric' }) });
}

/** Half-open minus signs: "−14.0 LUFS". */
export function lufs(value: number): string {
  return `${value < 0 ? '−' : ''}${Math.abs(value).toFixed(1)}${nbsp}LUFS`;
}
