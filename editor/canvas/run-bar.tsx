/** The run on show: how far it is and how long it still takes, and the way to stop it. After the end, what came of it. */
import { Link } from '@tanstack/react-router';
import type { RunView } from '../run-view.ts';
import { runLook } from '../runs/run-state.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { duration, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Ring } from '../ui/progress.tsx';
import { isOver } from './run-watch.ts';
import { useEditor, useEditorStore } from './store.ts';
import { useRunFrom } from './use-run.ts';

/** "6 of 9 steps · 1 min 10 s left" */
export function runSentence(run: RunView): string {
  const inRun = run.nodes;
  const done = inRun.filter((node) =>
    ['done', 'reused', 'skipped', 'failed', 'blocked', 'cancelled'].includes(node.state),
  ).length;
  const steps = `${done} of ${plural(Math.max(inRun.length, run.graph.nodes.length), 'node')}`;
  return run.etaMs !== null && run.etaMs > 0 ? `${steps} · ${duration(run.etaMs / 1000)} left` : steps;
}

export function RunBar() {
  const store = useEditorStore();
  const run = useEditor((state) => state.run);
  const mayRun = useEditor((state) => state.mayRun);
  const readOnly = useEditor((state) => state.readOnly);
  const { stop, stopping } = useRunFrom();
  if (!run) return null;
  const over = isOver(run);
  const end = over ? runLook(run.state) : null;
  const took =
    run.startedAt && run.endedAt ? duration((Date.parse(run.endedAt) - Date.parse(run.startedAt)) / 1000) : null;
  return (
    <section className="float runbar" aria-label={`Run ${run.number}`}>
      {end ? (
        <Icon name={end.icon} className={end.color} />
      ) : (
        <Ring value={run.progress} size={20} of={run.id} label={`Run ${run.number}`} />
      )}
      <div>
        <b className="label">
          {run.dryRun ? 'Rehearsal' : 'Run'} {run.number}
          {run.version !== null && <span className="faint font-normal"> of v{run.version}</span>}
        </b>
        <span className="t-12 muted">
          {end ? [run.summary.replace(/\.$/, '') || end.word, took].filter(Boolean).join(' · ') : runSentence(run)}
        </span>
      </div>
      {!over && mayRun && (
        <Button size="sm" busy={stopping} onClick={stop}>
          {stopping ? 'Stopping' : 'Stop'}
        </Button>
      )}
      {over && (
        <span className="flex-row! inline-flex gap-1">
          <Link
            className="btn sm"
            to="/w/$workspaceId/runs/$runId"
            params={{ workspaceId: store.getState().workspaceId, runId: run.id }}
          >
            Results
          </Link>
          {!readOnly && (
            <IconButton
              icon="x"
              label="Take this run off the canvas"
              onClick={() => {
                store.getState().set({ runId: null });
                store.getState().showRun(null);
              }}
            />
          )}
        </span>
      )}
    </section>
  );
}
