/** The wire in the hand, and at the pointer the reason where it may not be joined. */
import { type ConnectionLineComponentProps, useConnection } from 'reactflow';
import { PORT_LOOK } from '../../nodes/contract.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { checkWire } from '../../runtime/graph/wires.ts';
import { parseHandle, portOf } from './ports.ts';
import { manifestIn, useEditor } from './store.ts';
import { routeWire } from './wire-route.ts';

export function HeldWire({ fromX, fromY, toX, toY, fromHandle, connectionStatus }: ConnectionLineComponentProps) {
  const hand = parseHandle(fromHandle.id);
  const type = useEditor((state) => {
    return hand ? portOf(manifestIn(state, fromHandle.nodeId), hand.port, hand.side)?.type : undefined;
  });
  const isOutput = hand?.side !== 'in';
  const reach = isOutput ? -7 : 7;
  const start = { x: fromX + reach, y: fromY };
  const end = { x: toX, y: toY };
  const { path } = routeWire(
    { ...(isOutput ? { from: start, to: end } : { from: end, to: start }), source: '', target: '' },
    [],
  );
  return (
    <path
      d={path}
      className={`wire ${connectionStatus === 'invalid' ? 'refused' : 'held'}`}
      style={{ '--pc': `var(${type ? PORT_LOOK[type].token : '--line-field'})` } as React.CSSProperties}
    />
  );
}

/** `graph` gives the graph the wire is judged by. */
export function RefusalTip({ graph }: { graph: () => Graph }) {
  const connection = useConnection();
  const catalogue = useEditor((state) => state.catalogue);
  if (!connection.inProgress || !connection.toHandle || connection.isValid) return null;
  const here = parseHandle(connection.fromHandle.id);
  const there = parseHandle(connection.toHandle.id);
  if (!here || !there) return null;
  const from = { node: connection.fromHandle.nodeId, port: here.port };
  const to = { node: connection.toHandle.nodeId, port: there.port };
  const reason =
    here.side === there.side
      ? here.side === 'out'
        ? 'Both ends are outputs.'
        : 'Both ends are inputs.'
      : refusal(
          checkWire(graph(), catalogue, ...(here.side === 'out' ? ([from, to] as const) : ([to, from] as const))),
        );
  if (!reason || (from.node === to.node && here.side === there.side)) return null;
  // `to` is in pixels of the canvas pane here; the tip stays at the pointer.
  const { x, y } = connection.pointer;
  return (
    <div
      className="tip"
      role="status"
      style={{ position: 'absolute', left: x + 14, top: y + 14, pointerEvents: 'none' }}
    >
      {reason.replace(/\.$/, '')}
    </div>
  );
}

const refusal = (check: ReturnType<typeof checkWire>) => (check.ok ? null : check.reason);
