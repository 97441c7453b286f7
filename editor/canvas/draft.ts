/**
 * The local copy of a draft: what the server has, what is on its way and what waits. Pure; sync.ts does the sending.
 *
 *   base      the graph at `revision`, as the server has it
 *   inflight  operations sent and not yet answered, or null
 *   pending   operations made since
 *   graph     base + inflight + pending: what the person sees
 *
 * Operations of others are put under ours: ours are rebased over them and what no longer fits is handed back with the
 * reason, never dropped in silence. While a batch is on its way, news waits in `later`, because the answer may carry it.
 */
import type { Graph } from '../../runtime/graph/graph.ts';
import {
  apply,
  applyAll,
  type Operation,
  OperationRefused,
  type Refusal,
  rebaseAll,
} from '../../runtime/graph/operations.ts';

type News = { revision: number; operations: Operation[] };
export type Draft = {
  base: Graph;
  revision: number;
  inflight: Operation[] | null;
  pending: Operation[];
  graph: Graph;
  later: News[];
};
/** `gap`: news was missed, so the draft has to be read again. */
export type Step = { draft: Draft; refused: Refusal[]; gap: boolean };

export function openDraft(graph: Graph, revision: number, pending: Operation[] = []): Step {
  return settle({ base: graph, revision, inflight: null, pending, graph, later: [] }, [], false);
}

/** Applies what can be applied; the rest comes back refused. */
function keep(graph: Graph, operations: readonly Operation[]): { graph: Graph; kept: Operation[]; refused: Refusal[] } {
  const kept: Operation[] = [];
  const refused: Refusal[] = [];
  let current = graph;
  for (const operation of operations) {
    try {
      current = apply(current, operation);
      kept.push(operation);
    } catch (error) {
      if (!(error instanceof OperationRefused)) throw error;
      refused.push({ refused: operation, reason: error.message });
    }
  }
  return { graph: current, kept, refused };
}

function settle(draft: Draft, refused: Refusal[], gap: boolean): Step {
  const { graph, kept, refused: more } = keep(draft.base, [...(draft.inflight ?? []), ...draft.pending]);
  // Inflight operations are the server's to judge; they are counted off so that only pending ones are thinned out.
  const inflight = draft.inflight;
  const pending = inflight ? kept.filter((operation) => !inflight.includes(operation)) : kept;
  const mine = inflight ? more.filter(({ refused: operation }) => !inflight.includes(operation)) : more;
  return { draft: { ...draft, pending, graph }, refused: [...refused, ...mine], gap };
}

/** Throws `OperationRefused`, so a command that does not fit changes nothing. */
export function edit(draft: Draft, operations: readonly Operation[]): Draft {
  return { ...draft, pending: compact([...draft.pending, ...operations]), graph: applyAll(draft.graph, operations) };
}

export function send(draft: Draft): Draft {
  return draft.inflight || draft.pending.length === 0
    ? draft
    : { ...draft, inflight: draft.pending.slice(0, 200), pending: draft.pending.slice(200) };
}

/** The connection broke: what was on its way waits again. */
export function unsend(draft: Draft): Draft {
  return { ...draft, inflight: null, pending: [...(draft.inflight ?? []), ...draft.pending] };
}

/** The server took the batch. `graph` comes where it had to rebase it. */
export function accepted(draft: Draft, answer: { revision: number; graph?: Graph | undefined }): Step {
  const sent = draft.inflight ?? [];
  const missed = !answer.graph && answer.revision > draft.revision + 1;
  const base = answer.graph ?? keep(draft.base, sent).graph;
  return caughtUp(settle({ ...draft, base, revision: answer.revision, inflight: null }, [], missed));
}

/** The server refused the batch: `operations` are those of others since our base. Ours are rebased and wait again. */
export function conflicted(
  draft: Draft,
  conflict: { revision: number; operations: readonly Operation[]; graph?: Graph | undefined },
): Step {
  const mine = [...(draft.inflight ?? []), ...draft.pending];
  const { operations, refused } = rebaseAll(mine, conflict.operations);
  const base = conflict.graph ?? keep(draft.base, conflict.operations).graph;
  return caughtUp(
    settle({ ...draft, base, revision: conflict.revision, inflight: null, pending: operations }, refused, false),
  );
}

/** News from another tab or person. */
export function heard(draft: Draft, news: News): Step {
  if (news.revision <= draft.revision) return { draft, refused: [], gap: false };
  if (draft.inflight) return { draft: { ...draft, later: [...draft.later, news] }, refused: [], gap: false };
  if (news.revision > draft.revision + 1) return { draft, refused: [], gap: true };
  const { graph: base } = keep(draft.base, news.operations);
  const { operations, refused } = rebaseAll(draft.pending, news.operations);
  return settle({ ...draft, base, revision: news.revision, pending: operations }, refused, false);
}

/** The draft was read again. */
export function reread(draft: Draft, graph: Graph, revision: number): Step {
  if (draft.inflight || revision < draft.revision) return { draft, refused: [], gap: false };
  return settle({ ...draft, base: graph, revision, later: [] }, [], false);
}

function caughtUp(step: Step): Step {
  const { later } = step.draft;
  let current: Step = { ...step, draft: { ...step.draft, later: [] } };
  for (const news of later) {
    const next = heard(current.draft, news);
    current = { draft: next.draft, refused: [...current.refused, ...next.refused], gap: current.gap || next.gap };
  }
  return current;
}

/** Repeated changes of one field and repeated moves of the same nodes need to be sent once. */
function compact(operations: readonly Operation[]): Operation[] {
  const result: Operation[] = [];
  for (const operation of operations) {
    const last = result.at(-1);
    const repeats =
      (operation.op === 'setConfig' &&
        last?.op === 'setConfig' &&
        last.node === operation.node &&
        last.field === operation.field) ||
      (operation.op === 'setNote' &&
        last?.op === 'setNote' &&
        last.id === operation.id &&
        Object.keys(last).every((key) => Object.hasOwn(operation, key))) ||
      (operation.op === 'moveNodes' &&
        last?.op === 'moveNodes' &&
        Object.keys(last.positions).every((id) => Object.hasOwn(operation.positions, id)));
    if (repeats) result.pop();
    result.push(operation);
  }
  return result;
}
