/** What a run takes, or took, in words. Pure. */
import type { Outputs } from '../api.ts';
import { duration, plural } from '../ui/format.ts';

export type Taken = NonNullable<Outputs['runs']['cost']['taken']>;

/** `About 4 min`, `12 calls of services`, `3 posts to 1 account`, `$0.12`: only what there is. */
export function takenWords(taken: Taken, about = ''): string[] {
  const { seconds, calls, posts, accounts, money, quota } = taken;
  return [
    seconds === null ? '' : seconds < 1 ? `${about ? 'Less than' : 'less than'} 1 s` : `${about}${duration(seconds)}`,
    calls > posts ? plural(calls - posts, 'call of a service', 'calls of services') : '',
    posts > 0 ? `${plural(posts, 'post')} to ${plural(accounts, 'account')}` : 'nothing sent',
    ...money.map((part) => price(part.minor, part.currency)),
    ...quota.map((part) => `${part.units} ${part.name}`),
  ].filter(Boolean);
}

function price(minor: number, currency: string): string {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(minor / 100);
}
