/** The bar of the editor: where one is, whether it is saved, canvas or outline, who else, publish and run. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { trpc } from '../api.ts';
import { BrandSwitcher } from '../brands/brand-switcher.tsx';
import type { NodeView } from '../run-view.ts';
import { StartsButton } from '../triggers/starts-button.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { Segmented } from '../ui/field.tsx';
import { plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Menu, type MenuItem } from '../ui/menu.tsx';
import { Badge, Logo } from '../ui/parts.tsx';
import { setTheme, useTheme } from '../ui/theme.ts';
import { Tip } from '../ui/tooltip.tsx';
import { tellProblem } from './dialogs.tsx';
import type { Width } from './pipeline-page.tsx';
import { isOver } from './run-watch.ts';
import { useEditor, useEditorStore } from './store.ts';
import { useRunFrom } from './use-run.ts';

type View = 'canvas' | 'outline';
type TopBarProps = { view: View; onView: (view: View) => void; width: Width };

export function TopBar({ view, onView, width }: TopBarProps) {
  const store = useEditorStore();
  const { workspaceId } = store.getState();
  const past = useEditor((state) => state.past.at(-1));
  const future = useEditor((state) => state.future.at(-1));
  const readOnly = useEditor((state) => state.readOnly);
  const name = useEditor((state) => state.name);
  const narrow = width === 'narrow';
  return (
    <header className="top pr-2!">
      <Link to="/w/$workspaceId" params={{ workspaceId }} aria-label="Pipelines">
        <Logo />
      </Link>
      <BrandSwitcher workspaceId={workspaceId} compact={narrow} />
      <span className="sep" />
      <h1 className="sr">{name}</h1>
      <Title />
      <DraftBadge />
      <span className="grow" />
      <Segmented
        className={width === 'wide' || width === 'huge' ? 'ctr' : ''}
        label="View"
        value={view}
        options={[
          { value: 'canvas', label: 'Canvas' },
          { value: 'outline', label: 'Outline' },
        ]}
        onChange={(next) => onView(next === 'outline' ? 'outline' : 'canvas')}
      />
      <span className="grow" />
      {!readOnly && !narrow && (
        <span className="row gap-0!">
          <IconButton
            icon="undo-2"
            label={past ? `Undo: ${past.label}` : 'Undo'}
            keys="mod+z"
            disabled={!past}
            onClick={() => store.getState().undo()}
          />
          <IconButton
            icon="redo-2"
            label={future ? `Redo: ${future.label}` : 'Redo'}
            keys="mod+shift+z"
            disabled={!future}
            onClick={() => store.getState().redo()}
          />
        </span>
      )}
      <MoreMenu />
      {!narrow && <StartsButton />}
      {!readOnly && (
        <>
          <span className="sep" />
          <Button onClick={() => store.getState().set({ dialog: { kind: 'publish' } })}>Publish</Button>
        </>
      )}
      <RunButton />
    </header>
  );
}

function Title() {
  const store = useEditorStore();
  const queries = useQueryClient();
  const name = useEditor((state) => state.name);
  const readOnly = useEditor((state) => state.readOnly);
  const [editing, setEditing] = useState(false);
  const { workspaceId, pipelineId } = store.getState();
  const rename = useMutation(trpc.pipelines.rename.mutationOptions({ onError: tellProblem }));
  if (!editing) {
    return (
      <button
        type="button"
        className="title cut"
        title={readOnly ? name : 'Rename'}
        disabled={readOnly}
        onClick={() => setEditing(true)}
      >
        {name}
      </button>
    );
  }
  const done = (next: string | null) => {
    setEditing(false);
    const wanted = next?.trim() ?? '';
    if (wanted === '' || wanted === name) return;
    store.getState().set({ name: wanted });
    rename.mutate(
      { workspaceId, pipelineId, name: wanted },
      {
        onError: () => store.getState().set({ name }),
        onSuccess: () => void queries.invalidateQueries({ queryKey: trpc.pipelines.list.queryKey() }),
      },
    );
  };
  return (
    <span className="in sm w-56">
      <input
        aria-label="Name of this pipeline"
        defaultValue={name}
        maxLength={120}
        ref={(element) => element?.select()}
        onBlur={(event) => done(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') done(event.currentTarget.value);
          if (event.key === 'Escape') done(null);
        }}
      />
    </span>
  );
}

/** "Draft · 2 changes since v12", with a dot until everything is saved. */
function DraftBadge() {
  const store = useEditorStore();
  const save = useEditor((state) => state.save);
  const readOnly = useEditor((state) => state.readOnly);
  const run = useEditor((state) => state.run);
  const graph = useEditor((state) => state.draft.graph);
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as { run?: string };
  const { workspaceId, pipelineId } = store.getState();
  const pipeline = useQuery(trpc.pipelines.get.queryOptions({ workspaceId, pipelineId }));
  const version = pipeline.data?.publishedVersion ?? null;
  const published = useQuery({
    ...trpc.pipelines.version.queryOptions({ workspaceId, pipelineId, number: version ?? 0 }),
    enabled: version !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (readOnly && run && search.run) {
    return (
      <span className="row">
        <Badge tone="info">
          Run {run.number}
          {run.version === null ? '' : ` of v${run.version}`}, as it was
        </Badge>
        <Button
          size="xs"
          onClick={() =>
            void navigate({
              to: '.',
              search: (before: Record<string, unknown>) => ({ ...before, run: undefined }) as never,
            })
          }
        >
          Back to the draft
        </Button>
      </span>
    );
  }
  if (readOnly) return <Badge>You may look, not change</Badge>;
  const changes = published.data ? changesBetween(published.data.graph, graph) : null;
  const words =
    version === null
      ? 'Draft · not published yet'
      : changes === 0
        ? `Same as v${version}`
        : changes === null
          ? `Draft · since v${version}`
          : `Draft · ${plural(changes, 'change')} since v${version}`;
  const state = {
    saved: 'All changes are saved',
    waiting: 'Saving in a moment',
    saving: 'Saving',
    offline: 'Not saved: no connection',
  }[save];
  return (
    <Tip text={state}>
      <span className="badge" role="status" aria-label={`${words}. ${state}`}>
        {save !== 'saved' && (
          <span className={`dot w-1.5! h-1.5! ${save === 'offline' ? 'text-warning' : 'text-faint'}`} />
        )}
        {words}
      </span>
    </Tip>
  );
}

type Comparable = { nodes: readonly { id: string }[]; edges: readonly { id: string }[]; inputs: unknown };

/** Nodes and wires that are new, gone or different. Places do not count. */
export function changesBetween(before: Comparable, after: Comparable): number {
  const compare = (one: readonly { id: string }[], other: readonly { id: string }[]) => {
    const place = ({
      position: _position,
      width: _width,
      ...rest
    }: {
      id: string;
      position?: unknown;
      width?: unknown;
    }) => JSON.stringify(rest);
    const known = new Map(one.map((thing) => [thing.id, place(thing)]));
    const present = new Set(other.map((thing) => thing.id));
    return (
      other.filter((thing) => known.get(thing.id) !== place(thing)).length +
      one.filter((thing) => !present.has(thing.id)).length
    );
  };
  return (
    compare(before.nodes, after.nodes) +
    compare(before.edges, after.edges) +
    (JSON.stringify(before.inputs) === JSON.stringify(after.inputs) ? 0 : 1)
  );
}

function MoreMenu() {
  const store = useEditorStore();
  const theme = useTheme();
  const inspectorOpen = useEditor((state) => state.inspectorOpen);
  const { workspaceId, pipelineId } = store.getState();
  const name = useEditor((state) => state.name);
  const queries = useQueryClient();
  const exporting = async () => {
    try {
      const { json } = await queries.fetchQuery({
        ...trpc.pipelines.export.queryOptions({ workspaceId, pipelineId }),
        staleTime: 0,
      });
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
      link.download = `${name.replace(/[^\w-]+/g, '-').toLowerCase()}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (error) {
      tellProblem(error);
    }
  };
  const items: MenuItem[] = [
    {
      label: 'Search commands',
      icon: 'search',
      keys: 'mod+k',
      onSelect: () => store.getState().set({ dialog: { kind: 'commands' } }),
    },
    {
      label: 'Shortcuts',
      icon: 'keyboard',
      keys: '?',
      onSelect: () => store.getState().set({ dialog: { kind: 'shortcuts' } }),
    },
    {
      label: inspectorOpen ? 'Hide the inspector' : 'Show the inspector',
      icon: 'sliders-horizontal',
      keys: 'i',
      onSelect: () => store.getState().set({ inspectorOpen: !inspectorOpen }),
    },
    'line',
    {
      label: 'Starts by itself',
      icon: 'calendar-clock',
      onSelect: () => store.getState().set({ dialog: { kind: 'starts' } }),
    },
    { label: 'Versions', icon: 'history', onSelect: () => store.getState().set({ dialog: { kind: 'versions' } }) },
    { label: 'Export as JSON', icon: 'download', onSelect: () => void exporting() },
    'line',
    { caption: 'Theme' },
    { label: 'As the system', checked: theme === 'system', onSelect: () => setTheme('system') },
    { label: 'Light', checked: theme === 'light', onSelect: () => setTheme('light') },
    { label: 'Dark', checked: theme === 'dark', onSelect: () => setTheme('dark') },
  ];
  return <Menu align="end" width={240} trigger={<IconButton icon="ellipsis" label="More" />} items={items} />;
}

function RunButton() {
  const store = useEditorStore();
  const { run, stop, running, starting, stopping } = useRunFrom();
  const mayRun = useEditor((state) => state.mayRun);
  const brandId = useEditor((state) => state.brandId);
  const shown = useEditor((state) => state.run);
  const { workspaceId, pipelineId } = store.getState();
  const pipeline = useQuery(trpc.pipelines.get.queryOptions({ workspaceId, pipelineId }));
  const version = pipeline.data?.publishedVersion ?? null;
  if (!mayRun) return null;
  if (running && shown && !isOver(shown)) {
    return (
      <Button icon="square" busy={stopping} onClick={stop}>
        Stop
      </Button>
    );
  }
  const items: MenuItem[] = [
    { label: 'Run the draft', icon: 'play', keys: 'mod+enter', onSelect: () => run() },
    {
      label: 'See what it takes first',
      icon: 'eye',
      onSelect: () => run({ look: true }),
    },
    { label: 'Run without publishing', icon: 'send', note: 'a rehearsal', onSelect: () => run({ dryRun: true }) },
    ...(shown && isOver(shown) && shown.nodes.some(({ counts }: NodeView) => counts.failed + counts.cancelled > 0)
      ? [
          {
            label: `Continue run ${shown.number}`,
            icon: 'skip-forward',
            note: 'from what failed',
            onSelect: () =>
              store.getState().set({ dialog: { kind: 'continue', runId: shown.id, number: shown.number } }),
          },
        ]
      : []),
    'line',
    {
      label: version === null ? 'No version yet' : `Run v${version}`,
      icon: 'history',
      disabled: version === null,
      onSelect: () => run({ version: version ?? 'latest' }),
    },
    {
      label: 'Other versions',
      icon: 'list-video',
      disabled: version === null,
      onSelect: () => store.getState().set({ dialog: { kind: 'versions' } }),
    },
  ];
  return (
    <span className="inline-flex">
      <Button
        look="main"
        icon="play"
        className="split"
        busy={starting}
        disabled={brandId === null}
        onClick={() => run()}
      >
        Run
      </Button>
      <Menu
        align="end"
        width={240}
        trigger={
          <button type="button" className="btn main" aria-label="More ways to run" disabled={brandId === null}>
            <Icon name="chevron-down" size={14} />
          </button>
        }
        items={items}
      />
    </span>
  );
}
