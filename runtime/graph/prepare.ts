/**
 * A saved graph turned into what a run is started from: inputs filled in, settings changed for this run only, the part
 * that was asked for, and its plan. Pure; what is wrong comes back as problems.
 */
import { firstSteps } from './advance.ts';
import { expressionsIn, replaceExpressions, storedExpression } from './expression.ts';
import { type Catalogue, downstreamOf, upstreamOf } from './flow.ts';
import type { Graph, Problem } from './graph.ts';
import { type Plan, planOf } from './plan.ts';
import { problems } from './validate.ts';

export type RunRequest = {
  /** Values of the pipeline's named inputs. */
  inputs?: Record<string, unknown>;
  /** `Transcribe.engine=draft`: node by name or id. */
  set?: readonly { node: string; field: string; value: unknown }[];
  /** Only this node and what it needs. */
  only?: string;
  /** This node and what follows are made again, whatever is stored. */
  from?: string;
  /** Beside `from` and what follows only what they need: the rest is taken from an earlier run. */
  carried?: boolean;
};
export type Prepared =
  | { ok: true; graph: Graph; plan: Plan; first: { node: string; path: number[] }[]; afresh: string[] }
  | { ok: false; problems: Problem[] };

/** What a run is started with may come from outside, and nothing from outside is read as an expression. */
const FIXED = 'Write expressions into the settings of the pipeline; a run is given values.';

export function prepareRun(saved: Graph, catalogue: Catalogue, request: RunRequest = {}): Prepared {
  const found: Problem[] = [];
  const refuse = (code: string, message: string, hint: string | null) => {
    found.push({ severity: 'error', code, message, hint });
  };
  const config = new Map(saved.nodes.map((node) => [node.id, { ...node.config }]));
  for (const [name, value] of Object.entries(request.inputs ?? {})) {
    const input = saved.inputs.find((each) => each.name === name);
    if (expressionsIn(value).length > 0) refuse('RUN_VALUE_FIXED', `The value of ${name} is an expression.`, FIXED);
    else if (!input)
      refuse(
        'RUN_INPUT_UNKNOWN',
        `This pipeline has no input called ${name}.`,
        `It has ${listed(saved.inputs.map((each) => each.name))}.`,
      );
    else put(config.get(input.node), input.field, value);
  }
  for (const { node: name, field, value } of request.set ?? []) {
    const node =
      saved.nodes.find((each) => each.id === name) ??
      saved.nodes.find((each) => each.name.toLowerCase() === name.toLowerCase());
    if (expressionsIn(value).length > 0)
      refuse('RUN_VALUE_FIXED', `The value of ${name}.${field} is an expression.`, FIXED);
    else if (!node)
      refuse(
        'RUN_NODE_UNKNOWN',
        `This pipeline has no node called ${name}.`,
        `It has ${listed(saved.nodes.map((each) => each.name))}.`,
      );
    else put(config.get(node.id), field, value);
  }
  for (const wanted of [request.only, request.from]) {
    if (wanted !== undefined && !saved.nodes.some((node) => node.id === wanted)) {
      refuse('RUN_NODE_UNKNOWN', 'The node to run is not in this pipeline.', null);
    }
  }
  if (found.length > 0) return { ok: false, problems: found };

  const part = partOf(saved, request);
  const graph: Graph = {
    ...saved,
    nodes: saved.nodes
      .filter((node) => !part || part.has(node.id))
      .map((node) => ({ ...node, config: config.get(node.id)! as typeof node.config })),
    edges: saved.edges.filter((edge) => !part || (part.has(edge.from.node) && part.has(edge.to.node))),
    inputs: saved.inputs.filter((input) => !part || part.has(input.node)),
  };
  const errors = problems(graph, catalogue, { ready: true }).filter((problem) => problem.severity === 'error');
  if (graph.nodes.length === 0) {
    errors.push({
      severity: 'error',
      code: 'PIPELINE_EMPTY',
      message: 'There is nothing to run yet.',
      hint: 'Drag a node from the palette, or start from a template.',
    });
  }
  if (errors.length > 0) return { ok: false, problems: errors };
  // one that came as text only gets its tree: what runs is the tree
  graph.nodes = graph.nodes.map((node) => ({
    ...node,
    config: replaceExpressions(node.config, ({ $expression }) =>
      storedExpression($expression.text),
    ) as typeof node.config,
  }));
  const plan = planOf(graph, catalogue);
  return {
    ok: true,
    graph,
    plan,
    first: firstSteps(plan),
    afresh: request.from === undefined ? [] : [request.from, ...downstreamOf(graph, request.from)],
  };
}

/** The nodes of the run; undefined: all. */
function partOf(saved: Graph, { only, from, carried }: RunRequest): Set<string> | undefined {
  if (only !== undefined) return new Set([only, ...upstreamOf(saved, only)]);
  if (from === undefined || !carried) return undefined;
  const wanted = [from, ...downstreamOf(saved, from)];
  return new Set([...wanted, ...wanted.flatMap((id) => [...upstreamOf(saved, id)])]);
}

function put(config: Record<string, unknown> | undefined, field: string, value: unknown): void {
  if (config) Object.defineProperty(config, field, { value, enumerable: true, configurable: true, writable: true });
}

function listed(names: string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}
