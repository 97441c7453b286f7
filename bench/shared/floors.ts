/**
 * What the same durable work costs without a product around it, on the database that the product uses.
 *
 *   raw-pg   one committed INSERT per step in a plain loop over one connection; each row is a comparable output
 *   raw-gw   graphile-worker as it comes: one job per step that saves its output and adds the next one
 */
import { Logger, makeWorkerUtils, type Runner, run as startRunner, type Task } from 'graphile-worker';
import type pg from 'pg';
import { createPool } from '../../db/connect.ts';
import { FLOOR_OUTPUT, type Ground } from './ground.ts';

const QUIET = new Logger(() => () => {});
const SAVE = 'insert into floor_output (run, node, at, output) values ($1, $2, $3, $4)';
const output = (nonce: string, at: number) => JSON.stringify({ nonce, at, fib: 55 });

/** Milliseconds for `steps` rows. */
export async function rawPg(ground: Ground, nonce: string, steps: number): Promise<number> {
  const client = await ground.pool.connect();
  try {
    await client.query('select 1');
    const from = performance.now();
    for (let at = 1; at <= steps; at++) {
      await client.query({ name: 'floor', text: SAVE, values: [nonce, `c${at}`, at, output(nonce, at)] });
    }
    return performance.now() - from;
  } finally {
    client.release();
  }
}

type StepJob = { nonce: string; at: number; steps: number };

/** graphile-worker with its own defaults, where nothing else is said. */
export async function openQueue(ground: Ground, options: { concurrency?: number; tasks?: string } = {}) {
  const pool: pg.Pool = createPool(ground.queueUrl, 'owner', { max: 12, name: 'floor' });
  await pool.query(FLOOR_OUTPUT);
  const utils = await makeWorkerUtils({ pgPool: pool, logger: QUIET });
  await utils.migrate();
  const done = new Map<string, () => void>();
  // runners side by side do their own jobs only
  const name = options.tasks ?? 'floor';
  let noops = 0;
  let noopsDone: () => void = () => {};
  const step: Task = async (payload, helpers) => {
    const { nonce, at, steps } = payload as StepJob;
    await helpers.query(SAVE, [nonce, `c${at}`, at, output(nonce, at)]);
    if (at < steps) await helpers.addJob(`${name}:step`, { nonce, at: at + 1, steps });
    else done.get(nonce)?.();
  };
  const runner: Runner = await startRunner({
    pgPool: pool,
    logger: QUIET,
    noHandleSignals: true,
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    taskList: {
      [`${name}:step`]: step,
      [`${name}:item`]: async (payload, helpers) => {
        const { nonce, item, at } = payload as { nonce: string; item: number; at: number };
        await helpers.query(SAVE, [nonce, `n${at}`, item, output(nonce, item)]);
        if (at < 3) await helpers.addJob(`${name}:item`, { nonce, item, at: at + 1 });
        else {
          noops -= 1;
          if (noops === 0) noopsDone();
        }
      },
      [`${name}:noop`]: async () => {
        noops -= 1;
        if (noops === 0) noopsDone();
      },
    },
  });
  return {
    /** One chain of steps; milliseconds from the first job added to the last output saved. */
    async chain(nonce: string, steps: number): Promise<number> {
      const over = new Promise<void>((resolve) => done.set(nonce, resolve));
      const from = performance.now();
      await utils.addJob(`${name}:step`, { nonce, at: 1, steps });
      await over;
      done.delete(nonce);
      return performance.now() - from;
    },
    /** `items` chains of three jobs each. */
    async fanOut(nonce: string, items: number): Promise<number> {
      noops = items;
      const over = new Promise<void>((resolve) => {
        noopsDone = resolve;
      });
      const from = performance.now();
      await utils.addJobs(
        Array.from({ length: items }, (_, item) => ({
          identifier: `${name}:item`,
          payload: { nonce, item, at: 1 },
        })),
      );
      await over;
      return performance.now() - from;
    },
    /** Jobs that do nothing, added beforehand; milliseconds until the last one was done. */
    async noops(count: number): Promise<number> {
      noops = count;
      const over = new Promise<void>((resolve) => {
        noopsDone = resolve;
      });
      await utils.addJobs(Array.from({ length: count }, () => ({ identifier: `${name}:noop`, payload: {} })));
      const from = performance.now();
      const before = count - noops;
      await over;
      return ((performance.now() - from) * count) / (count - before);
    },
    async close() {
      await runner.stop();
      await utils.release();
      await pool.end();
    },
  };
}
