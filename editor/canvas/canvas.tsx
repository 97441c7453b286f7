/**
 * The canvas: nodes, wires, sections and notes on React Flow. Everything drawn follows from the store; React Flow only
 * reports what the hand does. While something is moved its position lives beside the graph; letting go makes operations.
 */
import './node.css';
import { useMemo, useRef, useState } from 'react';
import {
  Background,
  BackgroundVariant,
  type Connection,
  type EdgeChange,
  type NodeChange,
  ReactFlow,
  SelectionMode,
  useOnViewportChange,
  useReactFlow,
  useStore,
  ViewportPortal,
} from 'reactflow';
import { apply } from '../../runtime/graph/operations.ts';
import { checkWire } from '../../runtime/graph/wires.ts';
import { edgeKey, pick, sectionKey, snapped } from '../commands/command.ts';
import { connect, reconnect } from '../commands/connect.ts';
import { insideSection, move } from '../commands/move.ts';
import { canSplice, splice } from '../commands/splice.ts';
import { FIT_PADDING, sizeIn } from './acts.ts';
import { CanvasMenu } from './canvas-menu.tsx';
import { DropHint, useFileDrop } from './drop-recording.tsx';
import { NoteCard, type NoteNode, SectionFrame, type SectionNode } from './frame-nodes.tsx';
import { glide, placesIn } from './glide.ts';
import { HeldWire, RefusalTip } from './held-wire.tsx';
import { type HelperLine, helperLines } from './helper-lines.ts';
import { type CardNode, NodeCard } from './node-card.tsx';
import { HEAD_MIDDLE, handleId, NODE_WIDTH, parseHandle } from './ports.ts';
import { framesOnce, useEditor, useEditorStore } from './store.ts';
import { Wire, type WireEdge } from './wire.tsx';
import { letGo, takeWire } from './wire-hand.ts';
import type { Rect } from './wire-route.ts';
import { wireUnder } from './wire-under.ts';

type AnyNode = CardNode | SectionNode | NoteNode;
const NODE_TYPES = { card: NodeCard, section: SectionFrame, note: NoteCard };
const EDGE_TYPES = { wire: Wire };
const DROP_MS = 220;

export type ZoomLevel = 'full' | 'tile' | 'block';
const levelOf = (zoom: number): ZoomLevel => (zoom < 0.25 ? 'block' : zoom < 0.55 ? 'tile' : 'full');

export function Canvas() {
  const store = useEditorStore();
  const flow = useReactFlow<AnyNode, WireEdge>();
  const box = useRef<HTMLElement>(null);
  const nodes = useNodes();
  const edges = useEdges();
  const level = useStore((state) => levelOf(state.transform[2]));
  const handBusy = useEditor((state) => state.hand !== null);
  const readOnly = useEditor((state) => state.readOnly);
  const [lines, setLines] = useState<HelperLine[]>([]);
  const carried = useRef<{ keys: string[]; from: Record<string, { x: number; y: number }>; free: boolean } | null>(
    null,
  );
  const moving = useRef<string | null>(null);
  const { over, ...fileDrop } = useFileDrop();
  const coarse = matchMedia('(pointer: coarse)').matches;

  useOnViewportChange({
    onChange: ({ zoom }) => box.current?.style.setProperty('--inverse', String(1 / zoom)),
  });

  function onNodesChange(changes: NodeChange<AnyNode>[]): void {
    const state = store.getState();
    const sizes: Record<string, { width: number; height: number }> = {};
    const places: Record<string, { x: number; y: number }> = {};
    let selection: Set<string> | null = null;
    for (const change of changes) {
      if (change.type === 'dimensions' && change.dimensions) {
        const known = state.sizes[change.id];
        const { width, height } = change.dimensions;
        if (known?.width !== width || known.height !== height) sizes[change.id] = { width, height };
      } else if (change.type === 'position' && change.position && change.dragging) {
        places[change.id] = change.position;
      } else if (change.type === 'select') {
        selection ??= new Set(state.selection);
        if (change.selected) selection.add(change.id);
        else selection.delete(change.id);
      }
    }
    if (Object.keys(sizes).length > 0) state.set({ sizes: { ...state.sizes, ...sizes } });
    if (selection) state.select(selection);
    if (Object.keys(places).length > 0) drag(places);
  }

  /** Follows the hand; edges and centres that meet another's pull within 6 pixels, unless Alt is held. */
  function drag(places: Record<string, { x: number; y: number }>): void {
    const { graph, set } = store.getState();
    const carrying = carried.current;
    const all = { ...places };
    // What lies in a section goes along with it.
    if (carrying) {
      for (const [key, place] of Object.entries(places)) {
        const from = carrying.from[key];
        if (!key.startsWith('section:') || !from) continue;
        for (const inner of insideSection(graph, key.slice(8))) {
          const start = carrying.from[inner];
          if (start && !(inner in places))
            all[inner] = { x: start.x + place.x - from.x, y: start.y + place.y - from.y };
        }
      }
    }
    const cards = Object.keys(places).filter((key) => !key.includes(':'));
    const [only] = cards;
    if (carrying && !carrying.free && cards.length === 1 && only && Object.keys(places).length === 1) {
      const size = sizeIn(store)(only);
      const others = rectsOf(store).filter((rect) => rect.id !== only);
      const pulled = helperLines({ id: only, ...places[only]!, ...size }, others);
      all[only] = { x: pulled.x, y: pulled.y };
      setLines(pulled.lines);
      markSplice(only, all[only]);
    } else if (lines.length > 0) setLines([]);
    set({ live: all });
  }

  /** Marks the wire that the node's head lies over, where letting go would put it in. */
  function markSplice(node: string, place: { x: number; y: number }): void {
    const { graph, catalogue, set, spliceEdge } = store.getState();
    if (graph.edges.some((edge) => edge.from.node === node || edge.to.node === node)) return;
    const { width } = sizeIn(store)(node);
    const middle = { x: place.x + width / 2, y: place.y + HEAD_MIDDLE };
    const edge = wireUnder(box.current ?? document, middle, width, (under) =>
      canSplice(graph, { node, edge: under, catalogue, sizeOf: sizeIn(store) }),
    );
    if (edge !== spliceEdge) set({ spliceEdge: edge });
  }

  function startDrag(event: { altKey?: boolean }, dragged: AnyNode): void {
    const { graph } = store.getState();
    carried.current = {
      keys: [dragged.id, ...(dragged.id.startsWith('section:') ? insideSection(graph, dragged.id.slice(8)) : [])],
      from: placesIn(store),
      free: event.altKey === true,
    };
  }

  function endDrag(event: { altKey?: boolean }): void {
    const { graph, catalogue, live, act, set, spliceEdge } = store.getState();
    const held = { ...live };
    const free = event.altKey === true;
    carried.current = null;
    setLines([]);
    const keys = Object.keys(held);
    if (keys.length === 0) return;
    const places = new Map(Object.entries(held).map(([key, place]) => [key, free ? place : snapped(place)] as const));
    set({ live: {}, spliceEdge: null });
    const [only] = keys;
    if (spliceEdge && only && keys.length === 1) {
      const moved = move.perform(graph, { places });
      const between = moved.reduce(apply, graph);
      const operations = splice.perform(between, { node: only, edge: spliceEdge, catalogue, sizeOf: sizeIn(store) });
      if (act(splice.label, [...moved, ...operations])) glide(store, { ...placesBefore(graph), ...held }, 360);
      return;
    }
    act(move.label, move.perform(graph, { places }));
    if (!free) glide(store, held, DROP_MS, true);
  }

  function onEdgesChange(changes: EdgeChange<WireEdge>[]): void {
    const state = store.getState();
    let selection: Set<string> | null = null;
    for (const change of changes) {
      if (change.type !== 'select') continue;
      selection ??= new Set(state.selection);
      if (change.selected) selection.add(edgeKey(change.id));
      else selection.delete(edgeKey(change.id));
    }
    if (selection) state.select(selection);
  }

  function endsOf(connection: Connection | WireEdge) {
    const from = parseHandle(connection.sourceHandle);
    const to = parseHandle(connection.targetHandle);
    if (from?.side !== 'out' || to?.side !== 'in') return null;
    return { from: { node: connection.source, port: from.port }, to: { node: connection.target, port: to.port } };
  }

  /** The graph a wire in the hand is judged by: without the wire whose end is being moved. */
  const judged = () => {
    const { graph } = store.getState();
    return moving.current ? apply(graph, { op: 'disconnect', edge: moving.current }) : graph;
  };

  return (
    <CanvasMenu>
      <main
        ref={box}
        className="canvas"
        aria-label="Canvas"
        data-zoom={level}
        data-hand={handBusy ? '' : undefined}
        style={{ '--inverse': 1 } as React.CSSProperties}
        {...fileDrop}
      >
        <ReactFlow<AnyNode, WireEdge>
          nodes={nodes}
          edges={edges}
          nodeTypes={NODE_TYPES}
          edgeTypes={EDGE_TYPES}
          onNodesChange={onNodesChange}
          onEdgesChange={onEdgesChange}
          onNodeDragStart={(event, node) => startDrag(event, node)}
          onNodeDragStop={(event) => endDrag(event)}
          onSelectionDragStart={(event, [first]) => first && startDrag(event, first)}
          onSelectionDragStop={(event) => endDrag(event)}
          onNodeDoubleClick={(_event, node) => {
            if (!node.id.includes(':')) store.getState().set({ dialog: { kind: 'large', node: node.id } });
          }}
          onDoubleClick={(event) => {
            if (readOnly || !(event.target as Element).classList.contains('react-flow__pane')) return;
            const screen = { x: event.clientX, y: event.clientY };
            store.getState().set({ quickAdd: { screen, flow: flow.screenToFlowPosition(screen), from: null } });
          }}
          onConnectStart={(_event, { nodeId, handleId: id }) => {
            const handle = parseHandle(id);
            if (nodeId && handle) takeWire(store, { node: nodeId, port: handle.port, side: handle.side }, false);
          }}
          onConnect={(connection) => {
            const ends = endsOf(connection);
            const { graph, catalogue, act } = store.getState();
            if (ends) act(connect.label, connect.perform(graph, { ...ends, catalogue }));
          }}
          onConnectEnd={(event, connection) => {
            const { hand, graph, catalogue, act, set } = store.getState();
            letGo(store);
            if (!hand || connection.isValid || connection.toHandle || moving.current) return;
            const point = 'changedTouches' in event ? event.changedTouches[0] : event;
            if (!point) return;
            const under = document.elementFromPoint(point.clientX, point.clientY);
            const node = under?.closest('.react-flow__node-card')?.getAttribute('data-id');
            if (node) {
              // Let go on a card: its best fitting port.
              const key = [...hand.fits].find((fit) => fit.startsWith(`${node}/`));
              if (!key) return;
              const here = { node: hand.end.node, port: hand.end.port };
              const there = { node, port: key.slice(node.length + 1) };
              const ends = hand.end.side === 'out' ? { from: here, to: there } : { from: there, to: here };
              act(connect.label, connect.perform(graph, { ...ends, catalogue }));
              return;
            }
            if (!under?.closest('.react-flow__pane')) return;
            const screen = { x: point.clientX, y: point.clientY };
            set({ quickAdd: { screen, flow: flow.screenToFlowPosition(screen), from: hand.end } });
          }}
          onClickConnectStart={(_event, { nodeId, handleId: id }) => {
            const handle = parseHandle(id);
            if (nodeId && handle) takeWire(store, { node: nodeId, port: handle.port, side: handle.side }, false);
          }}
          onClickConnectEnd={() => letGo(store)}
          isValidConnection={(connection) => {
            const ends = endsOf(connection as Connection);
            return ends !== null && checkWire(judged(), store.getState().catalogue, ends.from, ends.to).ok;
          }}
          onReconnectStart={(_event, edge) => {
            moving.current = edge.id;
          }}
          onReconnect={(edge, connection) => {
            const ends = endsOf(connection);
            const { graph, catalogue, act } = store.getState();
            if (ends) act(reconnect.label, reconnect.perform(graph, { edge: edge.id, ...ends, catalogue }));
            moving.current = null;
          }}
          onReconnectEnd={(_event, edge, _side, connection) => {
            if (moving.current && !connection.toHandle) {
              store.getState().act('Wire taken away', [{ op: 'disconnect', edge: edge.id }]);
            }
            moving.current = null;
            letGo(store);
          }}
          connectionLineComponent={HeldWire}
          connectionRadius={28}
          nodeOrigin={[0, 0]}
          nodesDraggable={!readOnly}
          nodesConnectable={!readOnly}
          edgesReconnectable={!readOnly}
          edgesFocusable={true}
          nodesFocusable={true}
          disableKeyboardA11y={true}
          deleteKeyCode={null}
          selectionKeyCode={null}
          multiSelectionKeyCode={['Shift', 'Meta', 'Control']}
          panActivationKeyCode="Space"
          selectionOnDrag={!coarse}
          selectionMode={SelectionMode.Partial}
          panOnDrag={coarse ? true : [1]}
          panOnScroll={true}
          zoomOnDoubleClick={false}
          elevateNodesOnSelect={true}
          minZoom={0.1}
          maxZoom={2}
          nodeDragThreshold={3}
          fitView={true}
          fitViewOptions={{ padding: FIT_PADDING, maxZoom: 1, minZoom: 0.4 }}
          onlyRenderVisibleElements={nodes.length > 120}
          proOptions={{ hideAttribution: true }}
        >
          <Background variant={BackgroundVariant.Dots} gap={16} size={1.6} color="var(--dot)" />
          <ViewportPortal>
            {lines.map((line) => (
              <div
                key={line.axis}
                className="helper-line"
                style={
                  line.axis === 'x'
                    ? { left: line.at, top: line.from, width: 1, height: line.to - line.from }
                    : { left: line.from, top: line.at, height: 1, width: line.to - line.from }
                }
              />
            ))}
          </ViewportPortal>
        </ReactFlow>
        <RefusalTip graph={judged} />
        <DropHint over={over} />
      </main>
    </CanvasMenu>
  );
}

function placesBefore(graph: ReturnType<ReturnType<typeof useEditorStore>['getState']>['graph']) {
  return Object.fromEntries(graph.nodes.map((node) => [node.id, node.position]));
}

function rectsOf(store: ReturnType<typeof useEditorStore>): Rect[] {
  const { graph } = store.getState();
  const sizeOf = sizeIn(store);
  return graph.nodes.map((node) => ({ id: node.id, ...node.position, ...sizeOf(node.id) }));
}

/** React Flow's nodes, each the same object as before where nothing about it changed. */
function useNodes(): AnyNode[] {
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const selection = useEditor((state) => state.selection);
  const live = useEditor((state) => state.live);
  const sizes = useEditor((state) => state.sizes);
  const cache = useRef(new Map<string, { key: readonly unknown[]; node: AnyNode }>());
  return useMemo(() => {
    const before = cache.current;
    const after: typeof before = new Map();
    const keep = (id: string, key: readonly unknown[], make: () => AnyNode): AnyNode => {
      const known = before.get(id);
      const node = known?.key.every((part, index) => part === key[index]) ? known.node : make();
      after.set(id, { key, node });
      return node;
    };
    const result: AnyNode[] = [];
    for (const section of graph.sections) {
      const id = sectionKey(section.id);
      const measured = sizes[id];
      const at = live[id] ?? section.position;
      const selected = selection.has(id);
      result.push(
        keep(id, [section, at, selected, measured], () => ({
          id,
          type: 'section',
          position: at,
          data: { section },
          selected,
          // Below everything, also when a selected one is lifted by a thousand.
          zIndex: -2000,
          style: { ...section.size },
          width: section.size.width,
          height: section.size.height,
          dragHandle: '.name',
          ...(measured ? { measured } : {}),
        })),
      );
    }
    const order = new Map(framesOnce(graph, catalogue).order.map((id, index) => [id, index]));
    const sorted = [...graph.nodes].sort((one, other) => (order.get(one.id) ?? 0) - (order.get(other.id) ?? 0));
    for (const node of sorted) {
      const measured = sizes[node.id];
      const at = live[node.id] ?? node.position;
      const selected = selection.has(node.id);
      result.push(
        keep(node.id, [node, at, selected, measured], () => ({
          id: node.id,
          type: 'card',
          position: at,
          data: { node },
          selected,
          style: { width: node.width ?? NODE_WIDTH },
          ariaLabel: node.name,
          ...(measured ? { measured } : {}),
        })),
      );
    }
    for (const note of graph.notes) {
      const id = `note:${note.id}`;
      const measured = sizes[id];
      const at = live[id] ?? note.position;
      const selected = selection.has(id);
      result.push(
        keep(id, [note, at, selected, measured], () => ({
          id,
          type: 'note',
          position: at,
          data: { note },
          selected,
          style: { width: note.size.width, minHeight: note.size.height },
          ...(measured ? { measured } : {}),
        })),
      );
    }
    cache.current = after;
    return result;
  }, [graph, catalogue, selection, live, sizes]);
}

function useEdges(): WireEdge[] {
  const graph = useEditor((state) => state.graph);
  const selection = useEditor((state) => state.selection);
  const sizes = useEditor((state) => state.sizes);
  const obstacles = useMemo<Rect[]>(
    () =>
      graph.nodes.map((node) => ({
        id: node.id,
        ...node.position,
        ...(sizes[node.id] ?? { width: node.width ?? NODE_WIDTH, height: 180 }),
      })),
    [graph.nodes, sizes],
  );
  const picked = useMemo(() => new Set(pick(selection).edges), [selection]);
  return useMemo(() => {
    const left = new Map(obstacles.map((rect) => [rect.id, rect.x]));
    let back = 0;
    return graph.edges.map((edge) => {
      const goesBack = (left.get(edge.to.node) ?? 0) <= (left.get(edge.from.node) ?? 0);
      const lane = goesBack ? back % 4 : 0;
      if (goesBack) back += 1;
      return {
        id: edge.id,
        type: 'wire' as const,
        source: edge.from.node,
        target: edge.to.node,
        sourceHandle: handleId('out', edge.from.port),
        targetHandle: handleId('in', edge.to.port),
        selected: picked.has(edge.id),
        data: { edge, obstacles, lane },
      };
    });
  }, [graph.edges, obstacles, picked]);
}
