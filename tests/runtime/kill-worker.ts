/**
 * A worker of the tests as a process of its own, to be killed or drained: node tests/runtime/kill-worker.ts. Whoever holds
 * its channel is told `ready` and may send `{name, node}`: at that place it says which sandbox processes it has, and waits
 * for `go`.
 */
import os from 'node:os';
import path from 'node:path';
import { objectsFrom } from '../../runtime/assets.ts';
import { httpCapability } from '../../runtime/capabilities/http.ts';
import { loadCatalogue } from '../../runtime/catalogue.ts';
import { type FaultName, type Faults, NO_FAULTS } from '../../runtime/faults.ts';
import { createFetcher } from '../../runtime/fetch.ts';
import { createSandbox } from '../../runtime/sandbox/sandbox.ts';
import { startWorker } from '../../runtime/worker.ts';
import { markingMedia, postsHost } from './marks.ts';

const { TEST_URL: url = '', TEST_FOLDER: folder = '', TEST_MS = '60', TEST_DRAIN_MS = '3000' } = process.env;
const assetsDir = path.join(folder, 'assets');
const cacheDir = path.join(os.tmpdir(), 'spliceboard-test-cache');
const sandbox = await createSandbox({ cacheDir, spare: false });
const catalogue = await loadCatalogue({ sandbox, dir: path.join(import.meta.dirname, 'nodes'), cacheDir });
const fetcher = createFetcher();
const capabilities = [markingMedia(path.join(folder, 'marks'), { ms: Number(TEST_MS) }), httpCapability({ fetcher })];
const posts = postsHost(path.join(folder, 'posts'));
let armed: { name: FaultName; node?: string } | undefined;
let goOn = () => {};
process.on('message', (said: 'go' | typeof armed) => {
  if (said === 'go') goOn();
  else armed = said;
});
const awaited: Faults = {
  async at(name, node) {
    if (name !== armed?.name || node !== armed.node) return;
    armed = undefined;
    const told = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    process.send!(sandbox.pids());
    await told;
  },
};
const worker = await startWorker({
  url,
  assetsDir,
  objects: await objectsFrom(assetsDir, process.env),
  sandbox,
  catalogue,
  capabilities: new Map(capabilities.map((each) => [each.name, each])),
  internalHosts: new Map([[posts.host, posts]]),
  fetcher,
  faults: process.send ? awaited : NO_FAULTS,
  log: () => {},
});
process.send?.('ready');
process.once('SIGTERM', () => {
  void worker.stop(Number(TEST_DRAIN_MS)).then(() => process.exit(0));
});
