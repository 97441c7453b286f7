/**
 * What a run's event stream says, and how a view of the run takes it in. Pure.
 *
 *   snapshot  the whole run; comes first and after every reconnect, and replaces what was there
 *   nodes     only the nodes that changed, with the run's own state beside them
 */
import type { NodeView, RunView } from '../run-view.ts';

export type RunEvent =
  | { kind: 'snapshot'; run: RunView }
  | {
      kind: 'nodes';
      state: RunView['state'];
      progress: number;
      etaMs: number | null;
      nodes: NodeView[];
      summary: string;
      endedAt: string | null;
    };

/** The run after `event`. Changed nodes without a snapshot before them are dropped: their snapshot is on its way. */
export function applyRunEvent(run: RunView | null, event: RunEvent): RunView | null {
  if (event.kind === 'snapshot') return event.run;
  if (!run) return null;
  const changed = new Map(event.nodes.map((node) => [node.nodeId, node]));
  const known = new Set(run.nodes.map((node) => node.nodeId));
  return {
    ...run,
    state: event.state,
    progress: event.progress,
    etaMs: event.etaMs,
    summary: event.summary,
    endedAt: event.endedAt,
    nodes: [
      ...run.nodes.map((node) => changed.get(node.nodeId) ?? node),
      ...event.nodes.filter((node) => !known.has(node.nodeId)),
    ],
  };
}

/** Whether anything may still happen by itself. */
export const isLive = (state: RunView['state']): boolean => state === 'running';
