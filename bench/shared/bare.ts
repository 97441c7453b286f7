/** The floor of a call (bare-isolate.ts) as a process of its own: isolates need a flag that the bench runs without. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

export async function openBare(code: string, text: string) {
  const child = spawn(
    process.execPath,
    ['--no-node-snapshot', '--no-warnings', path.join(import.meta.dirname, 'bare-isolate.ts')],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  const told = async () => (await once(child, 'message'))[0] as number[];
  await told();
  return {
    /** Milliseconds of each of so many calls; `isFresh`: each in a new isolate. */
    async calls(many: number, isFresh = false): Promise<number[]> {
      child.send({ code, text, many, isFresh });
      return told();
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}
