/**
 * Listens to the queue for as long as it is wanted. A runner gives up when its connection breaks while it reports a job as done;
 * nothing is lost with it, as jobs are only wake-ups, and it is begun again a moment later.
 */
import { Logger, type Runner, run, type TaskList } from 'graphile-worker';
import type pg from 'pg';

const AGAIN_MS = 1_000;

export type Listening = { stop(): Promise<void> };

/** Rejects where it cannot begin the first time. */
export async function listenToQueue(options: {
  pool: pg.Pool;
  tasks: TaskList;
  pollMs: number;
  log(line: string, details: Record<string, unknown>): void;
}): Promise<Listening> {
  let isStopping = false;
  let timer: NodeJS.Timeout | undefined;
  let runner: Runner | undefined;

  async function begin(): Promise<void> {
    const begun = await run({
      pgPool: options.pool,
      logger: new Logger(() => () => {}),
      concurrency: 1,
      noHandleSignals: true,
      pollInterval: options.pollMs,
      taskList: options.tasks,
    });
    runner = begun;
    begun.promise.catch((error: unknown) => {
      if (isStopping || runner !== begun) return;
      options.log('The queue gave up; listening again.', { err: error });
      again();
    });
    if (isStopping) await begun.stop().catch(() => {});
  }

  function again(): void {
    timer = setTimeout(() => {
      if (!isStopping) begin().catch(again); // the database is not there yet
    }, AGAIN_MS);
  }

  await begin();
  return {
    async stop() {
      isStopping = true;
      clearTimeout(timer);
      await runner?.stop().catch(() => {}); // it has given up already
    },
  };
}
