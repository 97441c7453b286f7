/** What the server's parts share: made once in main.ts. */
import type { FastifyRequest } from 'fastify';
import type pg from 'pg';
import type { MemberRole } from '../db/accounts.ts';
import type { Database } from '../db/connect.ts';
import type { AssetStore } from '../runtime/assets.ts';
import type { SealKey } from '../runtime/seal.ts';
import type { Disk } from './disk.ts';
import type { Mailer } from './mail.ts';
import type { NodeTypes } from './node-types.ts';
import type { RunHub } from './run-hub.ts';
import type { Auth } from './session.ts';
import type { Template } from './templates.ts';
import type { Member } from './trpc.ts';

export type Services = {
  db: Database;
  /** Role `app`, for what is not a tenant's: workers, node types. */
  appPool: pg.Pool;
  authPool: pg.Pool;
  /** Role `metrics`: counts over all workspaces. */
  metricsPool: pg.Pool;
  auth: Auth;
  sealKey: SealKey;
  dataDir: string;
  /** How much room its disk has. */
  disk(): Promise<Disk>;
  version: string;
  /** Where people reach this installation; the local address where no public one is set. */
  url: string;
  /** The https address the outside world can reach, or null. */
  publicUrl: string | null;
  nodeTypes: NodeTypes;
  templates: Template[];
  hub: RunHub;
  /** Null where the operator has set none up. */
  mailer: Mailer | null;
  /** One workspace's assets; `internal` for the compressed values of steps. */
  storeFor(workspaceId: string, options?: { internal?: boolean }): AssetStore;
};

/** For raw routes: the same rules as procedures. Throws a `Problem`. */
export type Authorize = (
  request: FastifyRequest,
  wanted: { workspaceId: string; role: MemberRole; brandId?: string },
) => Promise<Member>;
