/** What the running product writes to its log, at its most talkative: ids of run and step, and nothing that people gave it. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loggedError } from '../../runtime/log.ts';
import { graphOf } from '../runtime/bench.ts';
import { type Product, startProduct } from '../support/product.ts';

const PAYLOAD = 'PLANTED-payload-of-a-customer';
const SECRET = 'sk-PLANTED-secret-of-a-service';

let product: Product;
let service: http.Server;
beforeAll(async () => {
  product = await startProduct({ sample: false, env: { SPLICEBOARD_LOG: 'trace' } });
  service = http.createServer((_request, reply) => reply.writeHead(500).end(`broken: ${PAYLOAD} ${SECRET}`));
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  service?.close();
  await product?.[Symbol.asyncDispose]();
});

async function api<T>(name: string, input: Record<string, unknown>, method = 'POST'): Promise<T> {
  const address = `${product.url}/api/trpc/${name}`;
  const query = method === 'GET' ? `?input=${encodeURIComponent(JSON.stringify(input))}` : '';
  const reply = await fetch(address + query, {
    method,
    headers: { authorization: `Bearer ${product.token}`, 'content-type': 'application/json' },
    ...(method === 'POST' ? { body: JSON.stringify(input) } : {}),
  });
  const body = (await reply.json()) as { result: { data: T } };
  expect([name, reply.status, reply.ok ? '' : JSON.stringify(body)]).toEqual([name, 200, '']);
  return body.result.data;
}

test('a run with a secret and a payload leaves ids in the log, and neither of them', async () => {
  const me = await api<{ workspaces: { id: string }[] }>('session.me', {}, 'GET');
  const workspaceId = me.workspaces[0]!.id;
  const [brand] = await api<{ id: string }[]>('brands.list', { workspaceId }, 'GET');
  const { port } = service.address() as AddressInfo;
  await api('settings.setKey', { workspaceId, name: 'openai', value: SECRET, baseUrl: `http://127.0.0.1:${port}` });
  const code = (body: string) => JSON.stringify({ code: body, inputs: [] });
  const graph = graphOf(
    [
      `says:flow.code ${code(`return '${PAYLOAD}';`)}`,
      `throws:flow.code ${code(`throw new Error('${PAYLOAD}');`)}`,
      `parses:flow.code ${code(`JSON.parse('${PAYLOAD}');`)}`,
      `hoards:flow.code ${code(`const all = []; for (;;) all.push('${PAYLOAD}'.repeat(1e5));`)}`,
    ],
    [],
  );
  const json = JSON.stringify({ spliceboard: 1, name: PAYLOAD, graph });
  const { id } = await api<{ id: string }>('pipelines.import', { workspaceId, json });
  const { runId } = await api<{ runId: string }>('runs.start', { workspaceId, pipelineId: id, brandId: brand!.id });
  let state = 'running';
  for (let tries = 0; state === 'running' && tries < 200; tries++) {
    await sleep(100);
    ({ state } = await api<{ state: string }>('runs.get', { workspaceId, runId }, 'GET'));
  }
  expect(state).toBe('problems');
  await fetch(`${product.url}/hooks/${SECRET}?key=${SECRET}`, { method: 'POST', body: PAYLOAD });
  await fetch(`${product.url}/login/${SECRET}`, { redirect: 'manual' });
  await product.said(/"A step failed\."/);
  await sleep(300);

  const output = product.output();
  expect(output).not.toContain('PLANTED');
  const lines = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const failed = lines.filter(({ msg }) => msg === 'A step failed.');
  expect(failed.map(({ step }) => step).sort()).toEqual(['hoards@', 'parses@', 'throws@']);
  for (const line of failed) {
    expect(line).toMatchObject({
      ...{ name: 'worker', runId, run: 1, type: 'flow.code' },
      ...{ code: expect.any(String), attempt: expect.any(Number), worker: expect.any(String) },
    });
  }
});

test('of an error that is not ours the log has kind, code and place, and nothing that it quotes', () => {
  let found: unknown;
  try {
    JSON.parse(`{"token": ${SECRET}`);
  } catch (error) {
    found = error;
  }
  expect(String(found)).toContain('sk-');
  const told = JSON.stringify(loggedError(found));
  expect(told).toContain('SyntaxError');
  expect(told).toContain('logs.test.ts');
  expect(told).not.toContain('sk-');
  const database = Object.assign(new Error('invalid input syntax for type uuid: "PLANTED"'), {
    code: '22P02',
    detail: PAYLOAD,
    where: `unnamed portal parameter $1 = '${PAYLOAD}'`,
  });
  expect(loggedError(database)).toMatchObject({ code: '22P02', message: 'invalid input syntax for type uuid: …' });
  expect(JSON.stringify(loggedError(database))).not.toContain('PLANTED');
});
