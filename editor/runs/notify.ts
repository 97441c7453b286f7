/**
 * Browser notifications of runs: when one ends, and when one needs somebody. Asked for once, politely, when the first
 * run is started; never shown for what the person is looking at, and by one tab only.
 */
import { useSyncExternalStore } from 'react';
import { dismissToast, toast } from '../ui/toast.tsx';

const ASKED = 'spliceboard.notify.asked';
const listeners = new Set<() => void>();

export type NotifyState = 'absent' | 'default' | 'granted' | 'denied';
const state = (): NotifyState => (typeof Notification === 'undefined' ? 'absent' : Notification.permission);

export function useNotifyState(): NotifyState {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, state);
}

/** The browser's own question. Must be called from a click. */
export async function askToNotify(): Promise<void> {
  if (state() !== 'default') return;
  await Notification.requestPermission();
  for (const listener of listeners) listener();
}

/**
 * To be called when a person starts a run. The first time it offers notifications in a toast; the browser's question
 * comes only after a click there, so a "no" costs nothing.
 */
export function offerToNotify(): void {
  if (state() !== 'default' || localStorage.getItem(ASKED)) return;
  localStorage.setItem(ASKED, new Date().toISOString());
  toast({
    id: 'notify-offer',
    icon: 'bell',
    title: 'Tell you when it is done?',
    text: 'Your browser can show a message when a run ends or needs you.',
    sticky: true,
    action: { label: 'Notify me', onSelect: () => void askToNotify() },
  });
  setTimeout(() => dismissToast('notify-offer'), 30_000);
}

export type RunNews = {
  runId: string;
  number: number;
  pipelineName: string;
  /** Where a click on it leads: an address of this site. */
  href: string;
  kind: 'ended' | 'failed' | 'needs-you';
  /** One sentence: "5 clips are ready." */
  text: string;
};

/**
 * Shows the news unless this tab is in front. Several tabs may call it for the same run: the tag makes them one, and
 * the first to take the lock shows it.
 */
export function notifyOfRun(news: RunNews): void {
  if (state() !== 'granted' || (document.visibilityState === 'visible' && document.hasFocus())) return;
  const key = `spliceboard.notified.${news.runId}.${news.kind}`;
  const show = () => {
    if (Date.now() - Number(localStorage.getItem(key) ?? 0) < 60_000) return;
    localStorage.setItem(key, String(Date.now()));
    const title = {
      ended: `${news.pipelineName} is done`,
      failed: `${news.pipelineName} has a problem`,
      'needs-you': `${news.pipelineName} needs you`,
    }[news.kind];
    const shown = new Notification(title, {
      body: `Run ${news.number}. ${news.text}`,
      tag: `run-${news.runId}`,
    });
    shown.onclick = () => {
      focus();
      location.assign(news.href);
      shown.close();
    };
    sweep();
  };
  if (navigator.locks) void navigator.locks.request('spliceboard.notify', show);
  else show();
}

/** Marks of runs long past would fill the storage one by one. */
function sweep(): void {
  for (const key of Object.keys(localStorage))
    if (key.startsWith('spliceboard.notified.') && Date.now() - Number(localStorage.getItem(key)) > 86_400_000)
      localStorage.removeItem(key);
}
