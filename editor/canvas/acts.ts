/** The acts of the canvas that touch more than the graph: opening, adding at a place, copying, pasting, zooming. */
import { useMemo } from 'react';
import { type ReactFlowInstance, useReactFlow } from 'reactflow';
import type { ManifestJson } from '../../nodes/contract.ts';
import { applyAll, type Operation } from '../../runtime/graph/operations.ts';
import { addNode, type LooseEnd } from '../commands/add-node.ts';
import { addedKeys, copyText, duplicate, paste, readClipboard } from '../commands/clipboard.ts';
import { pick } from '../commands/command.ts';
import { addNote, addSection } from '../commands/edit.ts';
import { nudge } from '../commands/move.ts';
import { remove } from '../commands/remove.ts';
import { canSplice, splice } from '../commands/splice.ts';
import { tidy } from '../commands/tidy.ts';
import { announce } from '../ui/live.tsx';
import { toast } from '../ui/toast.tsx';
import { HEAD_MIDDLE, NODE_WIDTH, placedPorts } from './ports.ts';
import { type EditorStore, useEditorStore } from './store.ts';
import { wireUnder } from './wire-under.ts';

export const GLIDE = { duration: 360 };
/** Room for what floats over the lower edge. */
export const FIT_PADDING = { top: '32px', left: '32px', right: '32px', bottom: '80px' } as const;
export const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
const gliding = () => (still() ? {} : GLIDE);

export function sizeIn(store: EditorStore) {
  return (id: string) => {
    const { sizes, graph } = store.getState();
    const node = graph.nodes.find((other) => other.id === id);
    return sizes[id] ?? { width: node?.width ?? NODE_WIDTH, height: 180 };
  };
}

/** Port rows measured from the node's foot, since media above them has any height. */
function portOffsetIn(store: EditorStore) {
  return (id: string, port: string, side: 'in' | 'out') => {
    const { graph, catalogue } = store.getState();
    const node = graph.nodes.find((other) => other.id === id);
    const manifest = catalogue.get(node?.type ?? '');
    const placed = manifest && placedPorts(manifest).find((other) => other.name === port && other.side === side);
    return !placed || placed.onHead ? HEAD_MIDDLE : sizeIn(store)(id).height - 40;
  };
}

export function createActs(store: EditorStore, flow: ReactFlowInstance<never, never> | null) {
  /** The middle of what is seen, on the canvas. */
  const middle = () => {
    const pane = document.querySelector('.canvas .react-flow');
    const box = pane?.getBoundingClientRect();
    return flow && box
      ? flow.screenToFlowPosition({ x: box.x + box.width / 2 - 92, y: box.y + box.height / 2 - 90 })
      : nextPlace();
  };
  const nextPlace = () => {
    const { graph } = store.getState();
    const right = Math.max(0, ...graph.nodes.map((node) => node.position.x + (node.width ?? NODE_WIDTH)));
    return { x: right + 46, y: graph.nodes.at(-1)?.position.y ?? 0 };
  };
  /** A place near the wished one where no node lies. */
  const free = (wish: { x: number; y: number }) => {
    const { graph } = store.getState();
    const place = { ...wish };
    while (
      graph.nodes.some((node) => Math.abs(node.position.x - place.x) < 32 && Math.abs(node.position.y - place.y) < 32)
    ) {
      place.x += 32;
      place.y += 32;
    }
    return place;
  };

  /** What puts a node let go over a wire into that wire. */
  const intoWire = (added: Operation[]): Operation[] => {
    const { graph, catalogue } = store.getState();
    const node = added.find((operation) => operation.op === 'addNode')?.node;
    const pane = document.querySelector('.canvas');
    if (!node || !pane) return [];
    const grown = applyAll(graph, added);
    const sizeOf = sizeIn(store);
    const middle = { x: node.position.x + NODE_WIDTH / 2, y: node.position.y + HEAD_MIDDLE };
    const edge = wireUnder(pane, middle, NODE_WIDTH, (under) =>
      canSplice(grown, { node: node.id, edge: under, catalogue, sizeOf }),
    );
    return edge ? splice.perform(grown, { node: node.id, edge, catalogue, sizeOf }) : [];
  };

  return {
    /** `at`: where a hand let it go; over a wire it goes into the wire. */
    add(manifest: ManifestJson, at?: { x: number; y: number }, from?: LooseEnd) {
      const { graph, catalogue, act, set, recent, select, selection } = store.getState();
      const [only] = pick(selection).nodes.length === 1 ? pick(selection).nodes : [];
      const before = graph.nodes.find((node) => node.id === only);
      const beside = before && { x: before.position.x + (before.width ?? NODE_WIDTH) + 46, y: before.position.y };
      const position = at ?? free(beside ?? middle());
      const added = addNode.perform(graph, { manifest, position, from, catalogue });
      const operations = at && !from ? [...added, ...intoWire(added)] : added;
      if (!act(addNode.label, operations)) return;
      set({ recent: [manifest.id, ...recent.filter((id) => id !== manifest.id)].slice(0, 2) });
      select(addedKeys(operations));
      announce(`${manifest.title} added`);
    },
    open(node: string) {
      const { select, set } = store.getState();
      select([node]);
      set({ inspectorOpen: true });
    },
    removeSelected() {
      const { graph, act, selection, undo } = store.getState();
      const operations = remove.perform(graph, { selection });
      if (!act(remove.label, operations)) return;
      const nodes = operations.filter((operation) => operation.op === 'removeNode').length;
      const title = nodes > 0 ? `${nodes} ${nodes === 1 ? 'node' : 'nodes'} deleted` : 'Deleted';
      if (nodes > 0) toast({ id: 'deleted', title, icon: 'trash-2', action: { label: 'Undo', onSelect: undo } });
      else announce(title);
    },
    duplicateSelected() {
      const { graph, act, selection, select } = store.getState();
      const operations = duplicate.perform(graph, { selection });
      if (act(duplicate.label, operations)) select(addedKeys(operations));
    },
    copy(): string | null {
      const { graph, selection } = store.getState();
      return copyText(graph, selection);
    },
    paste(text: string, at?: { x: number; y: number }): boolean {
      const part = readClipboard(text);
      if (!part) return false;
      const { graph, act, select } = store.getState();
      const operations = paste.perform(graph, { part, at });
      if (act(paste.label, operations)) {
        select(addedKeys(operations));
        announce(`${part.nodes.length} nodes pasted`);
      }
      return true;
    },
    selectAll() {
      const { graph, select } = store.getState();
      select([
        ...graph.nodes.map((node) => node.id),
        ...graph.sections.map((section) => `section:${section.id}`),
        ...graph.notes.map((note) => `note:${note.id}`),
      ]);
    },
    nudge(dx: number, dy: number) {
      const { graph, act, selection } = store.getState();
      act(nudge.label, nudge.perform(graph, { selection, dx, dy }), { key: 'nudge' });
    },
    tidy() {
      const { graph, act, selection } = store.getState();
      const operations = tidy.perform(graph, { selection, sizeOf: sizeIn(store), portOffset: portOffsetIn(store) });
      if (act(tidy.label, operations, { glide: true })) {
        setTimeout(() => void flow?.fitView({ padding: FIT_PADDING, maxZoom: 1, ...gliding() }), still() ? 0 : 380);
      }
    },
    note(at?: { x: number; y: number }) {
      const { graph, act, select, set } = store.getState();
      const operations = addNote.perform(graph, { position: at ?? free(middle()) });
      const [operation] = operations;
      if (act(addNote.label, operations) && operation?.op === 'addNote') {
        select([`note:${operation.note.id}`]);
        set({ renaming: `note:${operation.note.id}` });
      }
    },
    section(at?: { x: number; y: number }) {
      const { graph, act, selection, select, set } = store.getState();
      const operations = addSection.perform(graph, { selection, position: at ?? middle(), sizeOf: sizeIn(store) });
      const [operation] = operations;
      if (act(addSection.label, operations) && operation?.op === 'addSection') {
        select([`section:${operation.section.id}`]);
        set({ renaming: `section:${operation.section.id}` });
      }
    },
    fit() {
      void flow?.fitView({ padding: FIT_PADDING, maxZoom: 1, ...gliding() });
    },
    fitSelected() {
      const { nodes } = pick(store.getState().selection);
      void flow?.fitView({
        padding: 0.3,
        maxZoom: 1.25,
        ...gliding(),
        ...(nodes.length > 0 ? { nodes: nodes.map((id) => ({ id })) } : {}),
      });
    },
    zoomBy(step: 1 | -1) {
      if (!flow) return;
      if (step > 0) void flow.zoomIn(gliding());
      else void flow.zoomOut(gliding());
    },
    zoomTo(zoom: number) {
      void flow?.zoomTo(zoom, gliding());
    },
    /** Puts a node in the middle without changing the zoom, unless it is too far away to read. */
    reveal(node: string) {
      const place = store.getState().graph.nodes.find((other) => other.id === node);
      if (!place || !flow) return;
      const { width, height } = sizeIn(store)(node);
      const zoom = Math.max(0.7, flow.getZoom());
      void flow.setCenter(place.position.x + width / 2, place.position.y + height / 2, { zoom, ...gliding() });
    },
  };
}
export type Acts = ReturnType<typeof createActs>;

export function useActs(): Acts {
  const store = useEditorStore();
  const flow = useReactFlow() as unknown as ReactFlowInstance<never, never>;
  return useMemo(() => createActs(store, flow), [store, flow]);
}
