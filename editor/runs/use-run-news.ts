/** Tells the person when a watched run ends or needs somebody, once for each. */
import { useEffect, useRef } from 'react';
import type { NodeView, RunView } from '../run-view.ts';
import { notifyOfRun } from './notify.ts';

/** A step that waits for a person says so in its reason or error. */
const needsPerson = (run: RunView) =>
  run.nodes.some((view: NodeView) => view.error?.retry === 'person' && run.state === 'running');

/** Only a run that was seen running ends here; one opened from the list ended long ago. */
export function useRunNews(workspaceId: string, run: RunView | null): void {
  const seen = useRef<{ id: string; running: boolean; asked: boolean }>({ id: '', running: false, asked: false });
  useEffect(() => {
    if (!run) return;
    if (seen.current.id !== run.id) seen.current = { id: run.id, running: false, asked: false };
    const { current } = seen;
    const base = {
      runId: run.id,
      number: run.number,
      pipelineName: run.pipelineName,
      href: `/w/${workspaceId}/runs/${run.id}`,
    };
    if (run.state === 'running') {
      current.running = true;
      const asks = needsPerson(run);
      if (asks && !current.asked) {
        const view = run.nodes.find((each: NodeView) => each.error?.retry === 'person');
        notifyOfRun({ ...base, kind: 'needs-you', text: view?.error?.message ?? 'A step waits for you.' });
      }
      current.asked = asks;
      return;
    }
    if (!current.running) return;
    current.running = false;
    const bad = run.state === 'failed' || run.state === 'problems';
    if (run.state === 'cancelled' || run.state === 'stopped') return;
    notifyOfRun({
      ...base,
      kind: bad ? 'failed' : 'ended',
      text: run.summary || (bad ? 'Look at what failed.' : 'All steps are done.'),
    });
  }, [workspaceId, run]);
}
