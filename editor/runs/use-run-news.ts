/** Tells the person when a watched run ends or needs somebody, once for each. */
import { useEffect, useRef } from 'react';
import type { RunView } from '../run-view.ts';
import { notifyOfRun } from './notify.ts';
import { newsOf } from './run-state.ts';

/** Only a run that was seen running ends here; one opened from the list ended long ago. */
export function useRunNews(workspaceId: string, run: RunView | null): void {
  const seen = useRef({ id: '', running: false, asked: false });
  useEffect(() => {
    if (!run) return;
    if (seen.current.id !== run.id) seen.current = { id: run.id, running: false, asked: false };
    const { current } = seen;
    const news = newsOf(workspaceId, run);
    if (run.state === 'running') {
      current.running = true;
      if (news && !current.asked) notifyOfRun(news);
      current.asked = news !== null;
    } else if (current.running) {
      current.running = false;
      if (news) notifyOfRun(news);
    }
  }, [workspaceId, run]);
}
