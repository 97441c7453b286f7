/** The inspector: settings, inputs, history and help of the selected node, and what it made last. */
import './inspector.css';
import { useQuery } from '@tanstack/react-query';
import { Tabs } from 'radix-ui';
import { useMemo, useRef, useState } from 'react';
import type { ManifestJson } from '../../nodes/contract.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { conversionBetween } from '../../runtime/graph/wires.ts';
import { trpc } from '../api.ts';
import { useActs } from '../canvas/acts.ts';
import { takeInto } from '../canvas/drop-recording.tsx';
import { NodeMenu } from '../canvas/node-menu.tsx';
import { placedPorts, portKey, portLabel } from '../canvas/ports.ts';
import { problemsOnce, useEditor, useEditorStore, wiredOnce } from '../canvas/store.ts';
import { useRunFrom } from '../canvas/use-run.ts';
import { pick } from '../commands/command.ts';
import { promote, rename, setField } from '../commands/edit.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { ago, duration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Empty, Loading, PortGlyph, Skeleton } from '../ui/parts.tsx';
import { RecordingPicker } from '../uploads/recording-picker.tsx';
import { Output } from './output.tsx';
import { readRecording } from './read-recording.ts';
import { SchemaForm } from './schema-form.tsx';

type Shape = 'side' | 'over' | 'sheet';
const WIDEST = 560;

export function Inspector({ shape }: { shape: Shape }) {
  const store = useEditorStore();
  const selection = useEditor((state) => state.selection);
  const picked = useMemo(() => pick(selection), [selection]);
  const [only] = picked.nodes;
  const node = useEditor((state) =>
    picked.nodes.length === 1 ? state.graph.nodes.find((other) => other.id === only) : undefined,
  );
  const manifest = useEditor((state) => (node ? state.catalogue.get(node.type) : undefined));
  const [width, setWidth] = useState<number | null>(null);
  const [sheet, setSheet] = useState(50);
  const from = useRef<{ x: number; y: number; width: number; sheet: number } | null>(null);

  const close = () => store.getState().set({ inspectorOpen: false });
  return (
    <aside
      className={`insp ${shape === 'side' ? '' : shape}`}
      aria-label="Inspector"
      style={
        { ...(width !== null && shape !== 'sheet' ? { width } : {}), '--sheet': `${sheet}dvh` } as React.CSSProperties
      }
    >
      <button
        type="button"
        className="handle"
        aria-label="Height of this sheet"
        onClick={() => setSheet((current) => (current < 40 ? 50 : current < 70 ? 88 : 28))}
      />
      {shape !== 'sheet' && (
        <div
          className="edge"
          aria-hidden="true"
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            from.current = {
              x: event.clientX,
              y: event.clientY,
              width: event.currentTarget.parentElement!.offsetWidth,
              sheet,
            };
          }}
          onPointerMove={(event) => {
            if (from.current)
              setWidth(Math.max(280, Math.min(WIDEST, from.current.width + from.current.x - event.clientX)));
          }}
          onPointerUp={() => {
            from.current = null;
          }}
        />
      )}
      {node && manifest ? (
        <NodeInspector
          key={node.id}
          node={node}
          manifest={manifest}
          {...(shape === 'side' ? {} : { onClose: close })}
        />
      ) : node ? (
        <Empty
          icon="puzzle"
          title={node.name}
          text={`This node’s plugin (${node.type}) is not installed here. Its settings are safe.`}
        />
      ) : (
        <Several picked={picked} />
      )}
    </aside>
  );
}

function Several({ picked }: { picked: ReturnType<typeof pick> }) {
  const acts = useActs();
  const readOnly = useEditor((state) => state.readOnly);
  const graph = useEditor((state) => state.graph);
  const count = picked.nodes.length + picked.notes.length + picked.sections.length + picked.edges.length;
  const [edgeId] = picked.edges;
  if (count === 1 && edgeId) return <WireInspector edge={edgeId} />;
  if (count > 1) {
    return (
      <Empty
        icon="square"
        title={`${count} things selected`}
        text="Move, copy or delete them together."
        action={
          !readOnly && (
            <div className="row mt-3">
              {picked.nodes.length > 1 && <Button onClick={acts.tidy}>Tidy up</Button>}
              <Button onClick={acts.duplicateSelected}>Duplicate</Button>
              <Button onClick={acts.removeSelected}>Delete {count}</Button>
            </div>
          )
        }
      />
    );
  }
  if (graph.nodes.length === 0) {
    return (
      <Empty
        icon="workflow"
        title="Nothing here yet"
        text="Add a node from the list on the left, or press / and type what you want to make."
      />
    );
  }
  return (
    <Empty icon="mouse-pointer-2" title="Nothing selected" text="Select a node to see its settings and what it made." />
  );
}

function WireInspector({ edge: id }: { edge: string }) {
  const store = useEditorStore();
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const readOnly = useEditor((state) => state.readOnly);
  const edge = graph.edges.find((other) => other.id === id);
  if (!edge) return null;
  const source = graph.nodes.find((node) => node.id === edge.from.node);
  const target = graph.nodes.find((node) => node.id === edge.to.node);
  const output = catalogue.get(source?.type ?? '')?.outputs[edge.from.port];
  const input = catalogue.get(target?.type ?? '')?.inputs[edge.to.port];
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

function NodeInspector({ node, manifest, onClose }: { node: GraphNode; manifest: ManifestJson; onClose?: () => void }) {
  const store = useEditorStore();
  const { runNode, canRun } = useRunFrom();
  const readOnly = useEditor((state) => state.readOnly);
  const [tab, setTab] = useState('settings');
  const title = (
    <NameField
      key={node.name}
      name={node.name}
      disabled={readOnly}
      onCommit={(name) => {
        const { act, graph } = store.getState();
        act(rename.label, rename.perform(graph, { node: node.id, name }));
      }}
    />
  );
  return (
    <Tabs.Root value={tab} onValueChange={setTab} className="contents">
      <header>
        <div className="row">
          <Icon name={manifest.icon} size={20} />
          <h2 className="h-16 grow">{title}</h2>
          {canRun && <IconButton icon="play" label="Run this node only" onClick={() => runNode(node.id, 'only')} />}
          <NodeMenu
            node={node.id}
            trigger={
              <button type="button" className="btn icon quiet sm" aria-label="More">
                <Icon name="ellipsis" />
              </button>
            }
          />
          {onClose && <IconButton icon="x" label="Close" onClick={onClose} />}
        </div>
        <Tabs.List className="tabs" aria-label={`About ${node.name}`}>
          <Tabs.Trigger value="settings">Settings</Tabs.Trigger>
          <Tabs.Trigger value="inputs">Inputs</Tabs.Trigger>
          <Tabs.Trigger value="history">History</Tabs.Trigger>
          <Tabs.Trigger value="help">Help</Tabs.Trigger>
        </Tabs.List>
      </header>
      <div className="scroll">
        <Tabs.Content value="settings" tabIndex={-1}>
          <Settings node={node} manifest={manifest} />
          <LastOutput node={node} manifest={manifest} />
        </Tabs.Content>
        <Tabs.Content value="inputs" tabIndex={-1}>
          <InputsTab node={node} manifest={manifest} />
        </Tabs.Content>
        <Tabs.Content value="history" tabIndex={-1}>
          <HistoryTab />
        </Tabs.Content>
        <Tabs.Content value="help" tabIndex={-1}>
          <HelpTab manifest={manifest} />
        </Tabs.Content>
      </div>
    </Tabs.Root>
  );
}

function NameField({
  name,
  disabled,
  onCommit,
}: {
  name: string;
  disabled: boolean;
  onCommit: (name: string) => void;
}) {
  const [draft, setDraft] = useState(name);
  if (disabled) return <span className="cut block">{name}</span>;
  return (
    <input
      aria-label="Name of this node"
      value={draft}
      maxLength={80}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={() => (draft.trim() === '' ? setDraft(name) : draft !== name && onCommit(draft))}
      onKeyDown={(event) => {
        if (event.key === 'Enter') event.currentTarget.blur();
        if (event.key === 'Escape') setDraft(name);
      }}
    />
  );
}

export function Settings({ node, manifest }: { node: GraphNode; manifest: ManifestJson }) {
  const store = useEditorStore();
  const readOnly = useEditor((state) => state.readOnly);
  const problems = useEditor((state) => problemsOnce(state.graph, state.catalogue));
  const inputs = useEditor((state) => state.graph.inputs);
  const incoming = useEditor((state) => state.incoming.get(node.id) ?? null);
  const mine = useMemo(
    () =>
      new Map(
        problems.flatMap((problem) =>
          problem.node === node.id && problem.field ? [[problem.field, problem.message] as const] : [],
        ),
      ),
    [problems, node.id],
  );
  const general = problems.filter((problem) => problem.node === node.id && !problem.field);
  const promoted = useMemo(
    () => new Set(inputs.filter((input) => input.node === node.id).map((input) => input.field)),
    [inputs, node.id],
  );
  return (
    <>
      {general.length > 0 && (
        <ul className="grid gap-1 px-4 pt-3">
          {general.map((problem) => (
            <li key={problem.message} className="flex gap-2 t-12">
              <Icon
                name="triangle-alert"
                size={14}
                className={`mt-px ${problem.severity === 'error' ? 'text-danger' : 'text-warning'}`}
              />
              <span>
                {problem.message} <span className="muted">{problem.hint}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      <SchemaForm
        schema={manifest.config}
        config={node.config}
        problems={mine}
        disabled={readOnly}
        promoted={promoted}
        onChange={(field, value) => {
          const { act, graph } = store.getState();
          act(setField.label, setField.perform(graph, { node: node.id, field, value }), {
            key: `set ${node.id} ${field}`,
          });
        }}
        onPromote={(field, on) => {
          const { act, graph } = store.getState();
          act(promote.label, promote.perform(graph, { node: node.id, field: field.name, title: field.title, on }));
        }}
        recording={({ id, name, value, onChange }) => (
          <RecordingPicker
            id={id}
            workspaceId={store.getState().workspaceId}
            value={readRecording(value)}
            onChange={(next) => !readOnly && onChange(next ?? undefined)}
            outside={{ take: (files) => takeInto(store, node.id, name, files), uploadId: incoming }}
          />
        )}
      />
    </>
  );
}

function LastOutput({ node, manifest }: { node: GraphNode; manifest: ManifestJson }) {
  const store = useEditorStore();
  const run = useEditor((state) => state.run);
  return (
    <section className="insp-out" aria-label="Last output">
      <div className="row insp-oh">
        <h3 className="label">{run && run.state === 'running' ? 'Output' : 'Last output'}</h3>
        <span className="grow" />
        {run && <span className="t-12 muted">Run {run.number}</span>}
        <IconButton
          icon="maximize-2"
          size="xs"
          label="Open large"
          keys="enter"
          onClick={() => store.getState().set({ dialog: { kind: 'large', node: node.id } })}
        />
      </div>
      <Output node={node.id} manifest={manifest} />
    </section>
  );
}

function InputsTab({ node, manifest }: { node: GraphNode; manifest: ManifestJson }) {
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
          const from = catalogue.get(source?.type ?? '');
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

const RUN_STATES: Record<string, { label: string; tone: string }> = {
  running: { label: 'Running', tone: 'live' },
  succeeded: { label: 'Done', tone: '' },
  problems: { label: 'With problems', tone: 'bad' },
  cancelled: { label: 'Cancelled', tone: '' },
  stopped: { label: 'Stopped', tone: '' },
  failed: { label: 'Failed', tone: 'bad' },
};

/** Runs of this pipeline; choosing one shows it on the canvas. */
function HistoryTab() {
  const store = useEditorStore();
  const { workspaceId, pipelineId } = store.getState();
  const shown = useEditor((state) => state.run?.id);
  const runs = useQuery(trpc.runs.list.queryOptions({ workspaceId, pipelineId }));
  if (runs.error) return <ErrorOf error={runs.error} onRetry={() => void runs.refetch()} className="m-4" />;
  if (!runs.data) {
    return (
      <div className="p-4">
        <Loading>
          <Skeleton height={28} className="mb-2" />
          <Skeleton height={28} className="mb-2" />
          <Skeleton height={28} />
        </Loading>
      </div>
    );
  }
  if (runs.data.items.length === 0) {
    return (
      <Empty
        icon="list-video"
        title="No runs yet"
        text="Press Run to make the first one; the sample takes about two minutes and costs nothing."
      />
    );
  }
  return (
    <ul className="p-2">
      {runs.data.items.map(
        (run: {
          id: string;
          number: number;
          state: string;
          startedAt: string | null;
          endedAt: string | null;
          version: number | null;
        }) => {
          const state = RUN_STATES[run.state] ?? { label: run.state, tone: '' };
          const took =
            run.startedAt && run.endedAt
              ? duration((Date.parse(run.endedAt) - Date.parse(run.startedAt)) / 1000)
              : null;
          return (
            <li key={run.id}>
              <button
                type="button"
                className={`btn quiet w-full justify-start! ${run.id === shown ? 'on' : ''}`}
                aria-pressed={run.id === shown}
                onClick={() => store.getState().set({ runId: run.id })}
              >
                <span>Run {run.number}</span>
                <span className="faint font-normal">{run.version === null ? 'draft' : `v${run.version}`}</span>
                <span className="grow" />
                <span className="faint font-normal t-12">
                  {[took, run.startedAt && ago(run.startedAt)].filter(Boolean).join(', ')}
                </span>
                <span className={`badge ${state.tone}`}>{state.label}</span>
              </button>
            </li>
          );
        },
      )}
    </ul>
  );
}

const EFFECT_WORDS = {
  pure: 'Same inputs give the same result, so unchanged work is reused.',
  'reads-external': 'Asks a service outside this machine.',
  'writes-external': 'Changes something outside. A rehearsal only shows what it would do.',
};

function HelpTab({ manifest }: { manifest: ManifestJson }) {
  const reach = (manifest.capabilities.http ?? []).map((grant) => `${grant.host ?? 'its own account'}, ${grant.why}`);
  return (
    <div className="p-4 grid gap-4">
      <p>{manifest.help}</p>
      <p className="muted t-12">{EFFECT_WORDS[manifest.effect]}</p>
      {(['inputs', 'outputs'] as const).map((side) => {
        const ports = Object.entries(manifest[side]);
        return (
          ports.length > 0 && (
            <section key={side}>
              <h3 className="eyebrow mb-1">{side === 'inputs' ? 'Takes in' : 'Gives'}</h3>
              <ul className="grid gap-1.5">
                {ports.map(([name, port]) => (
                  <li key={name} className="row">
                    <PortGlyph type={port.type} list={port.list} />
                    <span>{portLabel(name, port)}</span>
                    <span className="faint t-12">
                      {[port.list ? 'list' : null, port.optional ? 'optional' : null].filter(Boolean).join(', ')}
                    </span>
                  </li>
                ))}
              </ul>
            </section>
          )
        );
      })}
      {reach.length > 0 && (
        <section>
          <h3 className="eyebrow mb-1">May contact</h3>
          <ul className="t-12 muted">
            {reach.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </section>
      )}
      {manifest.aliases.length > 0 && <p className="t-12 muted">Also found as {manifest.aliases.join(', ')}.</p>}
      <p className="faint mono">
        {manifest.id} {manifest.version}
      </p>
    </div>
  );
}
