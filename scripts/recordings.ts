/** Names of recordings (tests/fixtures/recorded): by the schema of the version that made them, and never one that is taken. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { migrations } from '../db/migrate.ts';

/** `0069`: the newest migration. */
export function schemaNow(): string {
  return String(migrations().at(-1)!.number).padStart(4, '0');
}

/** `0069.json`, or `0069-2.json` where that is there; `clips.0069.json` of something with a name. */
export function freePath(folder: string, name?: string): string {
  const stem = name === undefined ? schemaNow() : `${name}.${schemaNow()}`;
  for (let count = 1; ; count++) {
    const file = path.join(folder, `${stem}${count === 1 ? '' : `-${count}`}.json`);
    if (!existsSync(file)) return file;
  }
}

const NAME = /^(?:(?<own>[a-z][^.]*)\.)?(?:(?<schema>\d{4})(?:-(?<count>\d+))?\.)?json$/;

/** The recordings in a folder, of one name where one is given; of each name the oldest first. */
export function recordingsIn(folder: string, name?: string): string[] {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder).flatMap((file) => {
    const { own = '', schema = '0', count = '1' } = NAME.exec(file)?.groups ?? {};
    const isOne = NAME.test(file) && (name === undefined || own === name);
    return isOne ? [{ file, own, at: Number(schema) * 1_000 + Number(count) }] : [];
  });
  return found.sort((a, b) => (a.own < b.own ? -1 : a.own > b.own ? 1 : a.at - b.at)).map(({ file }) => file);
}
