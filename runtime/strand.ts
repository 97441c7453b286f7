/** What a strand that is carried is made of: the plan it stands in, what it is lent, and the ways in which it ends. */
import type { Database } from '../db/connect.ts';
import type { Claimed, Ledger, SettledRow, Until } from '../db/ledger.ts';
import type { BrandKit, ErrorJson } from '../nodes/contract.ts';
import type { AssetStore } from './assets.ts';
import type { InternalHost } from './broker.ts';
import type { Capability } from './capabilities/capability.ts';
import type { Catalogue } from './catalogue.ts';
import type { Accounts } from './connections/account.ts';
import type { Faults } from './faults.ts';
import type { Fetcher } from './fetch.ts';
import type { Decision } from './graph/advance.ts';
import type { Graph } from './graph/graph.ts';
import type { Plan } from './graph/plan.ts';
import type { NodeManifests } from './graph/resolve.ts';
import type { ForeignPlugin, Plugins } from './plugins.ts';
import type { Sandbox, SandboxResult } from './sandbox/sandbox.ts';
import type { Tally } from './tally.ts';
import type { Values } from './values.ts';

/** What does not change while a run goes on; kept by the worker. */
export type RunPlan = {
  graph: Graph;
  plan: Plan;
  pins: Record<string, { version: string; digest?: string }>;
  kit: BrandKit;
  /** Node types of plugins, as the run is pinned to them. */
  plugins: ReadonlyMap<string, ForeignPlugin>;
  /** Node id → its manifest with the ports it really has in this graph. */
  manifests: NodeManifests;
  /** A person's corrections stand in the way of going on without the database's answer. */
  isCorrected?: boolean;
  /** When the run began, once something asked. */
  instant?: Promise<string>;
};

export type StepHost = {
  ledger: Ledger;
  db: Database;
  sandbox: Sandbox;
  catalogue: Catalogue;
  plugins: Plugins;
  capabilities: ReadonlyMap<string, Capability>;
  internalHosts: ReadonlyMap<string, InternalHost>;
  fetcher: Fetcher;
  /** Where accounts are kept; without it none is connected. */
  accounts?: Accounts;
  stores(workspaceId: string): { assets: AssetStore; values: Values };
  faults: Faults;
  /** Keys of the plans that this worker knows. */
  known(): string[];
  /** Milliseconds that an item of a range takes, by run and node. */
  pace: Map<string, number>;
  /** Counts what was settled. */
  tally: Tally;
  log(line: string, details: Record<string, unknown>): void;
};

/** What the worker lends to a strand it works on. */
export type StrandHold = {
  workerId: string;
  /** Aborted when the lease is lost, the run cancelled or the worker stops. */
  signal: AbortSignal;
  /** Whether the lease is surely still ours: the last good beat is younger than 2 s. */
  isLive(): boolean;
  progress(fraction: number, note: string | null): void;
  /** How many strands of each lane this worker can begin with now. */
  room(): Record<string, number>;
  /** Whether a light successor may be taken on at once. */
  mayChain(): boolean;
  /** A name for the strand of a successor that is gone on with before this settlement is answered; null: wait for it. */
  runOn(): number | null;
  /** Settles when what was settled before in this chain is written: false where it was not. */
  behind: Promise<boolean>;
  /** Whether the rest of a range goes back to the queue: others came while every place was taken. */
  givesWay(): boolean;
  /** Whether steps that are no part of a list run too: they wait for the sandbox behind what is computed together. */
  isBesideOthers(): boolean;
  /** Whether settlements of light steps in a row are better written together: others of the lane want the database too. */
  gathers(): boolean;
  /** The strand is another one from now on: what was carried along is written. */
  moved(strand: { id: number; token: number }): void;
};

/** Settled steps of a row that are written with the step that follows them, under the lease of the first. */
export type Carried = { rows: SettledRow[]; since: number };

/**
 * A step without any right, computed while the commit before it is on its way. Nothing of it counts until its strand is
 * leased by that commit; otherwise it is dropped.
 */
export type Ahead = {
  path: number[];
  beganAt: string;
  facts: Map<string, string>;
  answer: Promise<SandboxResult>;
  /** The commit that leases it is still on its way: its corrections are not known. */
  isUnaware: boolean;
  drop(): void;
};

export type StrandEnd =
  | { kind: 'settled'; ended: boolean; lanes: string[]; chained: Claimed | null; ahead?: Ahead | null }
  /** Sent; `chained` is gone on with meanwhile. `written` tells whether it was. */
  | { kind: 'sent'; written: Promise<boolean>; chained: Claimed; ahead: Ahead }
  /** Not written: `chained` takes it along, under the same lease. */
  | { kind: 'gathered'; chained: Claimed; ahead: Ahead; carried: Carried }
  | { kind: 'released'; lanes: string[] }
  | { kind: 'lost' };

/** One item of a node, as it is decided and configured. */
export type Item = {
  path: number[];
  decision: Decision;
  inputs: Record<string, unknown>;
  digests: Record<string, string[]>;
  key: string | null;
  isMine: boolean;
  /** A reason that is not its inputs'. */
  said?: string | null;
  /** With its defaults, and what expressions in it give for this item. */
  config?: Record<string, unknown>;
  /** Why there is no config. */
  fault?: ErrorJson;
};
/** Why an attempt gave its step back to sleep. */
export type Paused = { until?: Until; why?: string };
/** A step whose computing has begun. */
export type Begun = { facts: Map<string, string>; answer: Promise<SandboxResult> };
