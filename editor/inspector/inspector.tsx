/** The inspector: settings, inputs, history and help of the selected node, and what it made last. */
import './inspector.css';
import { Tabs } from 'radix-ui';
import { useMemo, useRef, useState } from 'react';
import type { ManifestJson } from '../../nodes/contract.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { useActs } from '../canvas/acts.ts';
import { NodeMenu } from '../canvas/node-menu.tsx';
import { manifestIn, useEditor, useEditorStore } from '../canvas/store.ts';
import { useRunFrom } from '../canvas/use-run.ts';
import { pick } from '../commands/command.ts';
import { rename } from '../commands/edit.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Empty } from '../ui/parts.tsx';
import { HelpTab } from './help-tab.tsx';
import { HistoryTab } from './history-tab.tsx';
import { InputsTab } from './inputs-tab.tsx';
import { Output } from './output.tsx';
import { PinBox } from './pin-box.tsx';
import { Settings } from './settings-tab.tsx';
import { WireInspector } from './wire-inspector.tsx';

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
  const manifest = useEditor((state) => (node ? manifestIn(state, node.id) : undefined));
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
          {node.pin && <PinBox node={node} manifest={manifest} />}
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
