/** A worker of a campaign as a process of its own: node tests/chaos/worker.ts. CHAOS_SKEW_MS: how wrong its clock is. */
import os from 'node:os';
import path from 'node:path';

const { CHAOS_URL: url = '', CHAOS_FOLDER: folder = '', CHAOS_PLATFORM: platform = '', CHAOS_BLIND } = process.env;
const skew = Number(process.env.CHAOS_SKEW_MS ?? 0);
const TrueDate = Date;
class SkewedDate extends TrueDate {
  constructor(...given: unknown[]) {
    super(...((given.length === 0 ? [TrueDate.now() + skew] : given) as [number]));
  }
  static override now = () => TrueDate.now() + skew;
}
globalThis.Date = SkewedDate as DateConstructor;

// the clock is wrong before anything of the product is loaded
const { httpCapability } = await import('../../runtime/capabilities/http.ts');
const { NO_FAULTS } = await import('../../runtime/faults.ts');
const { createFetcher } = await import('../../runtime/fetch.ts');
const { createSandbox } = await import('../../runtime/sandbox/sandbox.ts');
const { startWorker } = await import('../../runtime/worker.ts');
const { loadNodes } = await import('./nodes.ts');

const cacheDir = path.join(os.tmpdir(), 'spliceboard-test-cache');
const sandbox = await createSandbox({ cacheDir, spare: false });
const fetcher = createFetcher({ egress: new Map([['https://posts.test', platform]]) });
const http = httpCapability({ fetcher });
await startWorker({
  url,
  assetsDir: path.join(folder, 'assets'),
  // what the product would be without its look-up: whatever is lost is taken for not having arrived
  sandbox: CHAOS_BLIND
    ? {
        ...sandbox,
        run: async (request) =>
          request.entry === 'lookup' ? { ok: true, value: { state: 'absent' } } : sandbox.run(request),
      }
    : sandbox,
  catalogue: await loadNodes(sandbox, cacheDir),
  capabilities: new Map([[http.name, http]]),
  internalHosts: new Map(),
  fetcher,
  faults: NO_FAULTS,
  log: () => {}, // of all that goes wrong in a campaign only the end counts
});
process.send?.('ready');
