/**
 * What the editor of one pipeline knows: the draft, the undo history, the selection, the run on show, and what the
 * hand is doing. One store per open pipeline; components read the slice they draw. Acts on the graph go through `act`,
 * which applies operations, remembers their inverse and leaves sending to sync.ts.
 */
import { createContext, useContext } from 'react';
import { createStore, type StoreApi, useStore } from 'zustand';
import type { ManifestJson } from '../../nodes/contract.ts';
import { analyseFrames, type Frames } from '../../runtime/graph/frames.ts';
import type { Graph, GraphNode, Problem } from '../../runtime/graph/graph.ts';
import type { Size } from '../../runtime/graph/layout.ts';
import { invertAll, type Operation, OperationRefused, type Refusal } from '../../runtime/graph/operations.ts';
import { problems } from '../../runtime/graph/validate.ts';
import type { LooseEnd } from '../commands/add-node.ts';
import { edgeKey, noteKey, sectionKey } from '../commands/command.ts';
import type { NodeView, RunView } from '../run-view.ts';
import { toast } from '../ui/toast.tsx';
import { type Draft, edit, openDraft, type Step } from './draft.ts';
import { glide, placesIn } from './glide.ts';

type Entry = { label: string; undo: Operation[]; redo: Operation[]; key: string | null; at: number };
export type SaveState = 'saved' | 'waiting' | 'saving' | 'offline';
export type Dialog =
  | null
  | { kind: 'publish' | 'shortcuts' | 'commands' | 'versions' | 'starts' }
  | { kind: 'large' | 'pin'; node: string }
  | { kind: 'run'; start: RunRequest }
  | { kind: 'continue'; runId: string; number: number };

/** What a run is started with. `version` absent: the draft as it stands. */
export type RunRequest = {
  version?: number | 'draft' | 'latest';
  dryRun?: boolean;
  /** An earlier run, whose inputs it takes. */
  again?: string;
  /** What comes before the part is taken from that run. */
  carryOver?: boolean;
  only?: string;
  from?: string;
  inputs?: Record<string, GraphNode['config'][string]>;
  /** Only shown first what it would do. */
  look?: boolean;
};

export type QuickAdd = {
  /** Where it opens, in pixels of the window. */
  screen: { x: number; y: number };
  /** Where the node goes, on the canvas. */
  flow: { x: number; y: number };
  from: LooseEnd | null;
};

/** A wire in the hand, or walked by keys. `fits`: "node/port" of every port it could join. */
export type Hand = { end: LooseEnd; fits: ReadonlySet<string>; byKeys: boolean; at: string | null };

export type EditorState = {
  workspaceId: string;
  pipelineId: string;
  name: string;
  brandId: string | null;
  catalogue: ReadonlyMap<string, ManifestJson>;
  /** Looking at a run of another graph, or not allowed to edit. */
  readOnly: boolean;
  mayRun: boolean;

  draft: Draft;
  /** What is drawn: the draft's graph, or the graph of the run on show. */
  graph: Graph;
  save: SaveState;
  past: Entry[];
  future: Entry[];

  selection: ReadonlySet<string>;
  /** Positions while the hand moves things, by selection key. */
  live: Readonly<Record<string, { x: number; y: number }>>;
  sizes: Readonly<Record<string, Size>>;

  /** The run that is followed; `run` is what is known of it. */
  runId: string | null;
  run: RunView | null;
  views: ReadonlyMap<string, NodeView>;

  hand: Hand | null;
  quickAdd: QuickAdd | null;
  dialog: Dialog;
  inspectorOpen: boolean;
  paletteOpen: boolean;
  /** An edge that the node in the hand would be put into. */
  spliceEdge: string | null;
  renaming: string | null;
  /** Uploads on their way into nodes, by node. */
  incoming: ReadonlyMap<string, string>;
  /** The node that files from the desktop hover over and would fill. */
  fileOver: string | null;
  recent: string[];

  act: (label: string, operations: readonly Operation[], options?: { key?: string; glide?: boolean }) => boolean;
  undo: () => void;
  redo: () => void;
  /** Takes the outcome of news from the server. */
  settle: (step: Step) => void;
  select: (keys: Iterable<string>) => void;
  showRun: (run: RunView | null) => void;
  set: (part: Partial<Settable>) => void;
};
type Settable = Pick<
  EditorState,
  | 'name'
  | 'brandId'
  | 'readOnly'
  | 'mayRun'
  | 'graph'
  | 'save'
  | 'live'
  | 'sizes'
  | 'hand'
  | 'quickAdd'
  | 'dialog'
  | 'inspectorOpen'
  | 'paletteOpen'
  | 'spliceEdge'
  | 'renaming'
  | 'incoming'
  | 'fileOver'
  | 'recent'
  | 'draft'
  | 'runId'
>;
export type EditorStore = StoreApi<EditorState>;

/** Two changes of one setting within this many milliseconds are one undo step. */
const ONE_ACT_MS = 1500;
const HISTORY = 200;
const GLIDE_MS = 360;

type Opened = {
  workspaceId: string;
  pipelineId: string;
  name: string;
  graph: Graph;
  revision: number;
  catalogue: readonly ManifestJson[];
  pending?: Operation[];
  readOnly?: boolean;
  mayRun?: boolean;
};

export function createEditorStore(opened: Opened): EditorStore {
  const { workspaceId, pipelineId, name, graph, revision, catalogue } = opened;
  const { draft, refused } = openDraft(graph, revision, opened.pending);
  const store = createStore<EditorState>((set, get) => {
    const present = (keys: Iterable<string>, graph: Graph) => {
      const known = new Set([
        ...graph.nodes.map((node) => node.id),
        ...graph.edges.map((edge) => edgeKey(edge.id)),
        ...graph.sections.map((section) => sectionKey(section.id)),
        ...graph.notes.map((note) => noteKey(note.id)),
      ]);
      return new Set([...keys].filter((key) => known.has(key)));
    };
    const adopt = (draft: Draft) => {
      const { run, readOnly, selection } = get();
      const graph = readOnly && run ? get().graph : draft.graph;
      const kept = present(selection, graph);
      return { draft, graph, ...(kept.size === selection.size ? {} : { selection: kept }) };
    };
    const replay = (label: string, operations: Operation[]): boolean => {
      const { draft } = get();
      try {
        set({ ...adopt(edit(draft, operations)), save: 'waiting' });
        return true;
      } catch (error) {
        if (!(error instanceof OperationRefused)) throw error;
        toast({ title: `${label} is not possible any more`, text: error.message, tone: 'warning' });
        return false;
      }
    };
    return {
      workspaceId,
      pipelineId,
      name,
      brandId: null,
      catalogue: new Map(catalogue.map((manifest) => [manifest.id, manifest])),
      readOnly: opened.readOnly ?? false,
      mayRun: opened.mayRun ?? true,
      draft,
      graph: draft.graph,
      save: draft.pending.length > 0 ? 'waiting' : 'saved',
      past: [],
      future: [],
      selection: new Set(),
      live: {},
      sizes: {},
      runId: null,
      run: null,
      views: new Map(),
      hand: null,
      quickAdd: null,
      dialog: null,
      inspectorOpen: true,
      paletteOpen: false,
      spliceEdge: null,
      renaming: null,
      incoming: new Map(),
      fileOver: null,
      recent: [],

      act(label, operations, { key, glide: glides } = {}) {
        const { draft, past, readOnly } = get();
        if (operations.length === 0) return false;
        if (readOnly) {
          toast({ id: 'read-only', title: 'This view cannot be changed', text: 'Go back to the draft to edit it.' });
          return false;
        }
        try {
          const undo = invertAll(draft.graph, operations);
          const next = edit(draft, operations);
          const last = past.at(-1);
          const now = Date.now();
          const joins = key !== undefined && last?.key === key && now - last.at < ONE_ACT_MS;
          const entry: Entry = joins
            ? { ...last, undo: [...undo, ...last.undo], redo: [...last.redo, ...operations], at: now }
            : { label, undo, redo: [...operations], key: key ?? null, at: now };
          const before = glides ? placesIn(store) : null;
          set({
            ...adopt(next),
            past: [...(joins ? past.slice(0, -1) : past), entry].slice(-HISTORY),
            future: [],
            save: 'waiting',
          });
          if (before) glide(store, before, GLIDE_MS);
          return true;
        } catch (error) {
          if (!(error instanceof OperationRefused)) throw error;
          toast({ title: 'That is not possible here', text: error.message, tone: 'warning' });
          return false;
        }
      },

      undo() {
        const { past, future, readOnly } = get();
        const entry = past.at(-1);
        if (!entry || readOnly) return;
        const before = placesIn(store);
        if (replay('Undo', entry.undo)) set({ future: [...future, { ...entry, key: null }] });
        set({ past: past.slice(0, -1) });
        glide(store, before, GLIDE_MS);
      },

      redo() {
        const { past, future, readOnly } = get();
        const entry = future.at(-1);
        if (!entry || readOnly) return;
        const before = placesIn(store);
        if (replay('Redo', entry.redo)) set({ past: [...past, { ...entry, key: null }] });
        set({ future: future.slice(0, -1) });
        glide(store, before, GLIDE_MS);
      },

      settle(step) {
        const { draft } = step;
        const save = draft.pending.length > 0 ? 'waiting' : draft.inflight ? 'saving' : 'saved';
        set({ ...adopt(draft), save });
        tellRefused(step.refused, get().graph);
      },

      select(keys) {
        const { graph, selection } = get();
        const next = present(keys, graph);
        const same = next.size === selection.size && [...next].every((key) => selection.has(key));
        if (!same) set({ selection: next });
      },

      showRun(run) {
        set({ run, views: new Map((run?.nodes ?? []).map((view: NodeView) => [view.nodeId, view])) });
      },

      set(part) {
        set(part);
      },
    };
  });
  tellRefused(refused, draft.graph);
  return store;
}

/** Says which of the person's changes did not fit what somebody else did meanwhile. */
function tellRefused(refused: readonly Refusal[], graph: Graph): void {
  const [first] = refused;
  if (!first) return;
  const { refused: operation, reason } = first;
  const id = operation.op === 'removeNode' ? operation.id : 'node' in operation ? operation.node : null;
  const name = typeof id === 'string' ? graph.nodes.find((node) => node.id === id)?.name : null;
  toast({
    title: refused.length === 1 ? 'One change was not kept' : `${refused.length} changes were not kept`,
    text: [name ? `${name}:` : null, reason].filter(Boolean).join(' '),
    tone: 'warning',
  });
}

export const EditorContext = createContext<EditorStore | null>(null);

export function useEditorStore(): EditorStore {
  const store = useContext(EditorContext);
  if (!store) throw new Error('no editor is open here');
  return store;
}

export function useEditor<T>(selector: (state: EditorState) => T): T {
  return useStore(useEditorStore(), selector);
}

// ---------------------------------------------------------------- what follows from the graph, worked out once a change

function remembered<R>(compute: (graph: Graph, catalogue: ReadonlyMap<string, ManifestJson>) => R) {
  const byGraph = new WeakMap<Graph, { catalogue: ReadonlyMap<string, ManifestJson>; result: R }>();
  return (graph: Graph, catalogue: ReadonlyMap<string, ManifestJson>): R => {
    const known = byGraph.get(graph);
    if (known?.catalogue === catalogue) return known.result;
    const result = compute(graph, catalogue);
    byGraph.set(graph, { catalogue, result });
    return result;
  };
}

export const framesOnce: (graph: Graph, catalogue: ReadonlyMap<string, ManifestJson>) => Frames =
  remembered(analyseFrames);
/** A node's manifest with the ports it really has on this canvas; undefined where its type is not installed. */
export function manifestIn(
  { graph, catalogue }: Pick<EditorState, 'graph' | 'catalogue'>,
  node: string,
): ManifestJson | undefined {
  return framesOnce(graph, catalogue).manifests.get(node);
}

export const problemsOnce: (graph: Graph, catalogue: ReadonlyMap<string, ManifestJson>) => Problem[] = remembered(
  (graph, catalogue) => problems(graph, catalogue),
);

/** Wires by the ports they end at, "node/port" → edges. */
export const wiredOnce = remembered((graph) => {
  const into = new Map<string, Graph['edges']>();
  const outOf = new Map<string, Graph['edges']>();
  for (const edge of graph.edges) {
    const to = `${edge.to.node}/${edge.to.port}`;
    const from = `${edge.from.node}/${edge.from.port}`;
    into.set(to, [...(into.get(to) ?? []), edge]);
    outOf.set(from, [...(outOf.get(from) ?? []), edge]);
  }
  return { into, outOf };
});
