/** Views of runs as the server gives them, whole and quiet; a test states only the part it is about. */
import type { NodeView, RunView } from '../../server/run-view.ts';

/** Nothing has happened yet to the one item there is. */
export function countsOf(part: Partial<NodeView['counts']> = {}): NodeView['counts'] {
  return {
    total: 1,
    done: 0,
    reused: 0,
    failed: 0,
    skipped: 0,
    blocked: 0,
    running: 0,
    waiting: 0,
    queued: 0,
    cancelled: 0,
    ...part,
  };
}

export function nodeView(part: Partial<NodeView> = {}): NodeView {
  return {
    nodeId: 'n',
    state: 'idle',
    counts: countsOf(),
    progress: null,
    etaMs: null,
    note: null,
    reason: null,
    explanation: { code: 'not-begun', text: 'It comes next.', since: null, next: null, act: null },
    error: null,
    facts: [],
    preview: null,
    elapsedMs: null,
    ...part,
  };
}

export function runView(part: Partial<RunView> = {}): RunView {
  return {
    id: 'r',
    number: 3,
    pipelineId: 'p',
    pipelineName: 'Podcast to shorts',
    version: null,
    brandId: 'b',
    state: 'running',
    dryRun: false,
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: null,
    startedBy: null,
    progress: 0,
    etaMs: null,
    nodes: [],
    graph: { format: 1, nodes: [], edges: [], inputs: [], sections: [], notes: [] },
    summary: '',
    caller: null,
    ...part,
  };
}
