/**
 * A plugin in the making on the real canvas: packed on each save, checked, and put in use in the place of itself. The canvas
 * keeps its nodes and their settings; what the plugin asks for anew is asked once. What its nodes do is said here as they do it.
 */
import { watch } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeError } from '../../nodes/contract.ts';
import { BundleRefused } from '../../runtime/bundle.ts';
import { type Client, CommandError } from '../client.ts';
import { type Checked, sendPacked } from './main.ts';
import { packFolder } from './pack.ts';
import { follow } from './trials.ts';

type Hands = { allow: (checked: Checked) => Promise<string[]>; say: (line: string) => void; signal?: AbortSignal };

const REST_MS = 120;

export async function develop(client: Client, folder: string, { allow, say, signal }: Hands): Promise<number> {
  const { api, workspaceId } = client;
  let last = '';
  let name = '';
  async function once(): Promise<void> {
    const began = performance.now();
    try {
      const packed = await packFolder(folder);
      if (packed.digest === last) return;
      const checked = await sendPacked(client, packed.text, 'folder');
      await api.plugins.install.mutate({
        workspaceId,
        digest: packed.digest,
        rights: await allow(checked),
        isDev: true,
      });
      last = packed.digest;
      name = packed.name;
      const nodes = checked.nodes.map(({ title }) => title).join(', ');
      say(
        `${checked.name} ${checked.version} is on the canvas after ${Math.round(performance.now() - began)} ms: ${nodes}`,
      );
    } catch (error) {
      const isKnown = error instanceof NodeError || error instanceof BundleRefused || error instanceof CommandError;
      if (!isKnown) throw error;
      const { hint = null } = error as { hint?: string | null };
      say([error.message, hint].filter(Boolean).join('\n  '));
    }
  }
  await once();
  say(`${client.url}/w/${workspaceId}: its nodes are in the palette. Saved changes are taken up; Ctrl-C ends this.`);
  const ended = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  let current = Promise.resolve();
  const watching = watch(folder, { recursive: true }, (_event, name) => {
    const isOurs = name === null || !/^(node_modules|dist|\.git|vendor)([/\\]|$)/.test(path.normalize(name));
    if (!isOurs) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      current = current.then(once).catch(ended.reject);
    }, REST_MS);
  });
  const over = new AbortController();
  const end = () => ended.resolve();
  const following = current
    .then(async () => {
      while (name === '' && !over.signal.aborted) await sleep(REST_MS); // until it packs for the first time
      if (!over.signal.aborted) await follow(client, name, say, over.signal);
    })
    .catch(ended.reject);
  process.once('SIGINT', end);
  signal?.addEventListener('abort', end, { once: true });
  try {
    await ended.promise;
    await current;
  } finally {
    over.abort();
    await following;
    clearTimeout(timer);
    watching.close();
    process.off('SIGINT', end);
  }
  return 0;
}
