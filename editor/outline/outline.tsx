/**
 * The canvas's twin in text: every node in flow order with its state and what it made, indented below what maps over a
 * list. Nodes are configured and run from here; it is the way in on phones and for whoever cannot see the canvas.
 */
import './outline.css';
import { useMemo } from 'react';
import { analyseFrames } from '../../runtime/graph/frames.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { headState, shortFact, stateSentence } from '../canvas/node-state.ts';
import { readItem } from '../canvas/preview-item.ts';
import { manifestIn, problemsOnce, useEditor, useEditorStore } from '../canvas/store.ts';
import { mediaAddress } from '../media/address.ts';
import { Icon } from '../ui/icon.tsx';
import { Empty } from '../ui/parts.tsx';
import { Ring } from '../ui/progress.tsx';

export function Outline() {
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const rows = useMemo(() => {
    const frames = analyseFrames(graph, catalogue);
    const byId = new Map(graph.nodes.map((node) => [node.id, node]));
    const inOrder = frames.order.flatMap((id) => byId.get(id) ?? []);
    const rest = graph.nodes.filter((node) => !frames.order.includes(node.id));
    return [...inOrder, ...rest].map((node) => {
      const sources = [
        ...new Set(
          graph.edges.filter((edge) => edge.to.node === node.id).map((edge) => byId.get(edge.from.node)?.name ?? ''),
        ),
      ];
      return { node, depth: Math.min(3, frames.nodes.get(node.id)?.length ?? 0), sources };
    });
  }, [graph, catalogue]);
  if (rows.length === 0) {
    return (
      <main className="outline" aria-label="Outline">
        <Empty icon="workflow" title="Nothing here yet" text="Add a node to begin. Ingest takes in a recording." />
      </main>
    );
  }
  // Only what maps over what the row above it makes is drawn as hanging from it.
  return (
    <main className="outline" aria-label="Outline">
      <ol>
        {rows.map(({ node, depth, sources }, index) => {
          const above = rows[index - 1];
          const hangs =
            depth > 0 &&
            above !== undefined &&
            (above.depth >= depth ? above.depth > 0 : true) &&
            depth > (rows[0]?.depth ?? 0);
          return <Row key={node.id} node={node} depth={hangs ? depth : 0} sources={sources} />;
        })}
      </ol>
    </main>
  );
}

function Row({ node, depth, sources }: { node: GraphNode; depth: number; sources: string[] }) {
  const store = useEditorStore();
  const manifest = useEditor((state) => manifestIn(state, node.id));
  const view = useEditor((state) => state.views.get(node.id));
  const workspaceId = useEditor((state) => state.workspaceId);
  const selected = useEditor((state) => state.selection.has(node.id));
  const problems = useEditor(
    (state) => problemsOnce(state.graph, state.catalogue).filter((problem) => problem.node === node.id).length,
  );
  const head = headState(view, problems);
  const items = (view?.preview?.items ?? []).map(readItem);
  const picture = items.find((item) => item.asset && (item.asset.kind === 'image' || item.asset.kind === 'video'));
  const facts = view?.facts.map(shortFact).slice(0, 2) ?? [];
  const sentence =
    view && view.state !== 'idle'
      ? [stateSentence(view, problems), ...facts].join(', ')
      : problems > 0
        ? stateSentence(view, problems)
        : (manifest?.help ?? 'Its plugin is not installed here.');
  const words = node.pin && !sentence.startsWith('Pinned') ? `Pinned. ${sentence}` : sentence;
  return (
    <li
      style={{ '--depth': depth } as React.CSSProperties}
      className={depth > 0 ? 'dep' : ''}
      data-state={view?.state ?? 'idle'}
    >
      <button
        type="button"
        className="line"
        aria-pressed={selected}
        onClick={() => {
          store.getState().select([node.id]);
          store.getState().set({ inspectorOpen: true });
        }}
      >
        <Icon name={manifest?.icon ?? 'puzzle'} size={20} className="text-muted" />
        <span className="grow">
          <b className="cut">{node.name}</b>
          <span className="cut sub">{view?.state === 'failed' ? (view.error?.message ?? sentence) : words}</span>
          {sources.length > 0 && <span className="sr">. Takes from {sources.join(', ')}</span>}
        </span>
        {picture?.asset &&
          (picture.asset.kind === 'image' ? (
            <img
              className={picture.asset.height > picture.asset.width ? 't' : 'w'}
              src={mediaAddress(workspaceId, picture.asset.asset)}
              alt=""
              loading="lazy"
            />
          ) : (
            <video
              className={picture.asset.height > picture.asset.width ? 't' : 'w'}
              src={`${mediaAddress(workspaceId, picture.asset.asset)}#t=0.5`}
              preload="metadata"
              muted={true}
              tabIndex={-1}
              aria-hidden="true"
            />
          ))}
        {head && (
          <span className={`mark ${head.tone}`}>
            {head.ring !== null ? (
              <Ring value={head.ring} of={view?.state} />
            ) : (
              head.icon && <Icon name={head.icon} label={head.word} />
            )}
          </span>
        )}
      </button>
    </li>
  );
}
