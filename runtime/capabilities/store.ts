/**
 * A node's small memory from run to run: one JSON value of at most 64 KB under each key, kept by pipeline, brand and node.
 * A node that has one is never reused. Errors: STORE_TOO_LARGE.
 */
import * as z from 'zod';
import type { Database } from '../../db/connect.ts';
import { readNodeStore, writeNodeStore } from '../../db/journal.ts';
import { runScope } from '../../db/runs.ts';
import { inWorkspace } from '../../db/workspace.ts';
import { type Capability, CapabilityError, method, type StepScope } from './capability.ts';

const LONGEST = 64 * 1024;
const Key = z.string().min(1).max(200);

export function storeCapability({ db }: { db: Database }): Capability {
  const place = async (scope: StepScope, key: string) => {
    const run = await inWorkspace(db, scope.workspaceId, (tx) => runScope(tx, scope.runId));
    return { pipelineId: run!.pipelineId, brandId: scope.brandId, node: scope.nodeId, key };
  };
  return {
    name: 'store',
    declared: (manifest) => manifest.capabilities.store === true,
    methods: {
      get: method({
        input: z.strictObject({ key: Key }),
        record: 'journal', // replayed: a second attempt sees what the first one saw
        async act(scope, { key }) {
          const at = await place(scope, key);
          return inWorkspace(db, scope.workspaceId, (tx) => readNodeStore(tx, at));
        },
      }),
      set: method({
        input: z.strictObject({ key: Key, value: z.json() }),
        record: 'journal',
        async act(scope, { key, value }) {
          if (JSON.stringify(value).length > LONGEST) {
            throw new CapabilityError(
              'STORE_TOO_LARGE',
              `What a node keeps under a key may take ${LONGEST / 1024} KB.`,
            );
          }
          const at = await place(scope, key);
          await inWorkspace(db, scope.workspaceId, (tx) => writeNodeStore(tx, at, value));
          return null;
        },
      }),
    },
  };
}
