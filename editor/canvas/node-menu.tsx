/** What can be done with a node: the same list under its "More" button and as the context menu. */
import type { ReactElement } from 'react';
import { copyText, duplicate } from '../commands/clipboard.ts';
import { remove } from '../commands/remove.ts';
import { writeClipboard } from '../ui/clipboard.ts';
import { Menu, type MenuItem } from '../ui/menu.tsx';
import { toast } from '../ui/toast.tsx';
import { useActs } from './acts.ts';
import { useEditor, useEditorStore } from './store.ts';
import { usePin } from './use-pin.ts';
import { useRunFrom } from './use-run.ts';

export function useNodeItems(node: string): MenuItem[] {
  const store = useEditorStore();
  const acts = useActs();
  const { runNode, canRun } = useRunFrom();
  const { toggle, edit } = usePin();
  const readOnly = useEditor((state) => state.readOnly);
  const isPinned = useEditor((state) => state.graph.nodes.some(({ id, pin }) => id === node && pin));
  /** The selection where the node is in it, otherwise the node alone. */
  const targets = () => {
    const { selection } = store.getState();
    return selection.has(node) ? selection : new Set([node]);
  };
  const items: MenuItem[] = [
    { label: 'Run this node only', icon: 'play', disabled: !canRun, onSelect: () => runNode(node, 'only') },
    {
      label: 'Run from here',
      icon: 'skip-forward',
      keys: 'r',
      disabled: !canRun,
      onSelect: () => runNode(node, 'from'),
    },
    { label: 'Open', icon: 'maximize-2', keys: 'enter', onSelect: () => acts.open(node) },
    'line',
  ];
  if (!readOnly) {
    items.push(
      {
        label: isPinned ? 'Take the pin away' : 'Pin its output',
        icon: 'pin',
        keys: 'p',
        onSelect: () => toggle(node),
      },
      { label: isPinned ? 'Edit the pin' : 'Pin by hand', icon: 'braces', onSelect: () => edit(node) },
      'line',
      { label: 'Rename', icon: 'pencil', keys: 'F2', onSelect: () => store.getState().set({ renaming: node }) },
      {
        label: 'Duplicate',
        icon: 'copy',
        keys: 'mod+d',
        onSelect: () => {
          const { graph, act } = store.getState();
          act(duplicate.label, duplicate.perform(graph, { selection: targets() }));
        },
      },
    );
  }
  items.push({
    label: 'Copy',
    icon: 'clipboard',
    keys: 'mod+c',
    onSelect: () => {
      const text = copyText(store.getState().graph, targets());
      if (text === null) return;
      void writeClipboard(text).then(
        () => toast({ title: 'Copied as JSON' }),
        () => toast({ title: 'The browser did not allow copying', tone: 'warning' }),
      );
    },
  });
  if (!readOnly) {
    items.push('line', {
      label: 'Delete',
      icon: 'trash-2',
      keys: 'delete',
      danger: true,
      onSelect: () => {
        const { graph, act } = store.getState();
        act(remove.label, remove.perform(graph, { selection: targets() }));
      },
    });
  }
  return items;
}

export function NodeMenu({ node, trigger }: { node: string; trigger: ReactElement }) {
  return <Menu trigger={trigger} items={useNodeItems(node)} align="end" width={224} />;
}
