/**
 * What a run must come to, worked out from the rules of lists alone and without looking at the runtime.
 *
 * Written only from the rules (frames, maps, gathers, skips, failures): it evaluates the whole graph from left to
 * right, knows everything at once, and has no queue, no counters and no clock. The runtime must reach the same
 * states and the same inputs in every order its workers may happen to choose.
 */
import type { ManifestJson } from '../../nodes/contract.ts';
import { ERROR_PORT, type Graph, type GraphEdge, type GraphNode } from '../../runtime/graph/graph.ts';

/** What a node's code does at one item path. A list output is given by its members. */
export type Outcome = { kind: 'ok'; outputs: Record<string, string | string[]> } | { kind: 'fail' };
export type World = {
  graph: Graph;
  catalogue: ManifestJson[];
  /** `inputs`: a list port holds an array; an absent optional port is missing. Pure in its arguments. */
  outcome(nodeId: string, path: readonly number[], inputs: Record<string, string | string[]>): Outcome;
  /** What a wired error output carries. */
  errorOf?(nodeId: string): string;
  /** Of a join that did not wait for all: the steps it waited for. Undefined: for all that it reads. */
  arrived?(nodeId: string, path: readonly number[]): ReadonlySet<string> | undefined;
};

export type Settled =
  | { state: 'succeeded'; inputs: Record<string, string | string[]>; outputs: Record<string, string | string[]> }
  | { state: 'failed'; inputs: Record<string, string | string[]> }
  /** `cause`: the step whose failure is named, as `node@0.1` */
  | { state: 'blocked'; cause: string }
  | { state: 'skipped' };

export type Verdict = {
  /** node id → origins of its frame, outermost first, as `node.port` */
  frames: Map<string, string[]>;
  /** `node@0.1` → what became of that step; nodes that have no step at all are simply not in here */
  steps: Map<string, Settled>;
  /** `node@0.1` → the steps that it is decided from */
  reads: Map<string, string[]>;
  run: 'succeeded' | 'finished with problems';
};

export const stepKey = (node: string, path: readonly number[]) => `${node}@${path.join('.')}`;

type At = { kind: 'present'; value: string | string[] } | { kind: 'absent' } | { kind: 'failed'; cause: string };
const ABSENT: At = { kind: 'absent' };

export function judge(world: World): Verdict {
  const manifests = new Map(world.catalogue.map((manifest) => [manifest.id, manifest]));
  const nodes = new Map(world.graph.nodes.map((node) => [node.id, node]));
  const manifestOf = (node: GraphNode) => manifests.get(node.type)!;
  const into = (id: string) => world.graph.edges.filter((edge) => edge.to.node === id);
  const errorIsWired = (id: string) =>
    world.graph.edges.some((edge) => edge.from.node === id && edge.from.port === ERROR_PORT);

  const givesList = (edge: GraphEdge) =>
    edge.from.port !== ERROR_PORT && manifestOf(nodes.get(edge.from.node)!).outputs[edge.from.port]!.list;
  const wantsList = (edge: GraphEdge) => manifestOf(nodes.get(edge.to.node)!).inputs[edge.to.port]!.list;
  const how = (edge: GraphEdge) =>
    givesList(edge) === wantsList(edge) ? 'as it is' : givesList(edge) ? 'map' : 'gather';

  const frames = new Map<string, string[]>();
  const steps = new Map<string, Settled>();
  const reads = new Map<string, string[]>();
  /** What came out of one output port at one path of its node. */
  const emitted = new Map<string, At>();
  const emittedKey = (node: string, port: string, path: readonly number[]) => `${node}.${port}@${path.join('.')}`;

  /** The list that an origin made at a path of the node that made it. */
  const listOf = (origin: string, path: readonly number[]): At => {
    const [node, portName] = origin.split('.') as [string, string];
    return emitted.get(emittedKey(node, portName, path)) ?? ABSENT;
  };

  /** All item paths of a frame, in path order; where a list is absent or failed there are none below it. */
  const pathsOf = (frame: string[]): number[][] => {
    let paths: number[][] = [[]];
    for (const [depth, origin] of frame.entries()) {
      const frameOfOrigin = frames.get(origin.split('.')[0]!)!;
      paths = paths.flatMap((path) => {
        const list = listOf(origin, path.slice(0, frameOfOrigin.length));
        if (frameOfOrigin.length !== depth) throw new Error('an origin lies exactly one level above what it maps');
        return list.kind === 'present' ? (list.value as string[]).map((_, index) => [...path, index]) : [];
      });
    }
    return paths;
  };

  for (const id of inFlowOrder(world.graph)) {
    const node = nodes.get(id)!;
    const manifest = manifestOf(node);
    const edges = into(id);
    const frameOfEdge = (edge: GraphEdge): string[] => {
      const source = frames.get(edge.from.node)!;
      if (how(edge) === 'map') return [...source, `${edge.from.node}.${edge.from.port}`];
      if (how(edge) === 'gather') return source.slice(0, -1);
      return source;
    };
    const frame = edges.map(frameOfEdge).reduce((a, b) => (b.length > a.length ? b : a), [] as string[]);
    frames.set(id, frame);

    /** The steps that a wire brings something from. */
    const readOver = (edge: GraphEdge, path: number[]): string[] => {
      const { node: from } = edge.from;
      const source = frames.get(from)!;
      if (how(edge) !== 'gather' || source.length === 0) return [stepKey(from, path.slice(0, source.length))];
      const above = path.slice(0, source.length - 1);
      const list = listOf(source.at(-1)!, above);
      const members = list.kind === 'present' ? (list.value as string[]).map((_, index) => [...above, index]) : [];
      return [stepKey(source.at(-1)!.split('.')[0]!, above), ...members.map((member) => stepKey(from, member))];
    };

    const arriving = (edge: GraphEdge, path: number[]): At => {
      const { node: from, port } = edge.from;
      const source = frames.get(from)!;
      switch (how(edge)) {
        case 'as it is':
          return emitted.get(emittedKey(from, port, path.slice(0, source.length))) ?? ABSENT;
        case 'map': {
          const list = emitted.get(emittedKey(from, port, path.slice(0, source.length))) ?? ABSENT;
          if (list.kind !== 'present') return list;
          const member = (list.value as string[])[path[source.length]!];
          return member === undefined ? ABSENT : { kind: 'present', value: member };
        }
        default: {
          if (source.length === 0) {
            const only = emitted.get(emittedKey(from, port, [])) ?? ABSENT;
            return only.kind === 'present' ? { kind: 'present', value: [only.value as string] } : only;
          }
          const above = path.slice(0, source.length - 1);
          const list = listOf(source.at(-1)!, above);
          if (list.kind !== 'present') return list;
          const members = (list.value as string[]).map(
            (_, index) => emitted.get(emittedKey(from, port, [...above, index])) ?? ABSENT,
          );
          const failed = members.find((member) => member.kind === 'failed');
          if (failed && !edge.leaveOutFailed) return failed;
          return {
            kind: 'present',
            value: members.flatMap((member) => (member.kind === 'present' ? [member.value as string] : [])),
          };
        }
      }
    };

    for (const path of pathsOf(frame)) {
      const at: Record<string, At> = {};
      const arrived = world.arrived?.(id, path);
      reads.set(stepKey(id, path), [...new Set(edges.flatMap((edge) => readOver(edge, path)))]);
      for (const [portName, declared] of Object.entries(manifest.inputs)) {
        const values = edges
          .filter((edge) => edge.to.port === portName)
          .map((edge) => {
            const isLeftOut = arrived && !readOver(edge, path).every((key) => arrived.has(key));
            return isLeftOut ? ABSENT : arriving(edge, path);
          });
        const failed = values.find((value) => value.kind === 'failed');
        const present = values.filter((value) => value.kind === 'present');
        if (failed) at[portName] = failed;
        else if (present.length === 0) at[portName] = ABSENT;
        else if (!declared.list) at[portName] = present[0]!;
        else at[portName] = { kind: 'present', value: present.flatMap((value) => value.value as string[]) };
      }
      const required = Object.entries(at).filter(([name]) => !manifest.inputs[name]!.optional);
      const blocking = required.find(([, value]) => value.kind === 'failed')?.[1];
      const emit = (portName: string, value: At) => emitted.set(emittedKey(id, portName, path), value);
      const emitAll = (value: At) => {
        for (const portName of Object.keys(manifest.outputs)) emit(portName, value);
      };
      const key = stepKey(id, path);
      if (blocking?.kind === 'failed') {
        steps.set(key, { state: 'blocked', cause: blocking.cause });
        emitAll(blocking);
        emit(ERROR_PORT, blocking);
        continue;
      }
      if (required.some(([, value]) => value.kind === 'absent')) {
        steps.set(key, { state: 'skipped' });
        continue;
      }
      const inputs = Object.fromEntries(
        Object.entries(at).flatMap(([name, value]) => (value.kind === 'present' ? [[name, value.value]] : [])),
      );
      const outcome = world.outcome(id, path, inputs);
      if (outcome.kind === 'ok') {
        steps.set(key, { state: 'succeeded', inputs, outputs: outcome.outputs });
        for (const [portName, value] of Object.entries(outcome.outputs)) emit(portName, { kind: 'present', value });
      } else {
        steps.set(key, { state: 'failed', inputs });
        if (errorIsWired(id)) emit(ERROR_PORT, { kind: 'present', value: world.errorOf?.(id) ?? `error of ${key}` });
        else emitAll({ kind: 'failed', cause: key });
      }
    }
  }

  const troubled = [...steps.entries()].some(
    ([key, step]) => step.state === 'blocked' || (step.state === 'failed' && !errorIsWired(key.split('@')[0]!)),
  );
  return { frames, steps, reads, run: troubled ? 'finished with problems' : 'succeeded' };
}

/** Node ids so that each comes after everything it takes from. */
function inFlowOrder(graph: Graph): string[] {
  const done = new Set<string>();
  const order: string[] = [];
  const visit = (id: string) => {
    if (done.has(id)) return;
    done.add(id);
    for (const edge of graph.edges) if (edge.to.node === id) visit(edge.from.node);
    order.push(id);
  };
  for (const node of graph.nodes) visit(node.id);
  return order;
}
