/** Pinning what a node gave, from the run on show, and taking the pin away. */
import { useMutation } from '@tanstack/react-query';
import { client } from '../api.ts';
import { setPin } from '../commands/edit.ts';
import { problemOf } from '../problem.ts';
import { toast } from '../ui/toast.tsx';
import { useEditor, useEditorStore } from './store.ts';

type FromRun = { node: string; path?: readonly number[] };

export function usePin() {
  const store = useEditorStore();
  const readOnly = useEditor((state) => state.readOnly);

  const make = useMutation({
    mutationFn: async ({ node, path }: FromRun) => {
      const { workspaceId, pipelineId, run } = store.getState();
      if (!run) return null;
      const at = path ?? (await firstMade(workspaceId, run.id, node));
      if (!at) return null;
      const source = { runId: run.id, path: [...at] };
      return (await client.pipelines.pin.mutate({ workspaceId, pipelineId, node, source })).pin;
    },
    onSuccess(pin, { node }) {
      if (!pin) {
        store.getState().set({ dialog: { kind: 'pin', node } }); // nothing to take it from: by hand
        return;
      }
      const { act, graph } = store.getState();
      act(setPin.label, setPin.perform(graph, { node, pin }));
    },
    onError(error) {
      const { message, hint } = problemOf(error);
      toast({ title: message, text: hint ?? undefined, tone: 'danger' });
    },
  });

  const unpin = (node: string) => {
    const { act, graph } = store.getState();
    act('Pin taken away', setPin.perform(graph, { node, pin: null }));
  };

  return {
    canPin: !readOnly,
    pinning: make.isPending,
    /** What the node gave at `path`, or in its first item, in the run on show. */
    pin: make.mutate,
    unpin,
    toggle(node: string) {
      const { graph, readOnly: isFixed } = store.getState();
      if (isFixed || make.isPending) return;
      if (graph.nodes.find(({ id }) => id === node)?.pin) unpin(node);
      else make.mutate({ node });
    },
    edit: (node: string) => store.getState().set({ dialog: { kind: 'pin', node } }),
  };
}

async function firstMade(workspaceId: string, runId: string, nodeId: string): Promise<number[] | null> {
  const { items } = await client.runs.steps.query({ workspaceId, runId, nodeId }).catch(() => ({ items: [] }));
  const made: { path: number[]; outputs: object }[] = items;
  return made.find(({ outputs }) => Object.keys(outputs).length > 0)?.path ?? null;
}
