/** A pipeline drawn small, from its own graph: nodes where they stand, wires in the colours of what they carry. */
import { useQuery } from '@tanstack/react-query';
import { PORT_LOOK } from '../../nodes/contract.ts';
import type { Graph } from '../../runtime/graph/graph.ts';
import { outputPort, resolveNodes } from '../../runtime/graph/resolve.ts';
import { catalogueQuery } from '../runs/source.ts';
import { Icon } from '../ui/icon.tsx';
import { miniature } from './miniature.ts';

type GraphDrawingProps = {
  workspaceId: string;
  graph: Graph;
  /** In pixels; the drawing is fitted into it. */
  width?: number;
  height?: number;
};

export function GraphDrawing({ workspaceId, graph, width = 272, height = 132 }: GraphDrawingProps) {
  const { data: catalogue } = useQuery(catalogueQuery(workspaceId));
  const { tiles, wires } = miniature(graph, { width, height, margin: 14 });
  const manifests = resolveNodes(graph, catalogue ?? []);
  return (
    <svg viewBox={`0 0 ${width} ${height}`} width="100%" height={height} className="block" aria-hidden="true">
      {wires.map((wire) => {
        const port = outputPort(manifests.get(wire.from), wire.port);
        const color = port ? `var(${PORT_LOOK[port.type].token})` : 'var(--line-strong)';
        return (
          <path
            key={wire.id}
            d={wire.path}
            fill="none"
            strokeWidth="1.5"
            style={{ stroke: `color-mix(in oklab, ${color} 72%, var(--well))` }}
          />
        );
      })}
      {tiles.map((tile) => {
        const manifest = manifests.get(tile.id);
        const icon = Math.min(tile.width, tile.height) >= 20;
        return (
          <g key={tile.id} transform={`translate(${tile.x} ${tile.y})`}>
            <rect
              width={tile.width}
              height={tile.height}
              rx={Math.min(6, tile.height / 4)}
              style={{ fill: 'var(--raised)', stroke: 'var(--line-strong)' }}
            />
            {icon && (
              <g transform={`translate(${tile.width / 2 - 7} ${tile.height / 2 - 7})`} className="text-muted">
                <Icon name={manifest?.icon ?? 'puzzle'} size={14} />
              </g>
            )}
          </g>
        );
      })}
    </svg>
  );
}
