/**
 * A run as the screens draw it: the ledger's rows, with previews made from what the first finished steps gave.
 * Shapes are stated once here, as schemas; the editor takes their types from the router.
 */
import * as z from 'zod';
import type { RunFacts } from '../db/explain.ts';
import type { NodeRow, RunSnapshot } from '../db/run-view.ts';
import type { RunListing } from '../db/runs.ts';
import type { StepRow } from '../db/steps.ts';
import type { StoredValue } from '../db/values.ts';
import { ErrorJson, type ManifestJson, type PortType } from '../nodes/contract.ts';
import { Graph } from '../runtime/graph/graph.ts';
import { resolveNodes } from '../runtime/graph/resolve.ts';
import { Explanation, explain, reasonOf } from './explain.ts';
import { outcomeOf } from './run-outcome.ts';

const RunStateView = z.enum(['running', 'succeeded', 'problems', 'cancelled', 'stopped', 'failed']);
const NodeStateView = z.enum([
  'idle',
  'queued',
  'running',
  'waiting',
  'done',
  'reused',
  'failed',
  'blocked',
  'skipped',
  'cancelled',
]);
const FactView = z.object({ name: z.string(), value: z.string() });

export const OutputView = z.object({
  type: z.string(),
  list: z.boolean(),
  /** The value, or the beginning of it where `truncated`. */
  value: z.json().nullable(),
  bytes: z.number(),
  count: z.number().nullable(),
  truncated: z.boolean(),
  digest: z.string(),
});

export const PreviewItem = z.object({
  path: z.array(z.number()),
  asset: z.string().optional(),
  mime: z.string().optional(),
  title: z.string().optional(),
  text: z.string().optional(),
  duration: z.number().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  url: z.string().optional(),
  score: z.number().optional(),
  start: z.number().optional(),
  end: z.number().optional(),
  state: z.string().optional(),
});
export type PreviewItem = z.infer<typeof PreviewItem>;
export const PreviewView = z.object({
  kind: z.enum(['video', 'audio', 'image', 'text', 'transcript', 'table', 'list', 'captions', 'post']),
  items: z.array(PreviewItem),
  more: z.number(),
  /** Speakers with their share of the speech, for transcripts. */
  speakers: z.array(z.object({ id: z.string(), name: z.string(), share: z.number() })).optional(),
  turns: z.array(z.object({ start: z.number(), end: z.number(), speaker: z.string().optional() })).optional(),
});
export type PreviewView = z.infer<typeof PreviewView>;

export const NodeView = z.object({
  nodeId: z.string(),
  state: NodeStateView,
  counts: z.object({
    total: z.number().nullable(),
    done: z.number(),
    reused: z.number(),
    failed: z.number(),
    skipped: z.number(),
    blocked: z.number(),
    running: z.number(),
    waiting: z.number(),
    queued: z.number(),
    cancelled: z.number(),
  }),
  progress: z.number().nullable(),
  etaMs: z.number().nullable(),
  note: z.string().nullable(),
  /** The explanation, where there is more to say than its state does: for a card. */
  reason: z.string().nullable(),
  explanation: Explanation,
  error: ErrorJson.nullable(),
  facts: z.array(FactView),
  preview: PreviewView.nullable(),
  elapsedMs: z.number().nullable(),
});
export type NodeView = z.infer<typeof NodeView>;

/** Another run that this one goes with. */
const Linked = z.object({
  runId: z.string(),
  number: z.number(),
  pipelineId: z.string(),
  pipelineName: z.string(),
  state: RunStateView,
});

export const RunRow = z.object({
  id: z.string(),
  number: z.number(),
  pipelineId: z.string(),
  pipelineName: z.string(),
  brandId: z.string(),
  version: z.number().nullable(),
  state: RunStateView,
  dryRun: z.boolean(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  startedBy: z.string().nullable(),
});
export const RunView = RunRow.extend({
  progress: z.number(),
  etaMs: z.number().nullable(),
  summary: z.string(),
  nodes: z.array(NodeView),
  graph: Graph,
  /** The run and the step that called it. */
  caller: Linked.extend({ nodeId: z.string(), path: z.array(z.number()) }).nullable(),
});
export type RunView = z.infer<typeof RunView>;

export const StepView = z.object({
  nodeId: z.string(),
  state: NodeStateView,
  path: z.array(z.number()),
  attempt: z.number(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  progress: z.number().nullable(),
  note: z.string().nullable(),
  etaMs: z.number().nullable(),
  explanation: Explanation,
  error: ErrorJson.nullable(),
  cause: z.string().nullable(),
  facts: z.array(FactView),
  outputs: z.record(z.string(), OutputView),
  reused: z.object({ runNumber: z.number().nullable() }).nullable(),
  overridden: z.boolean(),
  /** The run that it has called. */
  child: Linked.nullable(),
});
export type StepView = z.infer<typeof StepView>;

export const RunEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('snapshot'), run: RunView }),
  z.object({
    kind: z.literal('nodes'),
    state: RunStateView,
    progress: z.number(),
    etaMs: z.number().nullable(),
    summary: z.string(),
    endedAt: z.string().nullable(),
    nodes: z.array(NodeView),
  }),
]);
export type RunEvent = z.infer<typeof RunEvent>;

export type Manifests = ReadonlyMap<string, ManifestJson>;
export type Names = ReadonlyMap<string, string>;

/** Who or what started it, as it reads after "by". */
const HOW: Record<string, string> = {
  webhook: 'a webhook',
  schedule: 'its schedule',
  asset: 'an upload',
  feed: 'its feed',
  called: 'another pipeline',
};

export function runRow({ startedHow, ...row }: RunListing, names: Names) {
  const how = HOW[startedHow ?? ''] ?? null;
  const by = row.startedBy === null || startedHow === 'called' ? how : (names.get(row.startedBy) ?? null);
  return { ...row, startedBy: by };
}

export function runView(
  snapshot: RunSnapshot,
  manifests: Manifests,
  names: Names,
  caller: RunView['caller'] = null,
): RunView {
  const graph = Graph.parse(snapshot.run.graph);
  const own = resolveNodes(graph, manifests);
  const { plan: _plan, graph: _graph, ...listing } = snapshot.run;
  const view = {
    ...runRow(listing, names),
    progress: snapshot.progress,
    etaMs: snapshot.etaMs,
    summary: snapshot.summary,
    graph,
    caller,
    nodes: snapshot.nodes.map((node) =>
      nodeView(node, own.get(node.nodeId), { run: snapshot.facts, nameOf: nameIn(graph) }),
    ),
  };
  // while nothing works: what the first of them waits for
  const isAtWork = view.nodes.some(({ state }) => state === 'running');
  const asleep = isAtWork ? undefined : view.nodes.find(({ state }) => state === 'waiting' || state === 'queued');
  const summary = asleep ? asleep.explanation.text : view.summary;
  return { ...view, summary: outcomeOf({ ...view, summary }, manifests) };
}

/** What an explanation needs beside the step. */
export type Around = { run: RunFacts; nameOf(nodeId: string): string | undefined };
export const nameIn = (graph: Graph) => (nodeId: string) => graph.nodes.find(({ id }) => id === nodeId)?.name;

export const explainNode = ({ strand, step, before, isEmpty }: NodeRow, around: Around): Explanation =>
  explain({ ...around, strand, step, before, isEmpty });

function nodeView(row: NodeRow, manifest: ManifestJson | undefined, around: Around): NodeView {
  const { samples, strand, step, before, isEmpty, ...rest } = row;
  const finished = row.counts.done + row.counts.reused;
  const explanation = explainNode(row, around);
  const preview = manifest ? previewOf(samples, manifest, finished) : null;
  return { ...rest, explanation, reason: reasonOf(explanation), preview };
}

const known = (stored: StoredValue): unknown => (stored.value !== undefined ? stored.value : stored.preview);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
const number = (value: unknown) => (typeof value === 'number' ? value : undefined);
const MOST_ITEMS = 8;

/** The first output of a kind worth showing, over the first finished items. */
function previewOf(samples: NodeRow['samples'], manifest: ManifestJson, finished: number): PreviewView | null {
  const ports = Object.entries(manifest.outputs);
  const shown = ports.find(([port]) => samples.some((sample) => sample.outputs[port] !== undefined));
  if (!shown) return null;
  const [port, { type, list }] = shown;
  const values = samples.flatMap((sample) => {
    const stored = sample.outputs[port];
    return stored ? [{ path: sample.path, value: known(stored), count: stored.count }] : [];
  });
  const first = values[0]!;
  if (list) {
    const members = Array.isArray(first.value) ? first.value : [];
    return {
      kind: type === 'segment' ? 'table' : 'list',
      items: members.slice(0, MOST_ITEMS).map((value) => itemOf(type, first.path, value)),
      more: Math.max(0, (first.count ?? members.length) - Math.min(members.length, MOST_ITEMS)),
    };
  }
  const items = values.map(({ path, value }) => itemOf(type, path, value));
  const more = Math.max(0, finished - items.length);
  if (items.length > 1) return { kind: 'list', items, more };
  switch (type) {
    case 'media':
    case 'video':
    case 'audio':
    case 'clip': {
      const isAudio = isRecord(first.value) && first.value.kind === 'audio';
      return { kind: type === 'audio' || isAudio ? 'audio' : 'video', items, more };
    }
    case 'image':
      return { kind: 'image', items, more };
    case 'transcript':
      return { kind: 'transcript', items, more, ...transcriptFacts(first.value) };
    case 'captions':
      return { kind: 'captions', items, more };
    case 'post':
      return { kind: 'post', items, more };
    default:
      return { kind: 'text', items, more };
  }
}

function itemOf(type: PortType, path: number[], value: unknown): PreviewItem {
  if (!isRecord(value))
    return { path, text: typeof value === 'string' ? value.slice(0, 400) : JSON.stringify(value)?.slice(0, 400) };
  switch (type) {
    case 'clip': {
      const video = isRecord(value.video) ? value.video : {};
      const segment = isRecord(value.segment) ? value.segment : {};
      return {
        ...assetItem(path, video),
        title: text(segment.title),
        start: number(segment.start),
        end: number(segment.end),
      };
    }
    case 'segment':
      return {
        path,
        title: text(value.title),
        text: text(value.summary)?.slice(0, 200),
        start: number(value.start),
        end: number(value.end),
        duration: (number(value.end) ?? 0) - (number(value.start) ?? 0),
        score: number(value.score),
      };
    case 'transcript': {
      const words = Array.isArray(value.words) ? value.words.slice(0, 60) : [];
      return {
        path,
        text: words.map((word) => (isRecord(word) ? (text(word.text) ?? '') : '')).join(' '),
        duration: number(value.duration),
        title: isRecord(value.engine) ? text(value.engine.label) : undefined,
      };
    }
    case 'captions': {
      const cue = Array.isArray(value.cues) ? value.cues[0] : undefined;
      return isRecord(cue)
        ? {
            path,
            start: number(cue.start),
            end: number(cue.end),
            text: Array.isArray(cue.lines) ? cue.lines.join('\n').slice(0, 200) : undefined,
          }
        : { path };
    }
    case 'post':
      return { path, title: text(value.title), url: text(value.url) };
    default:
      return 'asset' in value ? assetItem(path, value) : { path, text: JSON.stringify(value).slice(0, 400) };
  }
}

function assetItem(path: number[], value: Record<string, unknown>): PreviewItem {
  return {
    path,
    asset: text(value.asset),
    mime: text(value.mime),
    title: text(value.name),
    duration: number(value.duration),
    width: number(value.width),
    height: number(value.height),
  };
}

function transcriptFacts(value: unknown): Pick<PreviewView, 'speakers' | 'turns'> {
  if (!isRecord(value)) return {};
  const turns = (Array.isArray(value.turns) ? value.turns : []).filter(isRecord).flatMap((turn) => {
    const [start, end] = [number(turn.start), number(turn.end)];
    return start === undefined || end === undefined ? [] : [{ start, end, speaker: text(turn.speaker) }];
  });
  const spoken = new Map<string, number>();
  let all = 0;
  for (const turn of turns) {
    all += turn.end - turn.start;
    if (turn.speaker) spoken.set(turn.speaker, (spoken.get(turn.speaker) ?? 0) + turn.end - turn.start);
  }
  const speakers = (Array.isArray(value.speakers) ? value.speakers : []).filter(isRecord).map((speaker) => ({
    id: text(speaker.id) ?? '',
    name: text(speaker.name) ?? '',
    share: all > 0 ? (spoken.get(text(speaker.id) ?? '') ?? 0) / all : 0,
  }));
  return { speakers, turns: turns.slice(0, 200) };
}

export function stepView(
  row: StepRow,
  manifest: ManifestJson | undefined,
  around: Around,
  child: StepView['child'] = null,
): StepView {
  const { inputs: _inputs, overridden, reused, outputs, reason, strand, ...rest } = row;
  const step = {
    state: row.state === 'reused' ? 'done' : row.state,
    reason,
    cause: row.cause,
    error: row.error,
    isReused: reused !== null,
    reusedNumber: reused?.runNumber ?? null,
    isCorrected: overridden.length > 0,
  };
  return {
    ...rest,
    explanation: explain({ ...around, strand, step, before: [], isEmpty: false }),
    overridden: overridden.length > 0,
    child,
    reused: reused && { runNumber: reused.runNumber },
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([port, stored]) => [port, outputView(stored, manifest, port)]),
    ),
  };
}

function outputView(stored: StoredValue, manifest: ManifestJson | undefined, port: string): z.infer<typeof OutputView> {
  const declared = manifest?.outputs[port];
  return {
    type: declared?.type ?? 'json',
    list: declared?.list ?? false,
    value: (known(stored) ?? null) as z.infer<typeof OutputView>['value'],
    bytes: stored.bytes,
    count: stored.count,
    truncated: stored.value === undefined,
    digest: stored.digest,
  };
}
