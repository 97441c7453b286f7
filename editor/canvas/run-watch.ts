/**
 * Puts the run on show into the editor's store as its stream tells of it. Says failures at once and progress every 10 s
 * at most; tells the browser when a run ends or needs somebody.
 */
import { useEffect, useRef } from 'react';
import type { RunView } from '../run-view.ts';
import { notifyOfRun } from '../runs/notify.ts';
import { useRunWatch } from '../runs/stream.ts';
import { duration } from '../ui/format.ts';
import { announce } from '../ui/live.tsx';
import { useEditor, useEditorStore } from './store.ts';

export const isOver = (run: { state: RunView['state'] }) => run.state !== 'running';
const SAY_EVERY_MS = 10_000;

export function useRunOnShow(onEnd: (run: RunView) => void): void {
  const store = useEditorStore();
  const runId = useEditor((state) => state.runId);
  const { workspaceId, pipelineId } = store.getState();
  const { run, problem } = useRunWatch(workspaceId, runId);
  const said = useRef({ at: 0, failed: new Set<string>(), running: new Set<string>() });
  const ended = useRef(onEnd);
  ended.current = onEnd;

  useEffect(() => {
    if (problem && runId) announce(problem.message, 'assertive');
  }, [problem, runId]);

  useEffect(() => {
    if (!run || run.id !== runId) return;
    store.getState().showRun(run);
    const names = new Map(run.graph.nodes.map((node) => [node.id, node.name]));
    const { failed, running } = said.current;
    for (const view of run.nodes) {
      const key = `${run.id}/${view.nodeId}`;
      if (view.state !== 'failed') failed.delete(key);
      else if (!failed.has(key)) {
        failed.add(key);
        if (running.has(run.id)) {
          announce(`${names.get(view.nodeId) ?? 'A node'} failed. ${view.error?.message ?? ''}`, 'assertive');
        }
      }
    }
    if (isOver(run)) {
      // Only a run that was seen running ends here; one opened from the list has ended long ago.
      if (!running.delete(run.id)) return;
      announce(`Run ${run.number}: ${run.summary || run.state}`, 'polite');
      notifyOfRun({
        runId: run.id,
        number: run.number,
        pipelineName: run.pipelineName,
        href: `/w/${workspaceId}/p/${pipelineId}?run=${run.id}`,
        kind: run.state === 'problems' || run.state === 'failed' ? 'failed' : 'ended',
        text: run.summary,
      });
      ended.current(run);
      return;
    }
    running.add(run.id);
    const now = Date.now();
    if (now - said.current.at > SAY_EVERY_MS) {
      said.current.at = now;
      const left = run.etaMs ? `, ${duration(run.etaMs / 1000)} left` : '';
      announce(`Run ${run.number}: ${Math.round(run.progress * 100)} percent${left}`);
    }
  }, [run, runId, store, workspaceId, pipelineId]);
}
