/** A wire in the hand: which ports it could join, and the keyboard's way of carrying it. */
import type { ManifestJson } from '../../nodes/contract.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { checkWire, type End } from '../../runtime/graph/wires.ts';
import type { LooseEnd } from '../commands/add-node.ts';
import { connect } from '../commands/connect.ts';
import { announce } from '../ui/live.tsx';
import { portKey, portLabel, portOf } from './ports.ts';
import { type EditorStore, manifestIn } from './store.ts';

/** Every port of the graph that the loose end could join, "node/port". */
export function fittingPorts(graph: Graph, catalogue: ReadonlyMap<string, ManifestJson>, end: LooseEnd): Set<string> {
  const fits = new Set<string>();
  const here: End = { node: end.node, port: end.port };
  for (const node of graph.nodes) {
    if (node.id === end.node) continue;
    const manifest = manifestIn({ graph, catalogue }, node.id);
    for (const port of Object.keys((end.side === 'out' ? manifest?.inputs : manifest?.outputs) ?? {})) {
      const there = { node: node.id, port };
      const check =
        end.side === 'out' ? checkWire(graph, catalogue, here, there) : checkWire(graph, catalogue, there, here);
      if (check.ok) fits.add(portKey(node.id, port));
    }
  }
  return fits;
}

export function takeWire(store: EditorStore, end: LooseEnd, byKeys: boolean): void {
  const { graph, catalogue, set } = store.getState();
  set({ hand: { end, fits: fittingPorts(graph, catalogue, end), byKeys, at: null } });
}

export function letGo(store: EditorStore): void {
  const { hand, set } = store.getState();
  if (!hand) return;
  set({ hand: null });
  if (hand.byKeys) {
    announce('Wire let go');
    focusPort(`${hand.end.side}:${portKey(hand.end.node, hand.end.port)}`);
  }
}

export function startWireByKeys(store: EditorStore, end: LooseEnd): void {
  takeWire(store, end, true);
  const { hand } = store.getState();
  if (!hand || hand.fits.size === 0) {
    announce('Nothing on the canvas fits this port');
    store.getState().set({ hand: null });
    return;
  }
  walkWire(store, 1);
}

/** Goes to the next port that fits, in flow order. */
export function walkWire(store: EditorStore, by: 1 | -1): void {
  const { hand, graph, catalogue, set } = store.getState();
  if (!hand) return;
  const stops = [...hand.fits];
  const present = hand.at === null ? -1 : stops.indexOf(hand.at);
  const index = present < 0 ? (by > 0 ? 0 : stops.length - 1) : (present + by + stops.length) % stops.length;
  const at = stops[index];
  if (!at) return;
  set({ hand: { ...hand, at } });
  const side = hand.end.side === 'out' ? 'in' : 'out';
  focusPort(`${side}:${at}`);
  const slash = at.indexOf('/');
  const node = graph.nodes.find((other) => other.id === at.slice(0, slash));
  const port = at.slice(slash + 1);
  const label = portLabel(port, portOf(manifestIn({ graph, catalogue }, at.slice(0, slash)), port, side));
  announce(
    `${node?.name ?? ''}, ${side === 'in' ? 'input' : 'output'} ${label}, fits. ${index + 1} of ${stops.length}`,
  );
}

export function joinWire(store: EditorStore, there: End): void {
  const { hand, graph, catalogue, act, set } = store.getState();
  if (!hand) return;
  const here = { node: hand.end.node, port: hand.end.port };
  const ends = hand.end.side === 'out' ? { from: here, to: there } : { from: there, to: here };
  set({ hand: null });
  if (act(connect.label, connect.perform(graph, { ...ends, catalogue }))) announce('Connected');
}

function focusPort(key: string): void {
  requestAnimationFrame(() => {
    document.querySelector<HTMLElement>(`[data-port="${CSS.escape(key)}"]`)?.focus();
  });
}
