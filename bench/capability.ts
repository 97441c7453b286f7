/**
 * One `http` round trip of a node to a service on loopback: through the child, the real broker, the grant, the safe fetch
 * and back. A call that asks once, less a call of the same node that asks nothing, against a bare undici request. With the
 * journal that the product writes (read, opened, committed before the node sees the reply) and with a copy of the
 * capability that is not recorded: the difference is the journal's. All four in each round.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { Agent, request } from 'undici';
import { createPipeline } from '../db/pipelines.ts';
import type { Capability } from '../runtime/capabilities/capability.ts';
import { httpCapability } from '../runtime/capabilities/http.ts';
import { createFetcher } from '../runtime/fetch.ts';
import { prepareRun } from '../runtime/graph/prepare.ts';
import { createSandbox } from '../runtime/sandbox/sandbox.ts';
import type { Bench } from './main.ts';
import { benchCatalogue, kilobyte, oneNode, openSteps } from './shared/carry.ts';
import { median, openGround } from './shared/ground.ts';

const ROUNDS = 100;
const WARM_UP = 20;
/** Requests of each kind a round; the journaled one waits for the disk and is asked once. */
const WITHOUT = 10;
const LIMIT_MS = 1;
const ORIGIN = 'https://service.test';

export const bench: Bench = {
  title: 'One http round trip of a node, against a bare undici request',
  async run({ say, args }) {
    const rounds = Number(args[0] ?? ROUNDS);
    await using ground = await openGround(say);
    await using sandbox = await createSandbox({ cacheDir: `${ground.folder}/packed` });
    const catalogue = await benchCatalogue(sandbox, `${ground.folder}/packed`);
    let asked = 0;
    const body = JSON.stringify(kilobyte(0));
    const service = createServer((_request, reply) => {
      asked += 1;
      reply.writeHead(200, { 'content-type': 'application/json' }).end(body);
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    const address = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;

    const graph = oneNode('bench.fetch');
    const prepared = prepareRun(graph, catalogue.manifests);
    if (!prepared.ok) throw new Error('The graph does not fit.');
    const { id: pipelineId } = await ground.inside((tx) => createPipeline(tx, { name: 'Bench', graph }));
    const runId = await ground.start({ ...prepared, pipelineId }, randomUUID());
    const { rows: strands } = await ground.admin.query<{ id: string }>(
      `update strand set state = 'leased', worker = $2, token = 1 where run_id = $1 returning id`,
      [runId, randomUUID()],
    );
    const fetcher = createFetcher({ egress: new Map([[ORIGIN, address]]) });
    const http = httpCapability({ fetcher });
    const unrecorded: Capability = { ...http, methods: { request: { ...http.methods.request!, record: 'pass' } } };
    const journal = { db: ground.db, runId, strand: Number(strands[0]!.id), token: 1 };
    const common = { sandbox, catalogue, type: 'bench.fetch', workspaceId: ground.workspaceId, fetcher, journal };
    const recorded = openSteps({ ...common, capabilities: [http] });
    const passed = openSteps({ ...common, capabilities: [unrecorded] });
    const agent = new Agent();
    const timed = async (steps: ReturnType<typeof openSteps>, asks: boolean): Promise<number> => {
      const { data, ms } = await steps.carry({ asks });
      if ((data as { status: number }).status !== (asks ? 200 : 0)) throw new Error('No answer came.');
      return ms;
    };

    const bare: number[] = [];
    const without: number[] = [];
    const whole: number[] = [];
    for (let round = -WARM_UP; round < rounds; round++) {
      await ground.admin.query('delete from call where run_id = $1', [runId]);
      const [bareMs, nothingMs, passedMs]: [number[], number[], number[]] = [[], [], []];
      for (let at = 0; at < WITHOUT; at++) {
        const from = performance.now();
        await (await request(`${address}/data`, { dispatcher: agent })).body.json();
        bareMs.push(performance.now() - from);
        nothingMs.push(await timed(passed, false));
        passedMs.push(await timed(passed, true));
      }
      const recordedMs = await timed(recorded, true);
      if (round < 0) continue;
      bare.push(median(bareMs));
      without.push(median(passedMs) - median(nothingMs));
      whole.push(recordedMs - median(nothingMs));
    }
    const { rows: calls } = await ground.admin.query<{ answered: number }>(
      `select count(*)::int as answered from call where run_id = $1 and state = 'answered'`,
      [runId],
    );
    if (calls[0]!.answered !== 1 || asked !== (2 * WITHOUT + 1) * (rounds + WARM_UP))
      throw new Error('Not every request was made.');
    await agent.close();
    service.close();
    service.closeAllConnections();
    const more = median(without) - median(bare);
    return {
      figures: [
        { name: 'Spliceboard', unit: 'ms', values: whole },
        { name: 'without the journal', unit: 'ms', values: without },
        { name: 'the journal', unit: 'ms', values: whole.map((ms, at) => ms - without[at]!) },
        { name: 'bare undici', unit: 'ms', values: bare },
      ],
      limits: [{ name: 'ms over bare, journal apart', value: more, limit: LIMIT_MS, ok: more <= LIMIT_MS }],
      notes: [`${body.length} bytes each; load average ${os.loadavg()[0]!.toFixed(1)}.`],
    };
  },
};
