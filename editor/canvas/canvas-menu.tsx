/** The context menu of the canvas: what can be done with the node, wire or place under the pointer. */
import { type ReactElement, useState } from 'react';
import { useReactFlow } from 'reactflow';
import { sectionKey } from '../commands/command.ts';
import { leaveOutFailed } from '../commands/edit.ts';
import { readClipboard } from '../ui/clipboard.ts';
import { ContextMenu, type MenuItem } from '../ui/menu.tsx';
import { toast } from '../ui/toast.tsx';
import { useActs } from './acts.ts';
import { useNodeItems } from './node-menu.tsx';
import { useEditor, useEditorStore } from './store.ts';

type Target = { kind: 'pane' } | { kind: 'node' | 'edge' | 'frame'; id: string };

export function CanvasMenu({ children }: { children: ReactElement }) {
  const [target, setTarget] = useState<Target>({ kind: 'pane' });
  const [place, setPlace] = useState({ x: 0, y: 0 });
  const nodeItems = useNodeItems(target.kind === 'node' ? target.id : '');
  const otherItems = useOtherItems(target, place);
  return (
    <ContextMenu items={target.kind === 'node' ? nodeItems : otherItems}>
      <div
        className="relative min-w-0 h-full"
        onContextMenuCapture={(event) => {
          const element = event.target as Element;
          const node = element.closest('.react-flow__node')?.getAttribute('data-id');
          const edge = element.closest('.react-flow__edge')?.getAttribute('data-id');
          setPlace({ x: event.clientX, y: event.clientY });
          if (node) setTarget({ kind: node.includes(':') ? 'frame' : 'node', id: node });
          else if (edge) setTarget({ kind: 'edge', id: edge });
          else setTarget({ kind: 'pane' });
        }}
      >
        {children}
      </div>
    </ContextMenu>
  );
}

function useOtherItems(target: Target, place: { x: number; y: number }): MenuItem[] {
  const store = useEditorStore();
  const acts = useActs();
  const flow = useReactFlow();
  const readOnly = useEditor((state) => state.readOnly);
  const { act } = store.getState();
  if (target.kind === 'edge') {
    const edge = store.getState().graph.edges.find((other) => other.id === target.id);
    if (readOnly || !edge) return [{ caption: 'This view cannot be changed' }];
    return [
      {
        label: 'Go on without failed items',
        checked: edge.leaveOutFailed === true,
        onSelect: () =>
          act(
            leaveOutFailed.label,
            leaveOutFailed.perform(store.getState().graph, { edge: edge.id, on: edge.leaveOutFailed !== true }),
          ),
      },
      'line',
      {
        label: 'Take this wire away',
        icon: 'trash-2',
        danger: true,
        keys: 'delete',
        onSelect: () => act('Wire taken away', [{ op: 'disconnect', edge: edge.id }]),
      },
    ];
  }
  if (target.kind === 'frame') {
    if (readOnly) return [{ caption: 'This view cannot be changed' }];
    return [
      {
        label: target.id.startsWith('note:') ? 'Write' : 'Rename',
        icon: 'pencil',
        keys: 'F2',
        onSelect: () => store.getState().set({ renaming: target.id }),
      },
      {
        label: 'Delete',
        icon: 'trash-2',
        danger: true,
        keys: 'delete',
        onSelect: () =>
          act(
            'Deleted',
            target.id.startsWith('note:')
              ? [{ op: 'removeNote', id: target.id.slice(5) }]
              : [{ op: 'removeSection', id: target.id.slice(sectionKey('').length) }],
          ),
      },
    ];
  }
  const at = () => flow.screenToFlowPosition(place);
  const editing: MenuItem[] = readOnly
    ? []
    : [
        {
          label: 'Add a node here',
          icon: 'plus',
          onSelect: () =>
            setTimeout(() => store.getState().set({ quickAdd: { screen: place, flow: at(), from: null } })),
        },
        { label: 'Add a note', icon: 'sticky-note', keys: 'n', onSelect: () => acts.note(at()) },
        { label: 'Add a section', icon: 'group', keys: 's', onSelect: () => acts.section(at()) },
        {
          label: 'Paste',
          icon: 'clipboard-paste',
          keys: 'mod+v',
          onSelect: () =>
            void readClipboard().then(
              (text) => {
                if (!acts.paste(text, at())) toast({ title: 'The clipboard holds no nodes' });
              },
              () =>
                toast({
                  title: 'The browser did not allow pasting',
                  text: 'Use the keyboard instead.',
                  tone: 'warning',
                }),
            ),
        },
        'line',
        { label: 'Tidy up', icon: 'workflow', keys: 'shift+t', onSelect: () => acts.tidy() },
      ];
  return [
    ...editing,
    { label: 'Select all', icon: 'square', keys: 'mod+a', onSelect: () => acts.selectAll() },
    { label: 'Zoom to fit', icon: 'scan', keys: 'shift+1', onSelect: () => acts.fit() },
  ];
}
