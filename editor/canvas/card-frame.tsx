/** What every card on the canvas is framed by: its name, ports, mark, the bar above, the grip, and its look from afar. */
import { useRef } from 'react';
import type { ManifestJson } from '../../nodes/contract.ts';
import { ERROR_PORT, type GraphNode } from '../../runtime/graph/graph.ts';
import { holds } from '../../runtime/graph/pins.ts';
import { ERROR_OUTPUT } from '../../runtime/graph/resolve.ts';
import { rename, resize } from '../commands/edit.ts';
import { IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Ring } from '../ui/progress.tsx';
import { NameInput } from './name-input.tsx';
import { NodeMenu } from './node-menu.tsx';
import type { HeadState } from './node-state.ts';
import { PortHandle } from './port.tsx';
import { NODE_WIDTH, type PlacedPort, portKey, WIDE_NODE } from './ports.ts';
import { useEditor, useEditorStore, wiredOnce } from './store.ts';
import { useRunFrom } from './use-run.ts';

export function HeadMark({ head, of }: { head: HeadState; of: unknown }) {
  return (
    <span className={`st ${head.tone}`}>
      {head.word}
      {head.ring !== null ? (
        <Ring value={head.ring} size={16} of={of} />
      ) : (
        head.icon && <Icon name={head.icon} size={14} />
      )}
    </span>
  );
}

/** What it gives is fixed; amber where the node gives something else by now, so that the pin is not used. */
export function PinMark({ node, manifest }: { node: GraphNode; manifest: ManifestJson }) {
  if (!node.pin) return null;
  const isUsed = holds(node.pin, manifest);
  return (
    <span
      className={`pinmark ${isUsed ? '' : 'stale'}`}
      title={isUsed ? 'Pinned: runs of the draft take this instead of running it.' : 'This pin is not used.'}
    >
      <Icon name="pin" size={12} />
      {isUsed ? 'Pinned' : 'Pin not used'}
    </span>
  );
}

export function Name({ node }: { node: GraphNode }) {
  const store = useEditorStore();
  const renaming = useEditor((state) => state.renaming === node.id);
  if (!renaming) {
    return (
      // biome-ignore lint/a11y/noStaticElementInteractions: F2 and the menu do the same from the keyboard
      <b
        title={node.name}
        onDoubleClick={(event) => {
          event.stopPropagation();
          if (!store.getState().readOnly) store.getState().set({ renaming: node.id });
        }}
      >
        {node.name}
      </b>
    );
  }
  const done = (name: string | null) => {
    const { act, graph, set } = store.getState();
    set({ renaming: null });
    if (name !== null) act(rename.label, rename.perform(graph, { node: node.id, name }));
  };
  return <NameInput label="Name of this node" name={node.name} onDone={done} />;
}

export function CardPort({ node, placed, top }: { node: GraphNode; placed: PlacedPort; top?: number }) {
  const connected = useEditor((state) => {
    const wired = wiredOnce(state.graph, state.catalogue);
    return (placed.side === 'in' ? wired.into : wired.outOf).has(portKey(node.id, placed.name));
  });
  return (
    <PortHandle
      node={node.id}
      nodeName={node.name}
      name={placed.name}
      port={placed.port}
      side={placed.side}
      connected={connected}
      {...(top === undefined ? {} : { top })}
    />
  );
}

/** The red hollow square at the foot; always there for wires, seen on hover, when wired and after a failure. */
export function ErrorPort({ node, failed }: { node: GraphNode; failed: boolean | undefined }) {
  const connected = useEditor((state) =>
    wiredOnce(state.graph, state.catalogue).outOf.has(portKey(node.id, ERROR_PORT)),
  );
  return (
    <div className={`port-error ${failed || connected ? 'is-on' : ''}`}>
      <PortHandle
        node={node.id}
        nodeName={node.name}
        name={ERROR_PORT}
        port={ERROR_OUTPUT}
        side="out"
        error={true}
        connected={connected}
        top={0}
      />
    </div>
  );
}

export function HoverBar({ node }: { node: GraphNode }) {
  const store = useEditorStore();
  const { runNode, canRun } = useRunFrom();
  const readOnly = useEditor((state) => state.readOnly);
  if (readOnly) return null;
  return (
    <div className="bar-above nodrag">
      <div>
        {canRun && (
          <IconButton icon="play" size="xs" label="Run this node only" onClick={() => runNode(node.id, 'only')} />
        )}
        <NodeMenu
          node={node.id}
          trigger={
            <button
              type="button"
              className="btn icon quiet xs"
              aria-label="More"
              onClick={() => store.getState().select([node.id])}
            >
              <Icon name="ellipsis" size={14} />
            </button>
          }
        />
      </div>
    </div>
  );
}

/** The right edge: drag to widen, in steps of the grid. */
export function Grip({ node }: { node: GraphNode }) {
  const store = useEditorStore();
  const start = useRef<{ x: number; width: number; zoom: number } | null>(null);
  return (
    <div
      className="grip nodrag"
      aria-hidden="true"
      onPointerDown={(event) => {
        if (store.getState().readOnly || event.button !== 0) return;
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
        const card = event.currentTarget.parentElement!;
        start.current = {
          x: event.clientX,
          width: node.width ?? NODE_WIDTH,
          zoom: card.getBoundingClientRect().width / card.offsetWidth,
        };
      }}
      onPointerMove={(event) => {
        const from = start.current;
        if (!from) return;
        const wished = Math.round((from.width + (event.clientX - from.x) / from.zoom) / 8) * 8;
        const width = Math.max(152, Math.min(560, wished));
        const { act, graph } = store.getState();
        const standard = Math.abs(width - NODE_WIDTH) < 8 ? null : Math.abs(width - WIDE_NODE) < 10 ? WIDE_NODE : width;
        act(resize.label, resize.perform(graph, { node: node.id, width: standard }), { key: `resize ${node.id}` });
      }}
      onPointerUp={() => {
        start.current = null;
      }}
    />
  );
}

/** What stays of a node from far away: icon, name and mark at their size on the screen. */
export function Far({ icon, name, head, of }: { icon: string; name: string; head: HeadState | null; of: unknown }) {
  return (
    <div className="far" aria-hidden="true">
      <span>
        <Icon name={icon} size={20} />
        <b>{name}</b>
        {head && <HeadMark head={head} of={of} />}
      </span>
    </div>
  );
}
