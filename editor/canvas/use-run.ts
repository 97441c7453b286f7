/** Starting, stopping and continuing runs from the canvas. The draft is saved first, so a run is of what one sees. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { client, trpc } from '../api.ts';
import { problemOf } from '../problem.ts';
import { offerToNotify } from '../runs/notify.ts';
import { toast } from '../ui/toast.tsx';
import { isOver } from './run-watch.ts';
import { type EditorStore, problemsOnce, type RunRequest, useEditor, useEditorStore } from './store.ts';

const SAVE_WAIT_MS = 8000;

/** Resolves once everything is saved; false where that takes too long or the connection is gone. */
function saved(store: EditorStore): Promise<boolean> {
  const isSaved = () => store.getState().save === 'saved';
  if (isSaved()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (result: boolean) => {
      clearTimeout(timer);
      stop();
      resolve(result);
    };
    const timer = setTimeout(() => done(false), SAVE_WAIT_MS);
    const stop = store.subscribe((state) => {
      if (state.save === 'saved') done(true);
      if (state.save === 'offline') done(false);
    });
  });
}

/** The promoted inputs that no config fills yet: a run asks for them. */
export function openInputs(store: EditorStore) {
  const { graph } = store.getState();
  return graph.inputs.filter((input) => {
    const value = graph.nodes.find((node) => node.id === input.node)?.config[input.field];
    return value === undefined || value === null;
  });
}

export function useRunFrom() {
  const store = useEditorStore();
  const queries = useQueryClient();
  const running = useEditor((state) => state.run !== null && !isOver(state.run));
  const mayRun = useEditor((state) => state.mayRun);
  const hasBrand = useEditor((state) => state.brandId !== null);

  const start = useMutation({
    mutationFn: async (request: RunRequest) => {
      const { workspaceId, pipelineId, brandId } = store.getState();
      if (!brandId) throw new Error('Choose a brand first.');
      const { version = 'draft', inputs = {}, look: _look, ...rest } = request;
      if (version === 'draft' && !(await saved(store))) {
        throw Object.assign(new Error('not saved'), {
          problem: {
            code: 'DRAFT_NOT_SAVED',
            message: 'The draft is not saved yet, so it was not run.',
            hint: 'Run it again when the connection is back.',
            retry: 'later',
          },
        });
      }
      return client.runs.start.mutate({ workspaceId, pipelineId, brandId, version, inputs, ...rest });
    },
    onSuccess({ runId }) {
      store.getState().set({ runId, dialog: null });
      void queries.invalidateQueries({ queryKey: trpc.runs.list.queryKey() });
      offerToNotify();
    },
    onError(error) {
      const problem = problemOf(error);
      toast({ title: problem.message, text: problem.hint ?? undefined, tone: 'danger' });
    },
  });

  const cancel = useMutation(
    trpc.runs.cancel.mutationOptions({
      onError(error) {
        const problem = problemOf(error);
        toast({ title: problem.message, text: problem.hint ?? undefined, tone: 'danger' });
      },
    }),
  );

  /** Asks for open inputs first, and shows what a part of a run would do; says what is wrong where the graph cannot run. */
  function run(request: RunRequest = {}): void {
    const { graph, catalogue, set, select } = store.getState();
    const draft = (request.version ?? 'draft') === 'draft';
    const errors = draft ? problemsOnce(graph, catalogue).filter((problem) => problem.severity === 'error') : [];
    const scoped = request.only ? errors.filter((problem) => problem.node === request.only) : errors;
    const [first] = scoped;
    if (first) {
      if (first.node) select([first.node]);
      toast({ id: 'cannot-run', title: first.message, text: first.hint ?? undefined, tone: 'warning' });
      return;
    }
    const isPartial = request.only !== undefined || request.from !== undefined || request.dryRun === true;
    if (request.look || isPartial || (request.inputs === undefined && openInputs(store).length > 0)) {
      set({ dialog: { kind: 'run', start: request } });
      return;
    }
    start.mutate(request);
  }

  return {
    canRun: mayRun && hasBrand && !running,
    running,
    starting: start.isPending,
    startNow: start.mutate,
    run,
    /** Resolves once the draft is saved, or cannot be for now. */
    saving: () => saved(store),
    runNode: (node: string, how: 'only' | 'from') => run(how === 'only' ? { only: node, from: node } : { from: node }),
    stop: () => {
      const { workspaceId, run: current } = store.getState();
      if (current) cancel.mutate({ workspaceId, runId: current.id });
    },
    stopping: cancel.isPending,
  };
}
