/** Runs the command line as a person does, against a product's data folder. */
import { spawn } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

export type Ran = { code: number | null; out: string; err: string; json: () => Record<string, unknown> };

export const spliceboard = (data: string, ...args: string[]): Promise<Ran> => spliceboardWith({}, data, ...args);

/** With settings beside those of this process. */
export async function spliceboardWith(settings: Record<string, string>, data: string, ...args: string[]): Promise<Ran> {
  const { SPLICEBOARD_URL: _, SPLICEBOARD_TOKEN: __, ...env } = process.env;
  const child = spawn(process.execPath, ['scripts/spliceboard.ts', ...args, '--data', data], {
    cwd: root,
    env: { ...env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, err, json: () => JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, unknown> };
}
