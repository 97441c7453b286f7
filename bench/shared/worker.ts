/** The product's worker with its own nodes, as a process of a bench (ground.ts): counts sandbox calls and tells them. */
import { openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { loadCatalogue } from '../../runtime/catalogue.ts';
import { NO_FAULTS } from '../../runtime/faults.ts';
import { createFetcher } from '../../runtime/fetch.ts';
import { createSandbox, type Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { startWorker } from '../../runtime/worker.ts';

const { BENCH_URL: url = '', BENCH_FOLDER: folder = '', BENCH_MARKS } = process.env;
const marks = BENCH_MARKS ? openSync(BENCH_MARKS, 'a') : undefined;
const cacheDir = path.join(folder, 'packed');
const sandbox = await createSandbox({ cacheDir });
let calls = 0;
const counted: Sandbox = {
  ...sandbox,
  run(request) {
    const seeds = request.many?.map(({ seed }) => seed) ?? [request.ctx.seed];
    calls += seeds.length;
    if (marks !== undefined) writeSync(marks, seeds.map((seed) => `${seed}\n`).join('')); // node and path are in it
    return sandbox.run(request);
  },
};
const worker = await startWorker({
  url,
  assetsDir: path.join(folder, 'assets'),
  sandbox: counted,
  catalogue: await loadCatalogue({ sandbox, cacheDir }),
  capabilities: new Map(),
  internalHosts: new Map(),
  fetcher: createFetcher(),
  faults: NO_FAULTS,
  log: (line, details) => console.error(line, JSON.stringify(details)),
});
process.on('message', () => process.send?.(calls));
process.on('disconnect', () => process.exit(1)); // the bench was ended
process.once('SIGTERM', () => {
  void worker
    .stop(3_000)
    .then(() => sandbox[Symbol.asyncDispose]())
    .then(() => process.exit(0));
});
process.send?.(0);
