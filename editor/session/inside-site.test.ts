/** Tests of where the sign-in page may lead. */
import { expect, test } from 'vitest';
import { insideSite } from './inside-site.ts';

test('only a path of this site is followed after signing in', () => {
  expect(insideSite('/w/1/runs?state=failed')).toBe('/w/1/runs?state=failed');
  for (const to of [
    undefined,
    '',
    'https://example.com',
    '//example.com',
    '/\\example.com',
    'javascript:alert(1)',
    '/sign-in?to=/',
  ])
    expect(insideSite(to), String(to)).toBe('/');
});
