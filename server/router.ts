/** All procedures, by noun. `AppRouter` is the editor's door: a type, nothing of it is bundled. */
import { connections } from './connections.ts';
import { effects } from './effects.ts';
import { engines, speech } from './engines.ts';
import { failures } from './failures.ts';
import { mail } from './notices.ts';
import { operations } from './operations.ts';
import { pipelines } from './pipelines.ts';
import { plugins } from './plugins.ts';
import { runs } from './runs.ts';
import { assets, catalogue, health, settings, templates } from './settings.ts';
import { showcase } from './showcase/router.ts';
import { storage } from './storage.ts';
import { triggers } from './triggers.ts';
import { router } from './trpc.ts';
import { waits } from './waits.ts';
import { brands, invitations, members, session, tokens, workspaces } from './workspaces.ts';

export const appRouter = router({
  session,
  workspaces,
  brands,
  members,
  invitations,
  tokens,
  catalogue,
  templates,
  pipelines,
  plugins,
  runs,
  triggers,
  assets,
  engines,
  speech,
  connections,
  settings,
  showcase,
  waits,
  mail,
  effects,
  operations,
  storage,
  failures,
  health,
});
export type AppRouter = typeof appRouter;
