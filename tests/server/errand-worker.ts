/**
 * Carries errands in a process of its own, to be killed: node tests/server/errand-worker.ts. Its look at a recording
 * leaves a line in TEST_MARKS and then takes longer than any test.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { createDatabase, createPool } from '../../db/connect.ts';
import { type Capability, method } from '../../runtime/capabilities/capability.ts';
import { startErrands } from '../../runtime/errands.ts';

const { TEST_URL: url = '', TEST_ASSETS: assetsDir = '', TEST_MARKS: marks = '' } = process.env;
const media: Capability = {
  name: 'media',
  declared: () => true,
  methods: {
    probe: method({
      input: z.strictObject({ asset: z.string() }),
      record: 'memo',
      engine: () => 'slow@1',
      async act(scope, { asset }) {
        appendFileSync(marks, `begin ${asset}\n`);
        await sleep(600_000, undefined, { signal: scope.signal });
        return {};
      },
    }),
  },
};
const db = createDatabase(createPool(url, 'app', { max: 2, name: 'errand-test' }));
await startErrands({
  kinds: ['inspect'],
  url,
  db,
  assetsDir,
  capabilities: new Map([['media', media]]),
  log: () => {},
});
