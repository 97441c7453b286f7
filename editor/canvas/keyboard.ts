/** The keyboard of the editor: every shortcut of commands/shortcuts.ts, and arrows on the canvas. */
import { useEffect } from 'react';
import { flushSync } from 'react-dom';
import { type ShortcutId, shortcutFor } from '../commands/shortcuts.ts';
import { toast } from '../ui/toast.tsx';
import type { Acts } from './acts.ts';
import { type EditorStore, framesOnce } from './store.ts';
import { letGo } from './wire-hand.ts';

type Doers = {
  run: () => void;
  runFrom: (node: string) => void;
  togglePin: (node: string) => void;
  toggleView: () => void;
};

/** What a named act does. Given to the command palette as well. */
export function doers(
  store: EditorStore,
  acts: Acts,
  { run, runFrom, togglePin, toggleView }: Doers,
): Record<ShortcutId, () => void> {
  const state = () => store.getState();
  const selectedNode = () => [...state().selection].find((key) => !key.includes(':'));
  const copy = () => {
    const text = acts.copy();
    if (text === null) return false;
    void navigator.clipboard?.writeText(text).catch(() => undefined);
    return true;
  };
  const nothing = () => undefined;
  return {
    run,
    'run-from': () => {
      const node = selectedNode();
      if (node) runFrom(node);
      else toast({ title: 'Select the node to run from' });
    },
    pin: () => {
      const node = selectedNode();
      if (node) togglePin(node);
      else toast({ title: 'Select the node to pin' });
    },
    publish: () => state().set({ dialog: { kind: 'publish' } }),
    undo: () => state().undo(),
    redo: () => state().redo(),
    copy: () => void (copy() && toast({ id: 'copied', title: 'Copied as JSON' })),
    cut: () => void (copy() && acts.removeSelected()),
    paste: () =>
      void navigator.clipboard?.readText().then(
        (text) => void (acts.paste(text) || toast({ title: 'The clipboard holds no nodes' })),
        () =>
          toast({
            title: 'The browser did not allow pasting',
            text: 'Press Ctrl V on the canvas instead.',
            tone: 'warning',
          }),
      ),
    duplicate: acts.duplicateSelected,
    'select-all': acts.selectAll,
    delete: acts.removeSelected,
    rename: () => {
      const [key] = state().selection;
      if (key && !key.startsWith('edge:')) state().set({ renaming: key });
    },
    open: () => {
      const node = selectedNode();
      if (node) acts.open(node);
    },
    add: () => {
      // At once: the letter typed next belongs to the search, not to the canvas.
      flushSync(() => state().set({ paletteOpen: true }));
      document.getElementById('palette-search')?.focus();
    },
    note: () => acts.note(),
    section: () => acts.section(),
    tidy: acts.tidy,
    fit: acts.fit,
    'fit-selection': acts.fitSelected,
    'zoom-in': () => acts.zoomBy(1),
    'zoom-out': () => acts.zoomBy(-1),
    'zoom-reset': () => acts.zoomTo(1),
    outline: toggleView,
    inspector: () => state().set({ inspectorOpen: !state().inspectorOpen }),
    commands: () => state().set({ dialog: { kind: 'commands' } }),
    shortcuts: () => state().set({ dialog: { kind: 'shortcuts' } }),
    nudge: nothing,
    'nudge-far': nothing,
    walk: nothing,
    wire: nothing,
    clear: () => {
      letGo(store);
      state().set({ quickAdd: null, paletteOpen: false });
      state().select([]);
    },
  };
}

/** Words are typed here, so letters are letters. */
const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
    target.closest('.nokey, [role="menu"], [role="listbox"]') !== null);

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
/** Keys that a focused button or link needs for itself. */
const OWN_KEYS = new Set<ShortcutId>(['open']);

export function useKeyboard(
  store: EditorStore,
  acts: Acts,
  act: Record<ShortcutId, () => void>,
  onCanvas: boolean,
): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { dialog, hand, selection } = store.getState();
      if (event.defaultPrevented || dialog !== null || isTyping(event.target)) return;
      if (hand?.byKeys && event.key !== 'Escape') return;
      const target = event.target instanceof HTMLElement ? event.target : null;
      const focused = target?.closest('.react-flow__node')?.getAttribute('data-id') ?? null;
      const inControl =
        target?.closest('button, a, [role="tab"], [role="slider"], [role="radio"], video, audio') !== null &&
        !target?.matches('.react-flow__node');

      const arrow = ARROWS[event.key];
      if (arrow && onCanvas && !inControl) {
        if (event.altKey) {
          event.preventDefault();
          walk(store, acts, focused, arrow);
        } else if (selection.size > 0 && !event.ctrlKey && !event.metaKey) {
          event.preventDefault();
          const by = event.shiftKey ? 80 : 16;
          acts.nudge(arrow[0] * by, arrow[1] * by);
        }
        return;
      }
      if (focused && target?.matches('.react-flow__node') && (event.key === 'Enter' || event.key === ' ')) {
        event.preventDefault();
        if (focused.includes(':')) store.getState().select([focused]);
        else acts.open(focused);
        return;
      }
      const id = shortcutFor(event);
      if (!id || (inControl && OWN_KEYS.has(id))) return;
      // The browser's own copy and paste events carry the text; they are handled below.
      if (id === 'copy' || id === 'cut' || id === 'paste') return;
      event.preventDefault();
      act[id]();
    };
    const copied = (event: ClipboardEvent) => {
      const chosen = getSelection();
      if (isTyping(event.target) || store.getState().dialog || (chosen && !chosen.isCollapsed)) return;
      const text = acts.copy();
      if (text === null) return;
      event.clipboardData?.setData('text/plain', text);
      event.preventDefault();
      if (event.type === 'cut') acts.removeSelected();
      else toast({ id: 'copied', title: 'Copied as JSON' });
    };
    const pasted = (event: ClipboardEvent) => {
      if (isTyping(event.target) || store.getState().dialog) return;
      const text = event.clipboardData?.getData('text/plain') ?? '';
      if (acts.paste(text)) event.preventDefault();
    };
    addEventListener('keydown', press);
    document.addEventListener('copy', copied);
    document.addEventListener('cut', copied);
    document.addEventListener('paste', pasted);
    return () => {
      removeEventListener('keydown', press);
      document.removeEventListener('copy', copied);
      document.removeEventListener('cut', copied);
      document.removeEventListener('paste', pasted);
    };
  }, [store, acts, act, onCanvas]);
}

/** Moves focus and selection to a neighbour: along wires sideways, to the nearest node up and down. */
function walk(store: EditorStore, acts: Acts, focused: string | null, [dx, dy]: [number, number]): void {
  const { graph, catalogue, selection, select } = store.getState();
  const at = focused && !focused.includes(':') ? focused : [...selection].find((key) => !key.includes(':'));
  const here = graph.nodes.find((node) => node.id === at);
  const first = framesOnce(graph, catalogue).order[0] ?? graph.nodes[0]?.id;
  let next: string | undefined;
  if (!here) next = first;
  else if (dx !== 0) {
    next =
      dx > 0
        ? graph.edges.find((edge) => edge.from.node === here.id)?.to.node
        : graph.edges.find((edge) => edge.to.node === here.id)?.from.node;
  }
  if (here && !next) {
    const ahead = graph.nodes.filter((node) =>
      dx !== 0 ? (node.position.x - here.position.x) * dx > 8 : (node.position.y - here.position.y) * dy > 8,
    );
    const far = (node: (typeof ahead)[number]) =>
      Math.abs(node.position.x - here.position.x) * (dy !== 0 ? 3 : 1) +
      Math.abs(node.position.y - here.position.y) * (dx !== 0 ? 3 : 1);
    next = ahead.sort((one, other) => far(one) - far(other))[0]?.id;
  }
  if (!next) return;
  select([next]);
  acts.reveal(next);
  document
    .querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(next)}"]`)
    ?.focus({ preventScroll: true });
}
