import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadSealKey, parseKey, seal, unseal } from './seal.ts';

const key = parseKey('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff');
const place = { row: 'secret:openai', workspace: 'w1' };

test('a sealed secret opens again in its own place and in no other', () => {
  const sealed = seal(key, 'sk-geheim-ß', place);
  expect(sealed).not.toContain('geheim');
  expect(unseal(key, sealed, place)).toBe('sk-geheim-ß');
  expect(() => unseal(key, sealed, { ...place, workspace: 'w2' })).toThrow(/another row/);
  expect(() => unseal(key, sealed, { ...place, row: 'secret:assemblyai' })).toThrow(/another row/);
});

test('a changed byte and another key are told apart', () => {
  const sealed = seal(key, 'text', place);
  const flipped = sealed.slice(0, -2) + (sealed.endsWith('AA') ? 'BB' : 'AA');
  expect(() => unseal(key, flipped, place)).toThrow(expect.objectContaining({ code: 'SEAL_BROKEN' }));
  const other = parseKey(Buffer.alloc(32, 7).toString('base64'));
  expect(() => unseal(other, sealed, place)).toThrow(expect.objectContaining({ code: 'SEAL_KEY_OTHER' }));
  expect(() => parseKey('short')).toThrow(expect.objectContaining({ code: 'SEAL_KEY_INVALID' }));
});

test('two first starts at once agree on one key file that only its owner may read', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'seal-'));
  try {
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadSealKey(folder, {})));
    expect(new Set(keys.map((one) => one.id)).size).toBe(1);
    const file = path.join(folder, 'seal.key');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(parseKey(await readFile(file, 'utf8')).id).toBe(keys[0]!.id);
    const fromEnvironment = await loadSealKey(folder, { SPLICEBOARD_KEY: key.bytes.toString('hex') });
    expect(fromEnvironment.id).toBe(key.id);
  } finally {
    await rm(folder, { recursive: true });
  }
});
