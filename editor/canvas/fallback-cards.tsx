/** Cards for nodes that cannot be drawn as what they are: kept, wired and movable. */
import { ERROR_PORT, type GraphNode } from '../../runtime/graph/graph.ts';
import { Icon } from '../ui/icon.tsx';
import { ErrorPort, Far, Name } from './card-frame.tsx';
import { PortHandle } from './port.tsx';
import { HEAD_MIDDLE } from './ports.ts';
import { useEditor } from './store.ts';

/** A type that is not installed here: kept, wired and movable. Its ports are those its wires name. */
export function UnknownCard({ node, faded }: { node: GraphNode; faded: boolean }) {
  const graph = useEditor((state) => state.graph);
  const inputs = [...new Set(graph.edges.filter((edge) => edge.to.node === node.id).map((edge) => edge.to.port))];
  const outputs = [...new Set(graph.edges.filter((edge) => edge.from.node === node.id).map((edge) => edge.from.port))];
  const plain = { type: 'json', list: false, optional: true, title: null, help: null } as const;
  const handles = (names: string[], side: 'in' | 'out') =>
    names
      .filter((name) => name !== ERROR_PORT)
      .map((name, index) => (
        <PortHandle
          key={`${side}${name}`}
          node={node.id}
          nodeName={node.name}
          name={name}
          port={plain}
          side={side}
          connected={true}
          top={HEAD_MIDDLE + index * 24}
        />
      ));
  return (
    <article className={`node skipped ${faded ? 'faded' : ''}`} aria-label={`${node.name}, not installed`}>
      <header className="hd">
        <Icon name="puzzle" />
        <Name node={node} />
        <span className="st warn">
          <Icon name="triangle-alert" size={14} label="not installed" />
        </span>
      </header>
      {handles(inputs, 'in')}
      {handles(outputs, 'out')}
      <div className="msg">This node’s plugin ({node.type}) is not installed here. Its settings are safe.</div>
      <ErrorPort node={node} failed={false} />
      <Far icon="puzzle" name={node.name} head={null} of={null} />
    </article>
  );
}

export function BrokenCard({ node }: { node: GraphNode }) {
  return (
    <article className="node skipped" aria-label={`${node.name}, cannot be drawn`}>
      <header className="hd">
        <Icon name="puzzle" />
        <b>{node.name}</b>
        <span className="st warn">
          <Icon name="triangle-alert" size={14} />
        </span>
      </header>
      <div className="msg">This node could not be drawn. Its settings are safe.</div>
    </article>
  );
}
