/**
 * What a platform would refuse, by its rules as data: pure, so that the editor counts as the worker judges.
 * Source of the ways to count: Mastodon counts an address as 23 characters, YouTube and TikTok count UTF-16 units.
 */
import { type Platform, PORT_LABELS, type PostProblem, type PostRule } from '../../nodes/contract.ts';

type Rules = NonNullable<Platform['post']>;
const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/gi;

/** Its length as the platform counts it. */
export function lengthOf(text: string, { counts = 'characters', linkCounts }: PostRule): number {
  const links = linkCounts === undefined ? [] : [...text.matchAll(ADDRESS)];
  const rest = linkCounts === undefined ? text : text.replace(ADDRESS, '');
  const own =
    counts === 'utf16'
      ? rest.length
      : counts === 'bytes'
        ? new TextEncoder().encode(rest).length
        : [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(rest)].length;
  return own + links.length * (linkCounts ?? 0);
}

/** In the order of the rules; nothing where it can be sent. */
export function problemsOf(rules: Rules, inputs: Record<string, unknown>): PostProblem[] {
  const problems: PostProblem[] = [];
  const isThere = (name: string) => {
    const value = inputs[name];
    return value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);
  };
  if (rules.oneOf && !rules.oneOf.some(isThere)) {
    problems.push({ message: `It needs one of these: ${rules.oneOf.map(named).join(', ')}.` });
  }
  for (const [input, rule] of Object.entries(rules.rules)) {
    if (!isThere(input)) continue;
    const value = inputs[input];
    const say = (message: string, hint?: string) => problems.push({ input, message, ...(hint && { hint }) });
    if (typeof value === 'string') {
      const length = lengthOf(value, rule);
      if (rule.most !== undefined && length > rule.most) {
        const unit = rule.counts === 'bytes' ? 'bytes' : 'characters';
        say(`The ${named(input)} has ${length} ${unit}; ${rule.most} are allowed.`, `Shorten the ${named(input)}.`);
      }
      continue;
    }
    const files = (Array.isArray(value) ? value : [value]) as Record<string, unknown>[];
    if (Array.isArray(value) && rule.most !== undefined && files.length > rule.most) {
      say(`There are ${files.length} of "${named(input)}"; ${rule.most} are allowed.`);
    }
    for (const file of files) judgeFile(file, rule, named(input), say);
  }
  return problems;
}

function judgeFile(
  value: Record<string, unknown>,
  rule: PostRule,
  name: string,
  say: (message: string, hint?: string) => void,
): void {
  const file = (typeof value.video === 'object' && value.video !== null ? value.video : value) as {
    mime?: unknown;
    bytes?: unknown;
    duration?: unknown;
  };
  if (rule.mimes && typeof file.mime === 'string' && !rule.mimes.includes(file.mime)) {
    say(`The ${name} is ${file.mime}; it takes ${rule.mimes.join(', ')}.`);
  }
  if (rule.mostBytes !== undefined && typeof file.bytes === 'number' && file.bytes > rule.mostBytes) {
    say(`The ${name} has ${megabytes(file.bytes)}; ${megabytes(rule.mostBytes)} are allowed.`);
  }
  if (typeof file.duration !== 'number') return;
  if (rule.mostSeconds !== undefined && file.duration > rule.mostSeconds) {
    say(`The ${name} lasts ${Math.round(file.duration)} s; ${rule.mostSeconds} s are allowed.`, 'Make a shorter clip.');
  }
  if (rule.leastSeconds !== undefined && file.duration < rule.leastSeconds) {
    say(`The ${name} lasts ${Math.round(file.duration)} s; at least ${rule.leastSeconds} s are asked for.`);
  }
}

const named = (input: string) => (Object.hasOwn(PORT_LABELS, input) ? PORT_LABELS[input as 'text'] : input);
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
