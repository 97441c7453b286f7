/**
 * One `http` round trip of a plugin to a loopback server: out of the isolate, held to its declaration and its grant, through the safe
 * fetch, and back; against a bare undici request in one process. A step of 300 requests is timed without and with them. In `run` each
 * is recorded before it is sent and after it is answered; in `simulate` (a dry run) nothing is: the difference is the journal.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import canonicalize from 'canonicalize';
import { request } from 'undici';
import { sha256 } from '../db/accounts.ts';
import { createPipeline } from '../db/pipelines.ts';
import { addPackage, settlePackage, usePackage } from '../db/plugins.ts';
import { startRun } from '../db/runs.ts';
import { digestOf } from '../runtime/bundle.ts';
import { prepareRun } from '../runtime/graph/prepare.ts';
import { rightsOf } from '../runtime/graph/rights.ts';
import { manifest, manifestScript } from '../tests/plugins/packed.ts';
import { TEST_KIT } from '../tests/support/database.ts';
import type { Bench } from './main.ts';
import { type Ground, graphFrom, median, openGround } from './shared/ground.ts';

const ROUNDS = 7;
const REQUESTS = 300;
const LIMIT_MS = 1;
const HOST = 'service.example.com';

const ASKS = manifest('bench.ask', {
  effect: 'writes-external',
  exports: ['run', 'simulate', 'lookup'],
  inputs: {},
  config: { type: 'object', properties: { times: { type: 'integer', default: 0 } }, additionalProperties: false },
  capabilities: { http: [{ method: 'GET', host: HOST, path: '/one', why: 'to be measured' }] },
});
const CODE = `var plugin = (() => {
  const ask = async (ctx) => {
    let said = '';
    for (let at = 0; at < ctx.config.times; at++)
      said = (await ctx.http({ method: 'GET', host: '${HOST}', path: '/one', query: { at: String(at) } })).body.word;
    return { text: 'said ' + said };
  };
  return { run: ask, simulate: async (ctx) => ({ would: 'Ask.', outputs: await ask(ctx) }), lookup: () => ({ state: 'absent' }) };
})();`;

export const bench: Bench = {
  title: 'One http round trip of a plugin to a loopback server, over a bare undici request',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    const server = http.createServer((_request, reply) => {
      reply.setHeader('content-type', 'application/json').end('{"word":"yes"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using ground = await openGround(say);
    await installed(ground);
    const worker = await ground.worker({ BENCH_EGRESS: JSON.stringify({ [`https://${HOST}`]: address }) });
    const once = async (times: number, isDry: boolean) => {
      const from = performance.now();
      const state = await ground.ended(await begun(ground, times, isDry));
      if (state !== 'succeeded') throw new Error(`The run ended as ${state}.`);
      return performance.now() - from;
    };
    const [bares, plain, recorded]: [number[], number[], number[]] = [[], [], []];
    for (let round = -1; round < rounds; round++) {
      const from = performance.now();
      for (let at = 0; at < REQUESTS; at++) await (await request(`${address}/one?at=${at}`)).body.json();
      const bare = (performance.now() - from) / REQUESTS;
      const none = await once(0, true);
      const dry = ((await once(REQUESTS, true)) - none) / REQUESTS;
      const run = ((await once(REQUESTS, false)) - none) / REQUESTS;
      if (round < 0) continue;
      bares.push(bare);
      plain.push(dry);
      recorded.push(run);
      say(`bare ${bare.toFixed(3)}, through the wall ${dry.toFixed(3)}, recorded ${run.toFixed(3)} ms`);
    }
    await worker.stop();
    server.closeAllConnections();
    server.close();
    const more = median(plain) - median(bares);
    return {
      figures: [
        { name: 'bare undici', unit: 'ms', values: bares },
        { name: 'without the journal', unit: 'ms', values: plain },
        { name: 'journal', unit: 'ms', values: recorded.map((value, at) => value - plain[at]!) },
        { name: 'in all', unit: 'ms', values: recorded },
      ],
      limits: [{ name: 'more than bare, without the journal, ms', value: more, limit: LIMIT_MS, ok: more <= LIMIT_MS }],
      notes: [`${REQUESTS} requests one after the other in a step; the journal is two commits for each.`],
    };
  },
};

/** As a person would have: packed, checked, allowed. */
async function installed(ground: Ground): Promise<void> {
  const text = canonicalize({
    spliceboard: 1,
    name: 'bench',
    version: '1.0.0',
    nodes: [{ manifest: manifestScript(ASKS), run: CODE }],
  })!;
  const digest = sha256(text);
  await ground.inside(async (tx) => {
    const source = { kind: 'file' as const };
    await addPackage(tx, { digest, name: 'bench', version: '1.0.0', source, file: text, by: null });
    const type = { type: ASKS.id, version: ASKS.version, behaviour: digestOf(CODE), place: 0, manifest: ASKS };
    await settlePackage(tx, digest, { types: [type] });
    const rights = rightsOf(ASKS).map(({ id }) => id);
    await usePackage(tx, { name: 'bench', digest, rights, isDev: false, by: null });
  });
}

async function begun(ground: Ground, times: number, dryRun: boolean): Promise<string> {
  const graph = graphFrom([{ id: 'ask', type: ASKS.id, config: { times } }], []);
  const prepared = prepareRun(graph, [...ground.manifests, ASKS]);
  if (!prepared.ok) throw new Error(prepared.problems.map(({ message }) => message).join(' '));
  return ground.inside(async (tx) => {
    const { id: pipelineId } = await createPipeline(tx, { name: 'Bench', graph });
    const { runId } = await startRun(tx, {
      pipelineId,
      version: null,
      brandId: ground.brandId,
      graph: prepared.graph,
      plan: prepared.plan,
      pins: { [ASKS.id]: { version: ASKS.version, digest: digestOf(CODE) } },
      kit: TEST_KIT,
      first: prepared.first,
      dryRun,
      nonce: randomUUID(),
      startedBy: null,
    });
    return runId;
  });
}
