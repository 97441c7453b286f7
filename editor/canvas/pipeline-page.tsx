/**
 * The page of one pipeline: reads catalogue and draft, opens the store, and lays out bar, palette, canvas or outline,
 * inspector and what floats above them, by the width of the window.
 */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { ReactFlowProvider } from 'reactflow';
import { trpc } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { Inspector } from '../inspector/inspector.tsx';
import { Outline } from '../outline/outline.tsx';
import { catalogueQuery } from '../runs/source.ts';
import { atLeast, useRole } from '../session/session.ts';
import { useTitle } from '../shell/page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Loading, Skeleton } from '../ui/parts.tsx';
import { useActs } from './acts.ts';
import { Canvas } from './canvas.tsx';
import { Dialogs } from './dialogs.tsx';
import { doers, useKeyboard } from './keyboard.ts';
import { Overview } from './overview.tsx';
import { Palette } from './palette.tsx';
import { PhoneBar, PhoneRun, PhoneTop } from './phone.tsx';
import { ProblemsPanel } from './problems.tsx';
import { QuickAddMenu } from './quick-add.tsx';
import { RunBar } from './run-bar.tsx';
import { useRunOnShow } from './run-watch.ts';
import { createEditorStore, EditorContext, type EditorStore, useEditor, useEditorStore } from './store.ts';
import { keptOperations, useDraftSync } from './sync.ts';
import { TopBar } from './top-bar.tsx';
import { usePin } from './use-pin.ts';
import { useRunFrom } from './use-run.ts';

export function PipelinePage() {
  const { workspaceId, pipelineId } = useParams({ strict: false }) as { workspaceId: string; pipelineId: string };
  const catalogue = useQuery(catalogueQuery(workspaceId));
  const pipeline = useQuery({ ...trpc.pipelines.get.queryOptions({ workspaceId, pipelineId }), staleTime: 0 });
  const role = useRole(workspaceId);
  const [store, setStore] = useState<EditorStore | null>(null);
  useTitle(pipeline.data?.name ?? 'Pipeline');

  const error = catalogue.error ?? pipeline.error;
  const ready = catalogue.data && pipeline.data && role !== undefined && !pipeline.isFetching;
  useEffect(() => {
    if (!ready || !catalogue.data || !pipeline.data) return;
    setStore((open) => {
      if (open && open.getState().pipelineId === pipelineId) return open;
      const { graph, revision, name } = pipeline.data;
      const kept = keptOperations(pipelineId);
      return createEditorStore({
        workspaceId,
        pipelineId,
        name,
        graph,
        revision,
        catalogue: catalogue.data,
        ...(kept ? { pending: kept.pending } : {}),
        readOnly: !atLeast(role, 'editor'),
        mayRun: atLeast(role, 'editor'),
      });
    });
  }, [ready, catalogue.data, pipeline.data, workspaceId, pipelineId, role]);

  if (error && !store) {
    return (
      <main className="page max-w-[560px]!">
        <ErrorOf
          error={error}
          onRetry={() => {
            void catalogue.refetch();
            void pipeline.refetch();
          }}
        />
      </main>
    );
  }
  if (!store || store.getState().pipelineId !== pipelineId) return <Shape />;
  return (
    <EditorContext value={store}>
      <ReactFlowProvider key={pipelineId}>
        <Editor />
      </ReactFlowProvider>
    </EditorContext>
  );
}

/** The real shape while it loads. */
function Shape() {
  return (
    <Loading sentence="The pipeline takes longer than usual to load.">
      <div className="top">
        <Skeleton width={24} height={24} />
        <Skeleton width={120} height={16} />
      </div>
      <div className="p-10 flex gap-12">
        {[0, 1, 2].map((index) => (
          <Skeleton key={index} width={184} height={180} className="rounded-3" />
        ))}
      </div>
    </Loading>
  );
}

export type Width = 'phone' | 'narrow' | 'medium' | 'wide' | 'huge';

function useWidth(): Width {
  const width = useSyncExternalStore(
    (listener) => {
      addEventListener('resize', listener);
      return () => removeEventListener('resize', listener);
    },
    () => innerWidth,
  );
  return width < 600 ? 'phone' : width < 900 ? 'narrow' : width < 1200 ? 'medium' : width < 1920 ? 'wide' : 'huge';
}

function Editor() {
  const store = useEditorStore();
  const acts = useActs();
  const width = useWidth();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const search = useSearch({ strict: false }) as { view?: 'canvas' | 'outline'; run?: string; node?: string };
  const { workspaceId, pipelineId } = store.getState();
  const { brand } = useCurrentBrand(workspaceId);
  const brandId = brand?.id ?? null;
  const view = search.view ?? (width === 'phone' ? 'outline' : 'canvas');

  useDraftSync();
  useRunOnShow(useCallback(() => void queries.invalidateQueries({ queryKey: trpc.runs.list.queryKey() }), [queries]));

  // The brand is the browser's, the run asked for is the address's: both are outside the store.
  useEffect(() => {
    if (store.getState().brandId === brandId) return;
    store.getState().set({ brandId, ...(search.run ? {} : { runId: null }) });
    if (!search.run) store.getState().showRun(null);
  }, [store, brandId, search.run]);
  const latest = useQuery({
    ...trpc.runs.latestFor.queryOptions({ workspaceId, pipelineId, brandId: brandId ?? '' }),
    enabled: brandId !== null && !search.run,
  });
  const latestId = latest.data?.id;
  useEffect(() => {
    if (search.run) store.getState().set({ runId: search.run });
    else if (latestId && store.getState().runId === null) store.getState().set({ runId: latestId });
  }, [store, search.run, latestId]);
  useEffect(() => {
    if (search.node) store.getState().select([search.node]);
  }, [store, search.node]);
  useRunGraph(search.run);

  const runFrom = useRunFrom();
  const runs = useRef(runFrom);
  runs.current = runFrom;
  const pin = usePin();
  const pins = useRef(pin);
  pins.current = pin;
  const showView = useCallback(
    (next: 'canvas' | 'outline') =>
      void navigate({
        to: '.',
        search: (before: Record<string, unknown>) => ({ ...before, view: next }) as never,
        replace: true,
      }),
    [navigate],
  );
  const act = useMemo(
    () =>
      doers(store, acts, {
        run: () => runs.current.run(),
        runFrom: (node) => runs.current.runNode(node, 'from'),
        togglePin: (node) => pins.current.toggle(node),
        toggleView: () => showView(view === 'canvas' ? 'outline' : 'canvas'),
      }),
    [store, acts, view, showView],
  );
  useKeyboard(store, acts, act, view === 'canvas');

  const selected = useEditor((state) => state.selection.size > 0);
  const inspectorOpen = useEditor((state) => state.inspectorOpen);
  const paletteOpen = useEditor((state) => state.paletteOpen);
  const readOnly = useEditor((state) => state.readOnly);
  const empty = useEditor((state) => state.graph.nodes.length === 0);

  if (width === 'phone') {
    return (
      <div className="phone">
        <PhoneTop view={view} onView={showView} />
        <PhoneRun />
        {view === 'outline' ? (
          <Outline />
        ) : (
          <div className="stage">
            <Canvas />
          </div>
        )}
        <PhoneBar />
        {selected && inspectorOpen && <Inspector shape="sheet" />}
        {paletteOpen && <Palette floating={true} />}
        <QuickAddMenu />
        <Dialogs act={act} />
      </div>
    );
  }
  const fixedPalette = (width === 'wide' || width === 'huge') && !readOnly;
  return (
    <>
      <TopBar view={view} onView={showView} width={width} />
      <div className={`ed ${fixedPalette ? '' : 'no-palette'}`} data-width={width}>
        {fixedPalette && <Palette floating={false} />}
        <div className="relative min-w-0 min-h-0 grid">
          {view === 'outline' ? <Outline /> : <Canvas />}
          {view === 'canvas' && empty && !readOnly && <FirstStep />}
          {!fixedPalette && !readOnly && (
            <div className="absolute left-3 top-3 z-[var(--z-panel)]">
              {!paletteOpen && (
                <IconButton
                  look="plain"
                  size="md"
                  icon="plus"
                  label="Add a node"
                  keys="/"
                  onClick={() => store.getState().set({ paletteOpen: true })}
                />
              )}
            </div>
          )}
          {!fixedPalette && paletteOpen && <Palette floating={true} />}
          <div className="floats">
            {view === 'canvas' && <ProblemsPanel />}
            <span className="grow" />
            <RunBar />
            {view === 'canvas' && width !== 'narrow' && <Overview />}
          </div>
        </div>
        {inspectorOpen && (width === 'wide' || width === 'huge') && <Inspector shape="side" />}
        {inspectorOpen && selected && width === 'medium' && <Inspector shape="over" />}
        {inspectorOpen && selected && width === 'narrow' && <Inspector shape="sheet" />}
      </div>
      <QuickAddMenu />
      <Dialogs act={act} />
    </>
  );
}

/** An empty canvas teaches in one sentence. */
function FirstStep() {
  const store = useEditorStore();
  const acts = useActs();
  const ingest = useEditor((state) => [...state.catalogue.values()].find((manifest) => manifest.family === 'source'));
  return (
    <div className="empty absolute inset-0 m-auto h-fit pointer-events-none">
      <h3 className="h-16">Start with a recording</h3>
      <p>Add Ingest, then draw a wire from it to what should happen next.</p>
      {ingest && (
        <Button className="pointer-events-auto" look="main" icon="plus" onClick={() => acts.add(ingest)}>
          Add {ingest.title}
        </Button>
      )}
      <Button
        className="pointer-events-auto"
        look="quiet"
        onClick={() => store.getState().set({ dialog: { kind: 'commands' } })}
      >
        Search everything
      </Button>
    </div>
  );
}

/** A run asked for by its address is shown on the graph it ran with, which cannot be changed. */
function useRunGraph(asked: string | undefined): void {
  const store = useEditorStore();
  const role = useRole(store.getState().workspaceId);
  const run = useEditor((state) => state.run);
  const viewed = asked && run?.id === asked ? run : null;
  const differs =
    viewed !== null && JSON.stringify(shapeOf(viewed.graph)) !== JSON.stringify(shapeOf(store.getState().draft.graph));
  useEffect(() => {
    const { set, draft } = store.getState();
    if (viewed && differs) set({ graph: viewed.graph, readOnly: true });
    else set({ graph: draft.graph, readOnly: !atLeast(role, 'editor') });
  }, [store, viewed, differs, role]);
}

/** What a graph does, without where it lies on the canvas. */
const shapeOf = (graph: {
  nodes: readonly { id: string; type: string; config: unknown }[];
  edges: readonly { from: unknown; to: unknown }[];
}) => [graph.nodes.map(({ id, type, config }) => [id, type, config]), graph.edges.map(({ from, to }) => [from, to])];
