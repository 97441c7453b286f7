/** What the inspector shows of a wire: its ends and what happens on the way. */
import { inputPort, outputPort } from '../../runtime/graph/resolve.ts';
import { conversionBetween } from '../../runtime/graph/wires.ts';
import { portLabel } from '../canvas/ports.ts';
import { manifestIn, useEditor, useEditorStore } from '../canvas/store.ts';
import { Button } from '../ui/button.tsx';

export function WireInspector({ edge: id }: { edge: string }) {
  const store = useEditorStore();
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const readOnly = useEditor((state) => state.readOnly);
  const edge = graph.edges.find((other) => other.id === id);
  if (!edge) return null;
  const source = graph.nodes.find((node) => node.id === edge.from.node);
  const target = graph.nodes.find((node) => node.id === edge.to.node);
  const output = outputPort(manifestIn({ graph, catalogue }, edge.from.node), edge.from.port);
  const input = inputPort(manifestIn({ graph, catalogue }, edge.to.node), edge.to.port);
  const conversion = output && input ? conversionBetween(output.type, input.type) : null;
  return (
    <div className="p-4 grid gap-3">
      <h2 className="h-16">Wire</h2>
      <dl className="insp-facts">
        <dt>From</dt>
        <dd>
          {source?.name}, {portLabel(edge.from.port, output)}
        </dd>
        <dt>To</dt>
        <dd>
          {target?.name}, {portLabel(edge.to.port, input)}
        </dd>
        {conversion && (
          <>
            <dt>On the way</dt>
            <dd>{conversion.chip}</dd>
          </>
        )}
      </dl>
      {!readOnly && (
        <div className="row">
          <Button
            size="sm"
            icon="trash-2"
            onClick={() => store.getState().act('Wire taken away', [{ op: 'disconnect', edge: edge.id }])}
          >
            Take it away
          </Button>
        </div>
      )}
    </div>
  );
}
