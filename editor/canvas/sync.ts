/**
 * Sends the draft's operations and hears of those of others. Waits 500 ms after the last change, one batch at a time;
 * without a connection it tries again after 2, 4 … 30 s and at once when the browser is online. What is not sent yet
 * is kept in this tab's session storage, so a reload loses nothing.
 */

import { useQueryClient } from '@tanstack/react-query';
import { useSubscription } from '@trpc/tanstack-react-query';
import { useCallback, useEffect } from 'react';
import * as z from 'zod';
import type { Graph } from '../../runtime/graph/graph.ts';
import { Operation } from '../../runtime/graph/operations.ts';
import { client, trpc } from '../api.ts';
import { isOffline, problemOf } from '../problem.ts';
import { dismissToast, toast } from '../ui/toast.tsx';
import { accepted, conflicted, heard, reread, send, unsend } from './draft.ts';
import { type EditorStore, useEditorStore } from './store.ts';

const PAUSE_MS = 500;
const FIRST_RETRY_MS = 2000;
const LAST_RETRY_MS = 30_000;
const OFFLINE_TOAST = 'draft-offline';

/** This tab, to tell its own news from that of others. */
const CLIENT_ID = crypto.randomUUID();

const keyOf = (pipelineId: string) => `spliceboard.draft.${pipelineId}`;
const Kept = z.object({ revision: z.number(), pending: z.array(Operation) });

/** Operations of this tab that a reload cut off, with the revision they were made on. */
export function keptOperations(pipelineId: string): z.infer<typeof Kept> | null {
  const text = sessionStorage.getItem(keyOf(pipelineId));
  if (text === null) return null;
  try {
    return Kept.parse(JSON.parse(text));
  } catch {
    sessionStorage.removeItem(keyOf(pipelineId));
    return null;
  }
}

function startSync(store: EditorStore, reload: () => Promise<{ graph: Graph; revision: number } | null>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let retryMs = FIRST_RETRY_MS;
  let stopped = false;

  const plan = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => void flush(), ms);
  };

  async function rereadNow(): Promise<void> {
    const fresh = await reload();
    if (!fresh || stopped) return;
    store.getState().settle(reread(store.getState().draft, fresh.graph, fresh.revision));
  }

  async function flush(again = false): Promise<void> {
    const { draft, workspaceId, pipelineId, set } = store.getState();
    if (stopped || draft.inflight || draft.pending.length === 0) return;
    const sending = send(draft);
    set({ draft: sending, save: 'saving' });
    try {
      const answer = await client.pipelines.edit.mutate({
        workspaceId,
        pipelineId,
        baseRevision: sending.revision,
        operations: sending.inflight ?? [],
        clientId: CLIENT_ID,
      });
      const current = store.getState().draft;
      const step = 'conflict' in answer ? conflicted(current, answer.conflict) : accepted(current, answer);
      retryMs = FIRST_RETRY_MS;
      dismissToast(OFFLINE_TOAST);
      store.getState().settle(step);
      if (step.gap) await rereadNow();
    } catch (error) {
      const current = unsend(store.getState().draft);
      if (isOffline(error) || problemOf(error).retry === 'later') {
        set({ draft: current, save: 'offline' });
        toast({
          id: OFFLINE_TOAST,
          title: 'You are offline',
          text: 'Changes are kept here and sent when the connection is back.',
          icon: 'wifi-off',
          tone: 'warning',
          sticky: true,
        });
        plan(retryMs);
        retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
        return;
      }
      const problem = problemOf(error);
      if (problem.code === 'OPERATION_REFUSED' && !again) {
        // Somebody was faster: what still fits the present draft is sent once more.
        set({ draft: current });
        await rereadNow();
        return flush(true);
      }
      // Refused for good: what the server has is the truth.
      toast({ title: problem.message, text: problem.hint ?? undefined, tone: 'danger' });
      store.getState().settle({ draft: { ...current, pending: [], graph: current.base }, refused: [], gap: false });
      await rereadNow();
    }
    if (store.getState().draft.pending.length > 0) plan(PAUSE_MS);
  }

  const stopWatching = store.subscribe((state, before) => {
    if (state.draft === before.draft) return;
    const { pending, inflight, revision } = state.draft;
    const waiting = [...(inflight ?? []), ...pending];
    if (waiting.length === 0) sessionStorage.removeItem(keyOf(state.pipelineId));
    else sessionStorage.setItem(keyOf(state.pipelineId), JSON.stringify({ revision, pending: waiting }));
    if (pending !== before.draft.pending && pending.length > 0 && state.save !== 'offline') plan(PAUSE_MS);
  });
  const atOnce = () => void flush();
  const whenHidden = () => document.visibilityState === 'hidden' && void flush();
  addEventListener('online', atOnce);
  document.addEventListener('visibilitychange', whenHidden);
  if (store.getState().draft.pending.length > 0) plan(0);
  return () => {
    void flush();
    stopped = true;
    clearTimeout(timer);
    stopWatching();
    removeEventListener('online', atOnce);
    document.removeEventListener('visibilitychange', whenHidden);
    dismissToast(OFFLINE_TOAST);
  };
}

/** Keeps the draft of the open pipeline and the server's in step. */
export function useDraftSync(): void {
  const store = useEditorStore();
  const queries = useQueryClient();
  const { workspaceId, pipelineId } = store.getState();
  const read = useCallback(
    () => queries.fetchQuery({ ...trpc.pipelines.get.queryOptions({ workspaceId, pipelineId }), staleTime: 0 }),
    [queries, workspaceId, pipelineId],
  );

  useEffect(() => startSync(store, () => read().catch(() => null)), [store, read]);

  useSubscription(
    trpc.pipelines.watch.subscriptionOptions(
      { workspaceId, pipelineId, clientId: CLIENT_ID },
      {
        onData(news) {
          if (news.clientId === CLIENT_ID) return;
          const step = heard(store.getState().draft, news);
          store.getState().settle(step);
          if (step.gap) {
            void read().then((fresh) => {
              store.getState().settle(reread(store.getState().draft, fresh.graph, fresh.revision));
            });
          }
        },
      },
    ),
  );
}
