/**
 * Carries one step after another exactly as a worker does (runtime/step.ts): decided from its inputs, configured, keyed,
 * called through the sandbox, its outputs checked, digested and written as a row. The ledger alone is not there: it says
 * yes at once, after what it would send to the database was made into text.
 *
 *   const steps = openSteps({ sandbox, catalogue, type: 'bench.echo' });
 *   const { data, ms } = await steps.carry({ data: { at: 1 } });
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Database } from '../../db/connect.ts';
import type { Claimed, Ledger, SettledRow } from '../../db/ledger.ts';
import { storeValue } from '../../db/values.ts';
import type { Capability } from '../../runtime/capabilities/capability.ts';
import { type Catalogue, loadCatalogue, type Plugin } from '../../runtime/catalogue.ts';
import { NO_FAULTS } from '../../runtime/faults.ts';
import { createFetcher, type Fetcher } from '../../runtime/fetch.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { prepareRun } from '../../runtime/graph/prepare.ts';
import { resolveNodes } from '../../runtime/graph/resolve.ts';
import type { Sandbox } from '../../runtime/sandbox/sandbox.ts';
import { carryStrand } from '../../runtime/step.ts';
import type { StepHost, StrandHold } from '../../runtime/strand.ts';
import { createTally } from '../../runtime/tally.ts';
import { workspaceStores } from '../../runtime/values.ts';
import { TEST_KIT } from '../../tests/support/database.ts';
import { graphFrom } from './ground.ts';

const NODES = path.join(import.meta.dirname, '../nodes');

/** The product's nodes and those of the benches. */
export async function benchCatalogue(sandbox: Sandbox, cacheDir: string): Promise<Catalogue> {
  const own = await loadCatalogue({ sandbox, cacheDir });
  const more = await loadCatalogue({ sandbox, cacheDir, dir: NODES });
  const broken = [...own.broken, ...more.broken];
  if (broken.length > 0) throw new Error(JSON.stringify(broken));
  return {
    manifests: [...own.manifests, ...more.manifests],
    plugin: (id) => more.plugin(id) ?? own.plugin(id),
    broken,
  };
}

/** A webhook, and one node of the type that is fed its body. */
export function oneNode(type: string): Graph {
  return graphFrom(
    [
      { id: 'hook', type: 'trigger.webhook', config: {} },
      { id: 'node', type, config: {} },
    ],
    [['hook', 'body', 'node', 'data']],
  );
}

/** About a kilobyte of JSON. */
export function kilobyte(at: number): { at: number; rows: { id: number; name: string; isOpen: boolean }[] } {
  const rows = Array.from({ length: 20 }, (_, id) => ({ id, name: `Row ${id} of a table`, isOpen: id % 2 === 0 }));
  return { at, rows };
}

export type StepOptions = {
  sandbox: Sandbox;
  catalogue: Catalogue;
  type: string;
  workspaceId?: string;
  /** In the place of the catalogue's own. */
  plugin?: Plugin;
  capabilities?: Capability[];
  fetcher?: Fetcher;
  /** Where the calls of the step are journaled: a run of `oneNode(type)` whose strand is leased. */
  journal?: { db: Database; runId: string; strand: number; token: number };
};

export function openSteps(options: StepOptions) {
  const { catalogue, type, journal, workspaceId = randomUUID() } = options;
  const graph = oneNode(type);
  const prepared = prepareRun(graph, catalogue.manifests);
  if (!prepared.ok) throw new Error(prepared.problems.map(({ message }) => message).join(' '));
  const { version } = catalogue.plugin(type)!.manifest;
  const db = journal?.db ?? (undefined as unknown as Database); // asked by nothing that a step without calls does
  const stores = workspaceStores({} as Parameters<typeof workspaceStores>[0], db, workspaceId);
  let row: SettledRow | undefined;
  let sentLength = 0;
  const ledger: Pick<Ledger, 'takeKeys' | 'advance'> = {
    takeKeys: async (_lease, keys) => keys.map(({ key }) => ({ key, found: 'mine' })),
    async advance(_lease, _run, written) {
      sentLength = JSON.stringify(written).length;
      row = written.steps.at(-1);
      return { ended: false, lanes: {}, chained: null };
    },
  };
  const fetcher = options.fetcher ?? createFetcher();
  const host: StepHost = {
    ledger: ledger as Ledger,
    db,
    sandbox: options.sandbox,
    catalogue: options.plugin ? { ...catalogue, plugin: () => options.plugin } : catalogue,
    plugins: {
      pinned: async () => new Map(),
      hold: () => Promise.reject(new Error('These are built-in nodes.')),
      keepTrial: () => {},
      stop: async () => {},
    },
    capabilities: new Map((options.capabilities ?? []).map((each) => [each.name, each])),
    internalHosts: new Map(),
    fetcher,
    stores: () => stores,
    faults: NO_FAULTS,
    known: () => [],
    pace: new Map(),
    tally: createTally(),
    log: () => {},
  };
  const hold: StrandHold = {
    workerId: randomUUID(),
    signal: new AbortController().signal,
    isLive: () => true,
    progress: () => {},
    room: () => ({}),
    mayChain: () => false,
    runOn: () => null,
    behind: Promise.resolve(true),
    givesWay: () => false,
    isBesideOthers: () => false,
    gathers: () => false,
    moved: () => {},
  };
  const plan = {
    plugins: new Map(),
    graph: prepared.graph,
    plan: prepared.plan,
    pins: { [type]: { version } },
    kit: TEST_KIT,
    manifests: resolveNodes(prepared.graph, catalogue.manifests),
  };
  const run: Claimed['run'] = {
    id: journal?.runId ?? randomUUID(),
    workspaceId,
    number: 1,
    pipelineId: randomUUID(),
    brandId: randomUUID(),
    state: 'running',
    dryRun: false,
    intent: randomUUID(),
    seed: 1,
    nonce: null,
    afresh: [],
    planKey: null,
  };

  return {
    /** The value of its output `data`, or its error thrown. `body` is what the node before it has given. */
    async carry(body: unknown): Promise<{ data: unknown; ms: number }> {
      const stored = await storeValue(body, false, () => Promise.reject(new Error('It is too long for a row.')));
      const claimed: Claimed = {
        strand: {
          id: journal?.strand ?? 1,
          node: 'node',
          prefix: [],
          lo: null,
          hi: null,
          lane: 'light',
          token: journal?.token ?? 1,
          attempts: 1,
          deaths: 0,
          beganAt: new Date().toISOString(),
        },
        run,
        inputs: [{ node: 'hook', path: [], state: 'done', cause: null, error: null, outputs: { body: stored } }],
        overrides: [],
      };
      row = undefined;
      const from = performance.now();
      const end = await carryStrand(host, claimed, plan, hold);
      const ms = performance.now() - from;
      const settled = row as SettledRow | undefined;
      if (end.kind !== 'settled' || sentLength === 0 || settled?.state !== 'done' || !settled.outputs) {
        throw new Error(`The step came to nothing: ${JSON.stringify(settled?.error ?? end.kind)}`);
      }
      return { data: settled.outputs.data?.value, ms };
    },
  };
}
