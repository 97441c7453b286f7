/** Tests of how the sample recording is known again. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { attributionOf, SAMPLE } from './sample.ts';

test('the sample is known by its bytes, so its sources are named wherever it is uploaded', () => {
  const bytes = readFileSync(path.resolve(import.meta.dirname, '../../templates/sample/talk.mp4'));
  const asset = createHash('sha256').update(bytes).digest('hex');
  expect(attributionOf({ asset: { asset }, attribution: null })).toBe(SAMPLE.attribution);
});

test('what is written down for a file comes first, and other files have no sources of ours', () => {
  expect(attributionOf({ asset: { asset: SAMPLE.sha256 }, attribution: 'Own words' })).toBe('Own words');
  expect(attributionOf({ asset: { asset: 'a'.repeat(64) }, attribution: null })).toBeNull();
});
