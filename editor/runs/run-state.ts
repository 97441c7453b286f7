/** The words, marks and colours of a run's state. Pure. */
import type { RunView } from '../run-view.ts';
import type { RunNews } from './notify.ts';

export type RunState = RunView['state'];
type Look = { word: string; icon: string; tone: 'plain' | 'ok' | 'warn' | 'bad' | 'live'; color: string };

const LOOKS: Record<string, Look> = {
  running: { word: 'Running', icon: 'play', tone: 'live', color: 'text-accent-text' },
  succeeded: { word: 'Done', icon: 'check', tone: 'plain', color: 'text-faint' },
  problems: { word: 'Done with problems', icon: 'triangle-alert', tone: 'warn', color: 'text-warning' },
  failed: { word: 'Failed', icon: 'circle-x', tone: 'bad', color: 'text-danger' },
  cancelled: { word: 'Cancelled', icon: 'ban', tone: 'plain', color: 'text-faint' },
  stopped: { word: 'Stopped', icon: 'square', tone: 'plain', color: 'text-faint' },
};

export function runLook(state: string): Look {
  return LOOKS[state] ?? { word: state, icon: 'circle-help', tone: 'plain', color: 'text-faint' };
}

export const STATE_FILTERS = [
  { value: 'all', label: 'All' },
  { value: 'running', label: 'Running' },
  { value: 'succeeded', label: 'Done' },
  { value: 'problems', label: 'With problems' },
  { value: 'failed', label: 'Failed' },
  { value: 'cancelled', label: 'Cancelled' },
] as const;

/** What there is to tell of a run: that it ended, that it failed, that it needs somebody. Null: nothing. */
export function newsOf(workspaceId: string, run: RunView): RunNews | null {
  const base = {
    runId: run.id,
    number: run.number,
    pipelineName: run.pipelineName,
    href: `/w/${workspaceId}/runs/${run.id}`,
  };
  switch (run.state) {
    case 'running': {
      const asks = run.nodes.find(({ error }) => error?.retry === 'person');
      return asks ? { ...base, kind: 'needs-you', text: asks.error?.message ?? 'A step waits for you.' } : null;
    }
    case 'succeeded':
      return { ...base, kind: 'ended', text: run.summary || 'All steps are done.' };
    case 'problems':
    case 'failed':
      return { ...base, kind: 'failed', text: run.summary || 'Look at what failed.' };
    case 'cancelled':
    case 'stopped':
      return null;
    default:
      return run.state satisfies never;
  }
}
