/** Steps that are made again while a worker is still at them: what it writes late is not taken for the new attempt's. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setOverride } from '../../db/again.ts';
import { storeValue } from '../../db/values.ts';
import { openForPeople } from '../../db/waits.ts';
import type { FaultName } from '../../runtime/faults.ts';
import { dependentsOf, isTrouble, rebuild } from '../../runtime/graph/advance.ts';
import { type Bench, graphOf, openBench } from './bench.ts';
import { postsHost } from './marks.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-again-'));
const RULES = { dependentsOf, rebuild, isTrouble } as Parameters<typeof setOverride>[2];
let bench: Bench;
/** When the step of `ask` comes to this place for the first time, what it was given is corrected. */
let place: FaultName;
let visits = 0;
beforeAll(async () => {
  bench = await openBench({
    own: true,
    internalHosts: [postsHost(path.join(folder, 'posts'))],
    faults: {
      async at(name, node) {
        if (node !== 'ask') return;
        if (name === 'step.decided' && ++visits === 2) await sleep(400); // the first attempt has written what it would
        if (name === place && visits === 1) await correct();
      },
    },
  });
});
afterAll(async () => {
  await bench.close();
  rmSync(folder, { recursive: true, force: true });
});

let runId = '';
async function correct(): Promise<void> {
  const output = await storeValue('right', false, () => Promise.reject(new Error('too long')));
  const at = { runId, nodeId: 'say', path: [], port: 'text', output, value: 'right', by: null };
  expect(await bench.inside((tx) => setOverride(tx, at, RULES))).toEqual({ ok: true });
}
const TEXT = [{ name: 'text', type: 'text' as const }];
const say = `say:flow.code ${JSON.stringify({ inputs: [], code: "return 'wrong';", outputs: TEXT })}`;

async function start(nodes: string[], wires: string[], at: FaultName): Promise<void> {
  [place, visits] = [at, 0];
  runId = await bench.start(graphOf(nodes, wires), { nonce: crypto.randomUUID() });
}

test('a step whose input is corrected while it asks outside is not held to what it asked before', async () => {
  await start([say, 'ask'], ['say.text > ask.text'], 'call.acted');
  await bench.ended(runId);
  expect(await bench.steps(runId, 'ask')).toMatchObject([{ state: 'done', error: null }]);
  expect(await bench.value(runId, 'ask', 'text')).toBe('right');
});

test('a person who is asked while the item is corrected is shown the corrected one', async () => {
  await start([say, 'ask:flow.approve {}'], ['say.text > ask.item'], 'step.begun');
  await bench.until(runId, ({ nodes }) => nodes.some(({ nodeId, state }) => nodeId === 'ask' && state === 'waiting'));
  await sleep(600);
  const open = await bench.inside((tx) => openForPeople(tx, [bench.brandId]));
  expect(open.filter((wait) => wait.runId === runId)).toMatchObject([{ request: { item: 'right' } }]);
});
