import { expect, test } from 'vitest';
import type { Policy } from './graph/graph.ts';
import { verdictOn } from './settle.ts';

const error = { code: 'X', message: 'The service is busy.', hint: null, retry: 'later' as const };
const of = { effect: 'reads-external' as const, attempt: 1, jitter: 0, nowMs: 0 };

test('what trying again cannot help fails at once', () => {
  expect(verdictOn({ ...error, retry: 'never' }, of)).toMatchObject({ kind: 'failed' });
  expect(verdictOn({ ...error, retry: 'person' }, of)).toMatchObject({ kind: 'failed' });
});

test('waits double, are spread, and end', () => {
  const waits = [1, 2, 3, 4, 5].map((attempt) => verdictOn(error, { ...of, attempt }));
  expect(waits.map((verdict) => verdict.kind === 'retry' && verdict.afterMs)).toEqual([500, 1000, 2000, 4000, 8000]);
  expect(verdictOn(error, { ...of, jitter: 0.999 })).toMatchObject({ kind: 'retry', afterMs: 1000 });
  expect(verdictOn(error, { ...of, attempt: 6 })).toMatchObject({ kind: 'failed' });
});

test('a pure step is tried again at once, and only once', () => {
  expect(verdictOn(error, { ...of, effect: 'pure' })).toMatchObject({ kind: 'retry', afterMs: 0 });
  expect(verdictOn(error, { ...of, effect: 'pure', attempt: 2 })).toMatchObject({ kind: 'failed' });
});

test('a time that the service names is waited for', () => {
  const notBefore = new Date(90_000).toISOString();
  expect(verdictOn({ ...error, notBefore }, of)).toMatchObject({ kind: 'retry', afterMs: 90_000 });
});

test('a person’s policy says how often, how long apart and on which errors', () => {
  const waits = (policy: Policy, retry: 'later' | 'never' | 'person' = 'later') =>
    [1, 2, 3].map((attempt) => {
      const verdict = verdictOn({ ...error, retry }, { ...of, attempt, policy, jitter: 1 });
      return verdict.kind === 'retry' ? verdict.afterMs : 'failed';
    });
  expect(waits({ attempts: 3, wait: 10 })).toEqual([10_000, 20_000, 'failed']);
  expect(waits({ attempts: 4, wait: 600, growth: 'same' })).toEqual([600_000, 600_000, 600_000]);
  expect(waits({ attempts: 1 })).toEqual(['failed', 'failed', 'failed']);
  expect(waits({ on: 'all' }, 'never')).toEqual([1_000, 2_000, 4_000]);
  expect(waits({ on: 'all' }, 'person')).toEqual(['failed', 'failed', 'failed']);
  const refused = { ...of, effect: 'writes-external' as const, policy: { on: 'all' as const } };
  expect(verdictOn({ ...error, retry: 'never' }, refused)).toMatchObject({ kind: 'failed' });
});
