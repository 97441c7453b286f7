/**
 * One node on the canvas: head, media, fields, port rows, foot. Reads only its own node's part of the run, so progress
 * redraws one card at a time. What it cannot draw becomes the unknown-type card, never a blank canvas.
 */
import { useMutation, useQuery } from '@tanstack/react-query';
import { memo, useMemo, useRef } from 'react';
import type { Node, NodeProps } from 'reactflow';
import { PORT_LOOK } from '../../nodes/contract.ts';
import { ERROR_OUTPUT } from '../../runtime/graph/frames.ts';
import { ERROR_PORT, type GraphNode } from '../../runtime/graph/graph.ts';
import { trpc } from '../api.ts';
import { rename, resize, setField } from '../commands/edit.ts';
import { type FormField, formFields, shownValue } from '../inspector/form-schema.ts';
import { readRecording } from '../inspector/read-recording.ts';
import { problemOf } from '../problem.ts';
import type { NodeView } from '../run-view.ts';
import { refreshRun } from '../runs/stream.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorBoundary } from '../ui/error-card.tsx';
import { Select, Switch } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Ring } from '../ui/progress.tsx';
import { toast } from '../ui/toast.tsx';
import { IncomingFrame, useIncoming } from './drop-recording.tsx';
import { NodeMedia } from './node-media.tsx';
import { NodeMenu } from './node-menu.tsx';
import { cardTone, finished, type HeadState, headState, promise, shortFact, stateSentence } from './node-state.ts';
import { PortHandle } from './port.tsx';
import { HEAD_MIDDLE, NODE_WIDTH, type PlacedPort, placedPorts, portKey, portLabel, WIDE_NODE } from './ports.ts';
import { framesOnce, problemsOnce, useEditor, useEditorStore, wiredOnce } from './store.ts';
import { useRunFrom } from './use-run.ts';

export type CardNode = Node<{ node: GraphNode }, 'card'>;

export const NodeCard = memo(function NodeCard({ data: { node } }: NodeProps<CardNode>) {
  return (
    <ErrorBoundary resetKey={node} fallback={() => <BrokenCard node={node} />}>
      <Card node={node} />
    </ErrorBoundary>
  );
});

function Card({ node }: { node: GraphNode }) {
  const manifest = useEditor((state) => state.catalogue.get(node.type));
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
  const wide = (node.width ?? NODE_WIDTH) >= WIDE_NODE - 8;
  const [mainOutput] = Object.values(manifest.outputs);
  const showsProblem = problemCount > 0 && (!view || view.state === 'idle') && firstProblem;
  const stopped = view?.state === 'failed' || view?.state === 'blocked' || view?.state === 'skipped';
  // A failed item never hides its siblings: what the others gave stays on show above the message.
  const siblings = stopped && view !== undefined && finished(view) > 0 && view.preview !== null;
  const body = stopped && !siblings ? null : view?.preview;

  return (
    <article
      className={`node ${tone === 'idle' ? '' : tone} ${faded ? 'faded' : ''} ${fileOver ? 'takes' : ''}`}
      aria-label={`${node.name}, ${stateSentence(view, problemCount)}`}
    >
      <HoverBar node={node} />
      <header className="hd">
        <Icon name={manifest.icon} />
        <Name node={node} />
        {head && <HeadMark head={head} of={runId} />}
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

function HeadMark({ head, of }: { head: HeadState; of: unknown }) {
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

function Name({ node }: { node: GraphNode }) {
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
  return (
    <input
      className="nodrag nokey"
      aria-label="Name of this node"
      defaultValue={node.name}
      maxLength={80}
      ref={(element) => {
        element?.focus();
        element?.select();
      }}
      onBlur={(event) => done(event.target.value)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === 'Enter') done(event.currentTarget.value);
        if (event.key === 'Escape') done(null);
      }}
    />
  );
}

function CardPort({ node, placed, top }: { node: GraphNode; placed: PlacedPort; top?: number }) {
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
function ErrorPort({ node, failed }: { node: GraphNode; failed: boolean | undefined }) {
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

function EmptyFrame({ icon, sentence, view }: { icon: string; sentence: string; view: NodeView | undefined }) {
  const waits = view?.state === 'waiting' || view?.state === 'queued';
  if (waits && view.reason) {
    return (
      <div className="pv" style={{ height: 84 }}>
        <div className="await">
          <p>{view.reason}</p>
        </div>
      </div>
    );
  }
  return (
    <div className="pv" style={{ height: 104 }}>
      <div className="hint">
        <Icon name={icon} size={20} />
        <span>{view?.state === 'running' ? (view.note ?? sentence) : sentence}</span>
      </div>
      {view?.state === 'running' && view.progress !== null && (
        <span className="pbar on-well">
          <i style={{ '--v': `${view.progress * 100}%` } as React.CSSProperties} />
        </span>
      )}
    </div>
  );
}

function Notice({ problem }: { problem: { message: string; hint: string | null } }) {
  return (
    <div className="msg pt-2">
      <span className="text-text">{problem.message}</span>
    </div>
  );
}

/** What happened, what to do, one button that does it. */
function Message({ node, view }: { node: GraphNode; view: NodeView }) {
  const store = useEditorStore();
  const run = useEditor((state) => state.run);
  const mayRun = useEditor((state) => state.mayRun);
  const retry = useMutation(
    trpc.runs.retry.mutationOptions({
      onSuccess: () => run && refreshRun(store.getState().workspaceId, run.id),
      onError(error) {
        const problem = problemOf(error);
        toast({ title: problem.message, text: problem.hint ?? undefined, tone: 'danger' });
      },
    }),
  );
  if (view.state !== 'failed') {
    return (
      <div className="msg">
        {view.reason ??
          view.error?.message ??
          (view.state === 'skipped' ? 'Nothing came in.' : 'Something before it failed.')}
      </div>
    );
  }
  const many = (view.counts.total ?? 0) > 1;
  return (
    <div className="msg" role="alert">
      <b>{view.error?.message ?? 'This step failed.'}</b>
      {view.error?.hint && <p>{view.error.hint}</p>}
      {run && mayRun && (
        <div className="acts">
          <Button
            size="xs"
            icon="rotate-ccw"
            className="nodrag"
            busy={retry.isPending}
            onClick={(event) => {
              event.stopPropagation();
              retry.mutate({ workspaceId: store.getState().workspaceId, runId: run.id, nodeId: node.id });
            }}
          >
            {many ? `Retry ${view.counts.failed}` : 'Retry'}
          </Button>
        </div>
      )}
    </div>
  );
}

function NodeField({ node, field }: { node: GraphNode; field: FormField }) {
  const store = useEditorStore();
  const value = node.config[field.name];
  const change = (next: GraphNode['config'][string] | undefined) => {
    const { act, graph } = store.getState();
    act(setField.label, setField.perform(graph, { node: node.id, field: field.name, value: next }));
  };
  return (
    <div className="fld">
      <span>{field.title}</span>
      {field.kind === 'choice' ? (
        <Select
          bare={true}
          label={`${field.title} of ${node.name}`}
          value={String(value ?? field.default ?? '')}
          options={field.options.map((option) => ({ value: String(option.value), label: option.label }))}
          onChange={(next) => change(field.options.find((option) => String(option.value) === next)?.value)}
        />
      ) : field.kind === 'switch' ? (
        <span className="nodrag inline-flex">
          <Switch
            label={`${field.title} of ${node.name}`}
            checked={(value ?? field.default) === true}
            onChange={change}
          />
        </span>
      ) : (
        <button
          type="button"
          className="value nodrag cut"
          onClick={() => {
            const { select, set } = store.getState();
            select([node.id]);
            set({ inspectorOpen: true });
            requestAnimationFrame(() =>
              document
                .querySelector<HTMLElement>(`[data-field="${CSS.escape(field.name)}"] :is(input, textarea, button)`)
                ?.focus(),
            );
          }}
        >
          {field.kind === 'recording' ? <RecordingName value={value} /> : shownValue(field, value)}
        </button>
      )}
    </div>
  );
}

/** The file's name of a stored recording, the address of another. */
function RecordingName({ value }: { value: unknown }) {
  const workspaceId = useEditor((state) => state.workspaceId);
  const chosen = readRecording(value);
  const stored = chosen && 'asset' in chosen ? chosen.asset : null;
  const { data } = useQuery({
    ...trpc.assets.get.queryOptions({ workspaceId, asset: stored ?? '' }),
    enabled: stored !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (!chosen) return 'Choose';
  return 'url' in chosen ? chosen.url.replace(/^https?:\/\//, '') : (data?.asset.name ?? 'From the library');
}

/** One fact left, one right. */
function Foot({ view }: { view: NodeView | undefined }) {
  if (!view || view.state === 'idle' || view.state === 'skipped' || view.state === 'blocked')
    return <div className="pb-1" />;
  if (view.state === 'running' && view.note) {
    return (
      <footer className="ft">
        <span className="cut">{view.note}</span>
        {view.progress !== null && <span className="faint end">{Math.round(view.progress * 100)} %</span>}
      </footer>
    );
  }
  if (view.state === 'failed') return <div className="pb-5" />;
  // Which engine it was says the inspector; here is what it gave.
  const given = view.facts.filter((fact) => !/^engine$/i.test(fact.name));
  const facts = given.length > 0 ? given : view.facts;
  const change = facts.find((fact) => fact.value.includes('→'));
  if (change) {
    const [before, after] = change.value.split('→').map((part) => part.trim());
    return (
      <footer className="ft">
        <span>{before}</span>
        <Icon name="arrow-right" size={12} label="to" />
        <b>{after}</b>
      </footer>
    );
  }
  const words = facts.map(shortFact);
  if (view.counts.failed > 0) words.unshift(`${view.counts.failed} failed`);
  else if (view.state === 'reused' && view.reason)
    words.unshift(view.reason.replace(/, so reused\.$/, '').replace(/\.$/, ''));
  const [left, right] = words;
  if (!left) return <div className="pb-1" />;
  return (
    <footer className="ft">
      <span className={`cut ${view.counts.failed > 0 ? 'bad' : ''}`}>{left}</span>
      {right && <span className="faint end cut">{right}</span>}
    </footer>
  );
}

function HoverBar({ node }: { node: GraphNode }) {
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
function Grip({ node }: { node: GraphNode }) {
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
function Far({ icon, name, head, of }: { icon: string; name: string; head: HeadState | null; of: unknown }) {
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

/** A type that is not installed here: kept, wired and movable. Its ports are those its wires name. */
function UnknownCard({ node, faded }: { node: GraphNode; faded: boolean }) {
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

function BrokenCard({ node }: { node: GraphNode }) {
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
