/**
 * A port on the canvas: shape first, colour second, a 24 px hit area (44 under a finger). While a wire is in the hand
 * it says whether it fits. From the keyboard: Enter starts a wire, arrows walk the ports that fit, Enter joins, Escape
 * lets go.
 */
import { memo } from 'react';
import { Handle, Position } from 'reactflow';
import type { PortJson } from '../../nodes/contract.ts';
import { portMark } from '../ui/parts.tsx';
import { handleId, portKey, portLabel, type Side } from './ports.ts';
import { useEditor, useEditorStore } from './store.ts';
import { joinWire, letGo, startWireByKeys, walkWire } from './wire-hand.ts';

type PortProps = {
  node: string;
  nodeName: string;
  name: string;
  port: PortJson;
  side: Side;
  /** pixels from the top of the positioned parent; absent: in the middle of it */
  top?: number;
  /** Draws the red hollow square of an error output. */
  error?: boolean;
  connected: boolean;
};

export const PortHandle = memo(function PortHandle({
  node,
  nodeName,
  name,
  port,
  side,
  top,
  error,
  connected,
}: PortProps) {
  const store = useEditorStore();
  const key = portKey(node, name);
  const fit = useEditor((state) => {
    const { hand } = state;
    if (!hand) return 'rest';
    if (hand.end.node === node && hand.end.port === name && hand.end.side === side) return 'held';
    if (hand.end.side === side) return 'other';
    return hand.fits.has(key) ? (hand.at === key ? 'at' : 'fits') : 'other';
  });
  const selected = useEditor((state) => state.selection.has(node));
  const label = portLabel(name, port);
  const mark = portMark(port.type, port.list);
  const spoken = `${nodeName}, ${side === 'in' ? 'input' : 'output'} ${label}${port.list ? ', list' : ''}${connected ? ', connected' : ''}`;
  return (
    <Handle
      type={side === 'in' ? 'target' : 'source'}
      position={side === 'in' ? Position.Left : Position.Right}
      id={handleId(side, name)}
      className="port-hit"
      style={top === undefined ? {} : { top }}
      data-fit={fit}
      data-port={`${side}:${key}`}
      role="button"
      aria-label={fit === 'fits' || fit === 'at' ? `${spoken}, fits` : spoken}
      tabIndex={selected || fit === 'fits' || fit === 'at' ? 0 : -1}
      onKeyDown={(event) => {
        const { hand } = store.getState();
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          event.stopPropagation();
          if (hand?.byKeys && hand.fits.has(key) && hand.end.side !== side) joinWire(store, { node, port: name });
          else startWireByKeys(store, { node, port: name, side });
        } else if (hand?.byKeys && event.key.startsWith('Arrow')) {
          event.preventDefault();
          event.stopPropagation();
          walkWire(store, event.key === 'ArrowRight' || event.key === 'ArrowDown' ? 1 : -1);
        } else if (hand?.byKeys && event.key === 'Escape') {
          event.preventDefault();
          event.stopPropagation();
          letGo(store);
        }
      }}
    >
      <span
        className={error ? 'port sq err' : mark.className}
        style={error ? undefined : mark.style}
        aria-hidden="true"
      />
      <span className="port-label" aria-hidden="true">
        {label}
      </span>
    </Handle>
  );
});
