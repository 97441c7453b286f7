/** What comes into the selected node, port by port, and from where. */
import type { ManifestJson } from '../../nodes/contract.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { conversionBetween } from '../../runtime/graph/wires.ts';
import { useActs } from '../canvas/acts.ts';
import { placedPorts, portKey, portLabel } from '../canvas/ports.ts';
import { manifestIn, useEditor, useEditorStore, wiredOnce } from '../canvas/store.ts';
import { Icon } from '../ui/icon.tsx';
import { Empty, PortGlyph } from '../ui/parts.tsx';
import { Output } from './output.tsx';

export function InputsTab({ node, manifest }: { node: GraphNode; manifest: ManifestJson }) {
  const acts = useActs();
  const store = useEditorStore();
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const wired = wiredOnce(graph, catalogue);
  const inputs = placedPorts(manifest).filter((placed) => placed.side === 'in');
  if (inputs.length === 0)
    return (
      <Empty
        icon="arrow-right"
        title="Starts by itself"
        text="This node takes nothing in. Its settings say what it begins with."
      />
    );
  return inputs.map(({ name, port }) => {
    const edges = wired.into.get(portKey(node.id, name)) ?? [];
    return (
      <section key={name} className="insp-source" aria-label={portLabel(name, port)}>
        <h3 className="row label">
          <PortGlyph type={port.type} list={port.list} />
          <span className="grow">{portLabel(name, port)}</span>
          <span className="faint font-normal">{port.optional ? 'optional' : edges.length === 0 ? 'needed' : ''}</span>
        </h3>
        {port.help && <p className="muted t-12">{port.help}</p>}
        {edges.length === 0 && (
          <p className="muted t-12">Not connected. Draw a wire to it, or press Enter on the port.</p>
        )}
        {edges.map((edge) => {
          const source = graph.nodes.find((other) => other.id === edge.from.node);
          const from = manifestIn({ graph, catalogue }, edge.from.node);
          const output = from?.outputs[edge.from.port];
          const conversion = output && conversionBetween(output.type, port.type);
          return (
            <div key={edge.id} className="grid gap-2">
              <div className="row t-12">
                <Icon name={from?.icon ?? 'puzzle'} size={14} className="text-muted" />
                <button
                  type="button"
                  className="btn quiet xs"
                  onClick={() => {
                    store.getState().select([edge.from.node]);
                    acts.reveal(edge.from.node);
                  }}
                >
                  {source?.name ?? 'Unknown'}
                </button>
                <span className="faint">{portLabel(edge.from.port, output)}</span>
                {conversion && <span className="badge ml-auto">{conversion.chip}</span>}
              </div>
              {from && (
                <Output
                  node={edge.from.node}
                  manifest={{ ...from, outputs: output ? { [edge.from.port]: output } : {} }}
                />
              )}
            </div>
          );
        })}
      </section>
    );
  });
}
