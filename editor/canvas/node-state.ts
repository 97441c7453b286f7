/**
 * What a node's head says of its state: a word and a mark, short enough to stand beside the name. Pure. Done is quiet,
 * amber means a person is needed, red that something failed.
 */
import type { NodeView } from '../run-view.ts';
import { duration } from '../ui/format.ts';

/** A duration short enough for a head: seconds, else whole minutes or hours. */
const brief = (ms: number) => {
  const seconds = ms / 1000;
  if (seconds < 60) return duration(seconds);
  return seconds < 5400 ? `${Math.round(seconds / 60)}\u00a0min` : `${Math.round(seconds / 3600)}\u00a0h`;
};

export type HeadState = {
  tone: 'plain' | 'done' | 'run' | 'warn' | 'bad';
  word: string;
  icon: string | null;
  /** In [0, 1] where a ring takes the icon's place. */
  ring: number | null;
};

/** The ring of a card. */
export type CardTone = 'idle' | 'running' | 'asks' | 'failed' | 'skipped';

const state = (tone: HeadState['tone'], word: string, icon: string | null, ring: number | null = null): HeadState => ({
  tone,
  word,
  icon,
  ring,
});

/** `problems` counts what is wrong with the node's settings and wires. */
export function headState(view: NodeView | undefined, problems: number): HeadState | null {
  if (!view || view.state === 'idle') return problems > 0 ? state('warn', String(problems), 'triangle-alert') : null;
  const { counts } = view;
  const mapped = counts.total !== null && counts.total > 1;
  switch (view.state) {
    case 'queued':
      return state('plain', 'Queued', 'clock');
    case 'running': {
      const ring = view.progress ?? (mapped && counts.total ? settled(view) / counts.total : 0.05);
      if (view.etaMs !== null && view.etaMs > 900) return state('run', `${brief(view.etaMs)} left`, null, ring);
      if (mapped) return state('run', `${finished(view)} of ${counts.total}`, null, ring);
      return state('run', view.progress !== null ? `${Math.round(view.progress * 100)} %` : 'Running', null, ring);
    }
    case 'waiting':
      return state('plain', mapped ? `${finished(view)} of ${counts.total}` : 'Waits', 'clock');
    case 'done':
      if (view.reason?.startsWith('Pinned')) return state('plain', 'Pinned', null);
      return state('done', view.elapsedMs === null ? 'Done' : brief(view.elapsedMs), 'check');
    case 'reused':
      return state('plain', view.reason?.startsWith('Taken') ? 'Taken' : 'Reused', 'history');
    case 'failed':
      return state(
        'bad',
        mapped && counts.failed < (counts.total ?? 0) ? `${counts.failed} failed` : 'Failed',
        'circle-x',
      );
    case 'blocked':
      return state('plain', 'Blocked', 'unplug');
    case 'skipped':
      return state('plain', 'Skipped', 'skip-forward');
    case 'cancelled':
      return state('plain', 'Cancelled', 'ban');
    default:
      return view.state satisfies never;
  }
}

/** Items that gave something, made now or reused. */
export const finished = (view: NodeView) => view.counts.done + view.counts.reused;
const settled = (view: NodeView) => finished(view) + view.counts.failed + view.counts.skipped + view.counts.blocked;

export function cardTone(view: NodeView | undefined): CardTone {
  switch (view?.state) {
    case 'running':
      return 'running';
    case 'failed':
      return 'failed';
    case 'skipped':
      return 'skipped';
    default:
      return 'idle';
  }
}

/** "3 of 5, 40 s left": one line for the outline and for assistive tools. */
export function stateSentence(view: NodeView | undefined, problems: number): string {
  const head = headState(view, problems);
  if (!head) return 'Not run yet';
  if (!view || view.state === 'idle') return `${problems} ${problems === 1 ? 'problem' : 'problems'} in its settings`;
  const { counts } = view;
  const parts: string[] = [];
  if (counts.total !== null && counts.total > 1) parts.push(`${finished(view)} of ${counts.total}`);
  if (view.state === 'done' && head.tone === 'done') parts.push('Done');
  else if (!parts.includes(head.word)) parts.push(head.word);
  if (counts.failed > 0 && view.state !== 'failed') parts.push(`${counts.failed} failed`);
  return parts.join(', ');
}

/** What appears in the empty frame of a node that has not run: "Clips appear here". */
export function promise(output: { label: string; list: boolean } | undefined): string {
  if (!output) return 'Nothing to show yet';
  const { label } = output;
  const uncounted = /^(text|captions|metrics|data|audio)$/.test(label);
  const noun = uncounted || !output.list ? label : `${label}s`;
  const sentence = `${noun[0]?.toUpperCase()}${noun.slice(1)}`;
  return `${sentence} ${output.list && !uncounted ? 'appear' : label === 'captions' || label === 'metrics' ? 'appear' : 'appears'} here`;
}

/** A fact in a few characters: a bare number takes its name along, "340 words". */
export function shortFact({ name, value }: { name: string; value: string }): string {
  return /^[\d.,]+$/.test(value) ? `${value}\u00a0${name.toLowerCase()}` : value;
}
