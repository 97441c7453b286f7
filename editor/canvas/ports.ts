/**
 * Where a node's ports sit. Pure. The first input and the first output are on the head's middle line, so chains draw
 * straight; further ones have a row of their own, inputs before outputs, after the fields.
 */
import type { ManifestJson, PortJson } from '../../nodes/contract.ts';
import { ERROR_PORT } from '../../runtime/graph/graph.ts';
import { ERROR_OUTPUT } from '../../runtime/graph/resolve.ts';

export type Side = 'in' | 'out';
export type PlacedPort = { name: string; port: PortJson; side: Side; onHead: boolean };

export const HEAD_MIDDLE = 18;
export const NODE_WIDTH = 184;
export const WIDE_NODE = 272;

/** All ports of a type, `error` left out: it hangs at the foot of every node. */
export function placedPorts(manifest: ManifestJson): PlacedPort[] {
  const place = (ports: Record<string, PortJson>, side: Side) =>
    Object.entries(ports).map(([name, port], index) => ({ name, port, side, onHead: index === 0 }));
  return [...place(manifest.inputs, 'in'), ...place(manifest.outputs, 'out')];
}

export function portOf(manifest: ManifestJson | undefined, name: string, side: Side): PortJson | undefined {
  if (side === 'out' && name === ERROR_PORT) return ERROR_OUTPUT;
  return side === 'in' ? manifest?.inputs[name] : manifest?.outputs[name];
}

/** How a port is called: its title, else its name in words ("attachedTranscript" → "attached transcript"). */
export function portLabel(name: string, port: PortJson | undefined): string {
  return port?.title ?? name.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
}

/** React Flow's id of a port: inputs and outputs of one name must differ. */
export const handleId = (side: Side, name: string) => `${side}:${name}`;
export function parseHandle(id: string | null | undefined): { side: Side; port: string } | null {
  if (!id) return null;
  const colon = id.indexOf(':');
  const side = id.slice(0, colon);
  return side === 'in' || side === 'out' ? { side, port: id.slice(colon + 1) } : null;
}
export const portKey = (node: string, port: string) => `${node}/${port}`;
