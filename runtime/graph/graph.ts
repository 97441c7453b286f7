/**
 * The saved shape of a pipeline: plain JSON, parsed at every wall, executed by nobody on import.
 *
 *   node     one use of a node type: config, name, position
 *   edge     a wire from an output port to an input port; the order of `edges` is the order lists concatenate in
 *   input    a config field promoted to a named parameter of the whole pipeline: what a run, the command line
 *            (`--input recording=@file`) or another brand fills in
 *   section  a titled frame on the canvas; note: a sticky note (Markdown)
 */
import * as z from 'zod';
import { WorkerTag } from '../../nodes/contract.ts';

const Id = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/);
const PortName = z
  .string()
  .regex(/^[a-z][A-Za-z0-9]*$/)
  .max(40);
/** `error` is every node's error output. */
export const ERROR_PORT = 'error';

/**
 * When a node's step is tried again, how long an attempt may take and who takes it; the node type's own where a part is absent.
 * Times in seconds. `active` is computing inside the isolate, `wall` everything from the attempt's start to its end;
 * sleeping in a wait counts for neither.
 */
export const Policy = z.strictObject({
  /** attempts in all */
  attempts: z.number().int().min(1).max(20).optional(),
  /** before the second attempt */
  wait: z.number().min(0).max(3_600).optional(),
  /** the waits after that */
  growth: z.enum(['double', 'same']).optional(),
  /** `all`: also errors that say trying again cannot help; never an act that was refused. */
  on: z.enum(['temporary', 'all']).optional(),
  wall: z.number().min(1).max(86_400).optional(),
  active: z.number().min(1).max(600).optional(),
  /** Only workers with this tag take it. */
  tag: WorkerTag.optional(),
});
export type Policy = z.infer<typeof Policy>;

/** A value as the ledger keeps it (db/values.ts): short ones whole, longer ones in the workspace's store. */
export const PinnedValue = z.strictObject({
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int().nonnegative(),
  /** of a list */
  count: z.number().int().nonnegative().nullable(),
  value: z.json().optional(),
  asset: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  preview: z.json().optional(),
});
/** Fixed outputs, which a run of the draft takes instead of running the node; see pins.ts. */
export const Pin = z.strictObject({
  /** The output ports that the node had. */
  ports: z.record(PortName, z.strictObject({ type: z.string().max(40), list: z.boolean() })),
  outputs: z.record(PortName, PinnedValue),
});
export type Pin = z.infer<typeof Pin>;

export const GraphNode = z.strictObject({
  id: Id,
  /** node type id, e.g. `speech.transcribe` */
  type: z.string().max(80),
  /** the node type's version this use was made with */
  version: z.string().max(30),
  /** shown name; unique within the graph so that `--set Transcribe.engine=draft` is unambiguous */
  name: z.string().min(1).max(80),
  position: z.strictObject({ x: z.number(), y: z.number() }),
  /** width in pixels where the person changed it */
  width: z.number().min(124).max(800).optional(),
  config: z.record(z.string().max(60), z.json()),
  policy: Policy.optional(),
  /** In drafts only. */
  pin: Pin.optional(),
});
export type GraphNode = z.infer<typeof GraphNode>;

export const GraphEdge = z.strictObject({
  id: Id,
  from: z.strictObject({ node: Id, port: PortName }),
  to: z.strictObject({ node: Id, port: PortName }),
  /** For a gather: go on without the members that failed. */
  leaveOutFailed: z.boolean().optional(),
});
export type GraphEdge = z.infer<typeof GraphEdge>;

export const GraphInput = z.strictObject({
  /** `--input NAME=…` */
  name: PortName,
  title: z.string().max(80),
  node: Id,
  /** The config field of that node that it fills. */
  field: z.string().max(60),
});
export type GraphInput = z.infer<typeof GraphInput>;

export const GraphSection = z.strictObject({
  id: Id,
  title: z.string().max(80),
  position: z.strictObject({ x: z.number(), y: z.number() }),
  size: z.strictObject({ width: z.number().positive(), height: z.number().positive() }),
});
export const GraphNote = z.strictObject({
  id: Id,
  text: z.string().max(4000),
  position: z.strictObject({ x: z.number(), y: z.number() }),
  size: z.strictObject({ width: z.number().positive(), height: z.number().positive() }),
});

/** What one run may take; the step that would go beyond it does not begin. */
export const Budget = z.strictObject({
  /** of work, side by side counted twice */
  minutes: z.number().min(0.1).max(100_000).optional(),
  /** of services: questions and acts */
  calls: z.number().int().min(0).max(10_000_000).optional(),
  /** Of what node types state; `minor` are cents. */
  money: z
    .strictObject({ currency: z.string().regex(/^[A-Z]{3}$/), minor: z.number().min(0).max(1_000_000_000) })
    .optional(),
});
export type Budget = z.infer<typeof Budget>;

/**
 * How many runs of the pipeline go on at one time, and how they stand to others of their brand. A run beyond the limit
 * waits for the oldest before it to end. Read by the database when a run starts (ledger_rank).
 */
export const Limits = z.strictObject({
  atOnce: z.number().int().min(1).max(100).optional(),
  /** What is counted together: the runs of one brand, of all brands, or of one brand and one value in the event. */
  by: z.enum(['brand', 'pipeline', 'key']).optional(),
  /** Where the value stands in the event of the trigger: `body.customer.id`. */
  key: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,60}(\.[A-Za-z0-9_-]{1,60}){0,7}$/)
    .optional(),
  /** 1 before 0 before -1, within a brand. */
  priority: z.number().int().min(-1).max(1).optional(),
  budget: Budget.optional(),
});
export type Limits = z.infer<typeof Limits>;

/** At most 500 nodes and 2,000 edges. `format` is raised by `runtime/graph/migrate.ts`. */
export const Graph = z.strictObject({
  format: z.literal(1),
  nodes: z.array(GraphNode).max(500),
  edges: z.array(GraphEdge).max(2000),
  inputs: z.array(GraphInput).max(50),
  sections: z.array(GraphSection).max(100),
  notes: z.array(GraphNote).max(200),
  limits: Limits.optional(),
});
export type Graph = z.infer<typeof Graph>;

export const EMPTY_GRAPH: Graph = { format: 1, nodes: [], edges: [], inputs: [], sections: [], notes: [] };

/** What is wrong with a graph, beside the node, edge or field it concerns. `error` stops a publish and a run. */
export type Problem = {
  severity: 'error' | 'warning';
  code: string;
  message: string;
  hint: string | null;
  node?: string;
  edge?: string;
  field?: string;
  port?: string;
};
