/**
 * One node on the canvas: head, media, fields, port rows, foot. Reads only its own node's part of the run, so progress
 * redraws one card at a time. What it cannot draw becomes the unknown-type card, never a blank canvas.
 */
import { memo, useMemo } from 'react';
import type { Node, NodeProps } from 'reactflow';
import { PORT_LOOK } from '../../nodes/contract.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { formFields } from '../inspector/form-schema.ts';
import { ErrorBoundary } from '../ui/error-card.tsx';
import { Icon } from '../ui/icon.tsx';
import { NodeField } from './card-field.tsx';
import { CardPort, ErrorPort, Far, Grip, HeadMark, HoverBar, Name, PinMark } from './card-frame.tsx';
import { EmptyFrame, Foot, Message, Notice } from './card-words.tsx';
import { IncomingFrame, useIncoming } from './drop-recording.tsx';
import { BrokenCard, UnknownCard } from './fallback-cards.tsx';
import { NodeMedia } from './node-media.tsx';
import { cardTone, finished, headState, promise, stateSentence } from './node-state.ts';
import { HEAD_MIDDLE, NODE_WIDTH, placedPorts, portKey, portLabel, WIDE_NODE } from './ports.ts';
import { framesOnce, manifestIn, problemsOnce, useEditor, wiredOnce } from './store.ts';

export type CardNode = Node<{ node: GraphNode }, 'card'>;

export const NodeCard = memo(function NodeCard({ data: { node } }: NodeProps<CardNode>) {
  return (
    <ErrorBoundary resetKey={node} fallback={() => <BrokenCard node={node} />}>
      <Card node={node} />
    </ErrorBoundary>
  );
});

function Card({ node }: { node: GraphNode }) {
  const manifest = useEditor((state) => manifestIn(state, node.id));
  const view = useEditor((state) => state.views.get(node.id));
  const runId = useEditor((state) => state.run?.id);
  const workspaceId = useEditor((state) => state.workspaceId);
  const problemCount = useEditor(
    (state) => problemsOnce(state.graph, state.catalogue).filter((problem) => problem.node === node.id).length,
  );
  const firstProblem = useEditor((state) =>
    problemsOnce(state.graph, state.catalogue).find((problem) => problem.node === node.id),
  );
  const faded = useEditor((state) => {
    const { hand } = state;
    if (!hand || hand.end.node === node.id) return false;
    for (const key of hand.fits) if (key.startsWith(`${node.id}/`)) return false;
    return true;
  });
  const incoming = useIncoming(node.id);
  const fileOver = useEditor((state) => state.fileOver === node.id);
  const fields = useMemo(() => {
    const all = formFields(manifest?.config);
    return (manifest?.fields ?? []).flatMap((name) => all.find((field) => field.name === name) ?? []).slice(0, 4);
  }, [manifest]);
  const mapped = useEditor((state) => (framesOnce(state.graph, state.catalogue).nodes.get(node.id)?.length ?? 0) > 0);
  if (!manifest) return <UnknownCard node={node} faded={faded} />;

  const ports = placedPorts(manifest);
  const head = headState(view, problemCount);
  const tone = cardTone(view);
  // of a pinned node it says nothing how long it once took
  const saysPinned = node.pin !== undefined && (!head || head.tone === 'done' || head.tone === 'plain');
  const wide = (node.width ?? NODE_WIDTH) >= WIDE_NODE - 8;
  const [mainOutput] = Object.values(manifest.outputs);
  const showsProblem = problemCount > 0 && (!view || view.state === 'idle') && firstProblem;
  const stopped = view?.state === 'failed' || view?.state === 'blocked' || view?.state === 'skipped';
  // A failed item never hides its siblings: what the others gave stays on show above the message.
  const siblings = stopped && view !== undefined && finished(view) > 0 && view.preview !== null;
  const body = stopped && !siblings ? null : view?.preview;

  return (
    <article
      className={`node ${tone === 'idle' ? '' : tone} ${node.pin ? 'pinned' : ''} ${faded ? 'faded' : ''} ${fileOver ? 'takes' : ''}`}
      aria-label={`${node.name}, ${node.pin ? 'pinned, ' : ''}${stateSentence(view, problemCount)}`}
    >
      <HoverBar node={node} />
      <header className="hd">
        <Icon name={manifest.icon} />
        <Name node={node} />
        <PinMark node={node} manifest={manifest} />
        {head && !saysPinned && <HeadMark head={head} of={runId} />}
      </header>
      {ports
        .filter((placed) => placed.onHead)
        .map((placed) => (
          <CardPort key={`${placed.side}${placed.name}`} node={node} placed={placed} top={HEAD_MIDDLE} />
        ))}

      {incoming ? (
        <IncomingFrame upload={incoming} />
      ) : body && view ? (
        <NodeMedia
          workspaceId={workspaceId}
          view={view}
          preview={body}
          wide={wide}
          sound={manifest.family === 'sound'}
        />
      ) : (
        !stopped && (
          <EmptyFrame
            icon={manifest.icon}
            view={view}
            sentence={promise(
              mainOutput && { label: PORT_LOOK[mainOutput.type].label, list: mainOutput.list || mapped },
            )}
          />
        )
      )}
      {stopped && view && <Message node={node} view={view} />}

      {showsProblem && <Notice problem={firstProblem} />}
      {fields.map((field) => (
        <NodeField key={field.name} node={node} field={field} />
      ))}
      {ports
        .filter((placed) => !placed.onHead)
        .map((placed) => (
          <div key={`${placed.side}${placed.name}`} className={`prow ${placed.side === 'out' ? 'out' : ''}`}>
            <CardPort node={node} placed={placed} />
            <span className="cut">{portLabel(placed.name, placed.port)}</span>
            {placed.side === 'in' && <FarSource node={node.id} port={placed.name} />}
          </div>
        ))}
      <Foot view={view} />
      <ErrorPort node={node} failed={view?.state === 'failed'} />
      <Grip node={node} />
      <Far icon={manifest.icon} name={node.name} head={head} of={runId} />
    </article>
  );
}

/** "from Clean audio" where the wire comes from far enough that one would have to follow it. */
function FarSource({ node, port }: { node: string; port: string }) {
  const name = useEditor((state) => {
    const edge = wiredOnce(state.graph, state.catalogue).into.get(portKey(node, port))?.[0];
    const source = state.graph.nodes.find((other) => other.id === edge?.from.node);
    const here = state.graph.nodes.find((other) => other.id === node);
    if (!source || !here) return null;
    const near = here.position.x - source.position.x > 0 && Math.abs(here.position.y - source.position.y) < 240;
    return near ? null : source.name;
  });
  return name === null ? null : <span className="faint cut ml-auto">from {name}</span>;
}
