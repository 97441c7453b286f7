/** Speech and language engines: what a worker of this installation can use for a workspace, and installing more. */
import * as z from 'zod';
import { listKeys } from '../db/accounts.ts';
import { beginChore, choreState } from '../db/chores.ts';
import { livingWorkers } from '../db/ledger.ts';
import { notFound, Problem } from './problem.ts';
import { memberProcedure, router } from './trpc.ts';

const Engine = z.object({
  id: z.string(),
  task: z.array(z.string()),
  label: z.string(),
  available: z.boolean(),
  goesTo: z.string(),
  missing: z.string().nullable(),
  install: z
    .object({ bytes: z.number().nullable(), seconds: z.number().nullable(), from: z.string() })
    .nullable()
    .optional(),
  /** The key that would make it available. */
  key: z.enum(['openai', 'assemblyai']).nullish(),
});
const EngineFacts = z.object({ engines: z.array(Engine) });

export const engines = router({
  list: memberProcedure('sponsor-viewer')
    .output(z.array(Engine))
    .query(async ({ ctx }) => {
      const workers = await livingWorkers(ctx.services.appPool);
      const keys = await ctx.inWorkspace((tx) => listKeys(tx));
      const known = workers.flatMap((worker) => EngineFacts.safeParse(worker.facts).data?.engines ?? []);
      const byId = new Map(known.map((engine) => [engine.id, engine]));
      return [...byId.values()].map((engine) =>
        engine.key && keys.some((key) => key.name === engine.key)
          ? { ...engine, available: true, missing: null }
          : engine,
      );
    }),
});

const POLL_MS = 500;
const Progress = z.object({
  bytes: z.number().optional(),
  total: z.number().optional(),
  message: z.string().optional(),
  done: z.boolean().optional(),
});

export const speech = router({
  /** A worker fetches the engine once for the whole installation; the stream ends when it is there. */
  install: memberProcedure('admin')
    .input(z.object({ engine: z.string().max(60).optional() }))
    .subscription(async function* ({ ctx, input, signal }): AsyncGenerator<z.infer<typeof Progress>> {
      const id = await beginChore(ctx.services.db, 'speech-install', { engine: input.engine ?? 'draft' });
      let last = '';
      while (!signal?.aborted) {
        const chore = await choreState(ctx.services.db, id);
        if (!chore) throw notFound('This installation');
        if (chore.state === 'failed') {
          const error = chore.error as { code?: string; message?: string; hint?: string | null } | null;
          throw new Problem(
            'PRECONDITION_FAILED',
            error?.code ?? 'INSTALL_FAILED',
            error?.message ?? 'The engine could not be installed.',
            {
              hint: error?.hint ?? null,
            },
          );
        }
        const progress = Progress.safeParse(chore.progress).data ?? {};
        const text = JSON.stringify(progress);
        if (text !== last) yield progress;
        last = text;
        if (chore.state === 'done') {
          yield { done: true };
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }),
});
