/**
 * A setting that takes its value from what came before: the text with the names of nodes, what can be put into it, and
 * what it gives for the item in view while it is typed. The values are those of the run on show; without one, the
 * examples of the nodes before. Reading, checking and evaluating is runtime/graph, the same as in a run.
 */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import { resolveConfig } from '../../runtime/graph/config.ts';
import {
  evaluate,
  isExpression,
  isTemplate,
  movedOffset,
  type StoredExpression,
  storedExpression,
  usesOf,
  withNodes,
} from '../../runtime/graph/expression.ts';
import { checkExpression, schemaAt, spokenShape } from '../../runtime/graph/expression-types.ts';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { assembled, partOf, type Sampled, type Wanted, wantedOf } from '../../runtime/graph/sample.ts';
import { client } from '../api.ts';
import { useCurrentBrand } from '../brands/current-brand.ts';
import { type EditorState, framesOnce, manifestIn, useEditor } from '../canvas/store.ts';
import { problemOf } from '../problem.ts';
import { afterPress } from '../ui/after-press.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { TextArea } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { ExpressionPicker } from './expression-picker.tsx';
import type { Json } from './form-schema.ts';

export type ExpressionPlace = { node: string; path: readonly (string | number)[] };

type Props = {
  id: string;
  place: ExpressionPlace;
  title: string;
  stored: StoredExpression;
  disabled: boolean;
  onChange: (value: Json) => void;
};

const SHOWN_CHARACTERS = 600;

export function ExpressionBox({ id, place, title, stored, disabled, onChange }: Props) {
  const graph = useEditor((state) => state.graph);
  const noteId = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const [picking, setPicking] = useState(false);
  const { nameOf, idOf } = useMemo(() => namesOf(graph.nodes), [graph.nodes]);
  const kept = withNodes(stored.$expression.text, nameOf);
  const [draft, setDraft] = useState(kept);
  useEffect(() => setDraft(kept), [kept]);
  const commit = (text: string) => {
    if (text !== kept) onChange(storedExpression(withNodes(text, idOf)) as Json);
  };
  const put = (text: string) => {
    const { selectionStart: from = draft.length, selectionEnd: to = draft.length } = area.current ?? {};
    const before = draft.slice(0, from);
    const isOutside = isTemplate(draft) && before.lastIndexOf('{{') <= before.lastIndexOf('}}');
    const part = isOutside ? `{{ ${text} }}` : text;
    const next = before + part + draft.slice(to);
    setDraft(next);
    commit(next);
    setPicking(false);
    requestAnimationFrame(() => {
      area.current?.focus();
      area.current?.setSelectionRange(from + part.length, from + part.length);
    });
  };
  return (
    <div className="fx">
      <TextArea
        ref={area}
        id={id}
        className="mono"
        rows={Math.min(8, Math.max(2, draft.split('\n').length, Math.ceil(draft.length / 30)))}
        value={draft}
        disabled={disabled}
        spellCheck={false}
        autoCapitalize="off"
        aria-label={`${title}, as an expression`}
        aria-describedby={noteId}
        placeholder={'nodes.Transcribe.transcript.language\nor text with {{ values }} in it'}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => draft !== kept && afterPress(() => commit(draft))}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) commit(draft);
          if (event.key === 'Escape' && draft !== kept) {
            event.stopPropagation();
            setDraft(kept);
          }
        }}
      />
      <Preview
        id={noteId}
        place={place}
        stored={storedExpression(withNodes(draft, idOf))}
        onShow={(at) => {
          area.current?.focus();
          area.current?.setSelectionRange(at, draft.length);
        }}
      />
      {!disabled && (
        <span>
          <Button
            size="sm"
            icon={picking ? 'chevron-up' : 'plus'}
            aria-expanded={picking}
            onClick={() => setPicking(!picking)}
          >
            Insert a value
          </Button>
        </span>
      )}
      {picking && <ExpressionPicker node={place.node} onPick={put} onClose={() => setPicking(false)} />}
    </div>
  );
}

function namesOf(nodes: readonly GraphNode[]) {
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  const ids = new Map(nodes.map(({ id, name }) => [name, id]));
  return { nameOf: (id: string) => names.get(id), idOf: (name: string) => ids.get(name) };
}

/** Where the values of a preview come from, in words. */
type Source = {
  refs: ReadonlyMap<string, unknown>;
  now: string;
  from: string;
  cut: boolean;
  pending: boolean;
  /** Why something of it is not there, where that is no fault of the expression. */
  missing: string | null;
  failed: string | null;
};

function useSamples(place: ExpressionPlace, wanted: readonly Wanted[], path: readonly number[]): Source {
  const workspaceId = useEditor((state) => state.workspaceId);
  const run = useEditor((state) => state.run);
  const views = useEditor((state) => state.views);
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const opened = useRef(new Date().toISOString());
  const isRun = run !== null && wanted.every(({ node }) => views.has(node));
  const refs = wanted.map(({ from, node, port, keys }) => ({ from, node, port, keys }));
  const counts = wanted.map(({ node }) => views.get(node)?.state).join();
  const query = useQuery({
    queryKey: ['runs', 'sample', workspaceId, run?.id, place.node, path, refs, counts],
    queryFn: () => client.runs.sample.query({ workspaceId, runId: run!.id, nodeId: place.node, path: [...path], refs }),
    enabled: isRun && wanted.length > 0,
  });
  if (isRun && wanted.length > 0) {
    const samples = (query.data?.samples ?? []) as (Sampled & { made: boolean })[];
    const absent = samples.find(({ made }) => !made);
    const name = graph.nodes.find(({ id }) => id === absent?.node)?.name;
    return {
      refs: assembled(samples),
      now: query.data?.startedAt ?? run.startedAt,
      from: `from run ${run.number}`,
      cut: samples.some(({ cut }) => cut),
      pending: query.data === undefined && query.error === null,
      missing: absent ? `${name ?? absent.node} made no ${absent.port} here in run ${run.number}.` : null,
      failed: query.error ? problemOf(query.error).message : null,
    };
  }
  const examples = wanted.map((each): Sampled => {
    const given = exampleOf({ graph, catalogue }, each.node)[each.port];
    const value = each.from === 'each' && Array.isArray(given) ? given[path.at(-1) ?? 0] : given;
    return { ...each, ...partOf(value, each.keys), cut: false };
  });
  const from = wanted.length > 0 ? 'from the examples of its nodes' : '';
  return {
    refs: assembled(examples),
    now: opened.current,
    from,
    cut: false,
    pending: false,
    // an example says nothing about what these nodes will really make
    missing: wanted.length > 0 ? 'Run the pipeline once to see what this gives.' : null,
    failed: null,
  };
}

function exampleOf(state: Pick<EditorState, 'graph' | 'catalogue'>, node: string): Record<string, unknown> {
  const { outputs } = (manifestIn(state, node)?.example ?? {}) as { outputs?: Record<string, unknown> };
  return outputs ?? {};
}

type PreviewProps = { id: string; place: ExpressionPlace; stored: StoredExpression; onShow: (at: number) => void };

function Preview({ id, place, stored, onShow }: PreviewProps) {
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const workspaceId = useEditor((state) => state.workspaceId);
  const { brand } = useCurrentBrand(workspaceId);
  const [item, setItem] = useState(0);
  const frames = framesOnce(graph, catalogue);
  const manifest = frames.manifests.get(place.node);
  const field = manifest && schemaAt(manifest, place.path);
  const { tree, shape, faults } = checkExpression(stored, { graph, frames, node: place.node, field });
  const depth = frames.nodes.get(place.node)?.length ?? 0;
  const path = Array.from({ length: depth }, (_, level) => (level === depth - 1 ? item : 0));
  const isSound = tree !== null && faults.length === 0;
  const source = useSamples(place, isSound ? wantedOf(usesOf(tree)) : [], path);
  const outcome =
    isSound && !source.pending && source.failed === null
      ? evaluate(tree, { refs: source.refs, brand: brand?.kit ?? {}, run: { now: source.now }, path })
      : null;
  const told = faults[0] ?? (outcome && !outcome.ok ? outcome.error : undefined);
  const unknown = told?.code === 'EXPRESSION_ABSENT' && faults.length === 0 ? source.missing : null;
  const error = unknown === null ? told : undefined;
  const misfit =
    outcome?.ok && field
      ? resolveConfig({ type: 'object', properties: { value: field } }, { value: outcome.value }).problems[0]
      : undefined;
  const names = new Map(graph.nodes.map((node) => [node.id, node.name]));
  const at = error && movedOffset(stored.$expression.text, (key) => names.get(key), error.at);
  return (
    <div id={id} className="fx-out" role="status" aria-live="polite">
      {isSound && (source.pending || source.failed !== null) ? (
        <p className="faint">{source.failed ?? 'Reading values …'}</p>
      ) : unknown !== null ? (
        <p className="faint">{unknown}</p>
      ) : error ? (
        <p className="bad">
          <Icon name="circle-alert" size={12} />
          <span>
            {error.message}{' '}
            {at !== undefined && at > 0 && (
              <button type="button" className="link" onClick={() => onShow(at)}>
                at character {at + 1}
              </button>
            )}
            {error.hint && <span className="muted"> {error.hint}</span>}
          </span>
        </p>
      ) : (
        outcome?.ok && (
          <>
            <p className="fx-value">{shown(outcome.value)}</p>
            {misfit && (
              <p className="bad">
                <Icon name="circle-alert" size={12} />
                {misfit.message}
              </p>
            )}
          </>
        )
      )}
      <p className="row faint">
        <span className="grow">
          {[
            outcome?.ok ? spokenShape(shape) : null,
            source.from,
            source.cut ? 'from a shortened value' : null,
            depth > 0 ? `item ${item + 1}` : null,
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
        {depth > 0 && (
          <>
            <IconButton
              icon="chevron-left"
              size="xs"
              label="Previous item"
              disabled={item === 0}
              onClick={() => setItem(item - 1)}
            />
            <IconButton icon="chevron-right" size="xs" label="Next item" onClick={() => setItem(item + 1)} />
          </>
        )}
      </p>
    </div>
  );
}

function shown(value: unknown): string {
  if (value === '') return '(empty text)';
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

/** What a setting starts with as an expression: what it held. */
export function expressionFor(value: Json | undefined): Json {
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return storedExpression(isPlain && value !== '' ? JSON.stringify(value) : '') as Json;
}

/** The fixed value of an expression that is one; undefined: the default. */
export function fixedOf(value: Json | undefined): Json | undefined {
  const tree = isExpression(value) ? value.$expression.tree : null;
  return tree?.[0] === 'value' ? (tree[2] as Json) : undefined;
}
