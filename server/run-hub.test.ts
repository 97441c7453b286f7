import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createRunHub } from './run-hub.ts';

test('a database that is away is asked for once a second, however long it is away', async () => {
  let asked = 0;
  const away = net.createServer((socket) => {
    asked += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => away.listen(0, '127.0.0.1', resolve));
  const { port } = away.address() as net.AddressInfo;
  const hub = createRunHub(`postgres://nobody@127.0.0.1:${port}/nothing`);
  await sleep(4_500);
  await hub.close();
  away.close();
  expect(asked).toBeGreaterThan(2);
  expect(asked).toBeLessThan(7);
}, 10_000);
