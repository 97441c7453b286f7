/**
 * The triggers of a graph, and what a run of a published version is started with. Pure; shared by the server (webhooks,
 * turning on) and the runtime (schedules, feeds, uploads), so that a run is the same whoever starts it.
 */
import type { ManifestJson, TriggerKind } from '../../nodes/contract.ts';
import { type FieldProblem, resolveConfig } from './config.ts';
import type { Graph, Problem } from './graph.ts';
import type { Plan } from './plan.ts';
import { prepareRun } from './prepare.ts';
import { isZone, readWhen } from './schedule.ts';

/** Installed node types; `behaviour` is the digest that a run is pinned to. */
export type InstalledTypes = ReadonlyMap<string, { manifest: ManifestJson; behaviour: string }>;
export type TriggerNode = {
  node: string;
  name: string;
  type: string;
  kind: TriggerKind;
  config: Record<string, unknown>;
  /** A setting that is none as it stands: what happens outside of runs cannot take it from their data. */
  fault: FieldProblem | null;
  /** Its outputs that something takes from. */
  wired: string[];
};
/** What a run row says about its beginning. `sample`: in words, where it was not the real thing. */
export type RunTrigger = { node: string; kind: TriggerKind; event: unknown; sample: string | null };
export type Start = {
  graph: Graph;
  plan: Plan;
  pins: Record<string, { version: string; digest: string }>;
  first: { node: string; path: number[] }[];
};

/** In the order of the graph. */
export function triggersOf(graph: Graph, types: InstalledTypes): TriggerNode[] {
  return graph.nodes.flatMap((node): TriggerNode[] => {
    const manifest = types.get(node.type)?.manifest;
    if (manifest?.shape !== 'trigger' || !manifest.trigger) return [];
    const { config, problems } = resolveConfig(manifest.config, node.config);
    return [
      {
        node: node.id,
        name: node.name,
        type: node.type,
        kind: manifest.trigger.kind,
        config,
        fault: problems[0] ?? null,
        wired: [...new Set(graph.edges.filter((edge) => edge.from.node === node.id).map((edge) => edge.from.port))],
      },
    ];
  });
}

/** What a run of this graph begins with, or what keeps it from beginning. */
export function startOf(
  graph: Graph,
  types: InstalledTypes,
): { ok: true; start: Start } | { ok: false; problems: Problem[] } {
  const prepared = prepareRun(
    graph,
    [...types.values()].map((type) => type.manifest),
  );
  if (!prepared.ok) return { ok: false, problems: prepared.problems };
  const pins = Object.fromEntries(
    [...new Set(graph.nodes.map((node) => node.type))].map((type) => {
      const known = types.get(type)!;
      return [type, { version: known.manifest.version, digest: known.behaviour }];
    }),
  );
  const { plan, first } = prepared;
  return { ok: true, start: { graph: prepared.graph, plan, pins, first } };
}

/** Settings that no form can check by itself: what a person should correct before the trigger is turned on. */
export function triggerProblem(trigger: TriggerNode): Problem | undefined {
  if (trigger.fault) {
    return {
      severity: 'error',
      code: 'TRIGGER_SETTING',
      message: `A setting of ${trigger.name} is not fixed: ${trigger.fault.message}`,
      hint: 'What starts runs cannot take its settings from their data.',
      node: trigger.node,
      field: trigger.fault.field,
    };
  }
  if (trigger.kind !== 'schedule') return undefined;
  const { when, zone } = trigger.config as { when: string; zone: string };
  const reading = readWhen(when);
  const say = (field: string, message: string): Problem => ({
    severity: 'error',
    code: 'SCHEDULE_UNCLEAR',
    message,
    hint: `Correct it in the settings of ${trigger.name}.`,
    node: trigger.node,
    field,
  });
  if (!reading.ok) return say('when', reading.message);
  if (zone !== '' && !isZone(zone)) return say('zone', `There is no time zone called ${zone}.`);
  return undefined;
}

/** The event that a run started by hand takes: the last one that came, or the example of the node type. */
export function sampleFor(
  graph: Graph,
  types: InstalledTypes,
  given: { node?: string; inputs: Record<string, unknown>; now: string; last(node: string): RunTrigger | undefined },
): RunTrigger | null {
  const triggers = triggersOf(graph, types);
  const chosen =
    (given.node === undefined ? undefined : triggers.find((trigger) => trigger.node === given.node)) ??
    triggers.find((trigger) => trigger.kind === 'manual') ??
    triggers[0];
  if (!chosen) return null;
  if (chosen.kind === 'manual') {
    return { node: chosen.node, kind: 'manual', event: { at: given.now, inputs: given.inputs }, sample: null };
  }
  const last = given.last(chosen.node);
  if (last) return { ...last, sample: 'Started by hand, with the last event that came.' };
  if (chosen.kind === 'called') {
    const sample = 'Started by hand, with what Called has for that: nothing has called it yet.';
    return { node: chosen.node, kind: 'called', event: { outputs: null }, sample };
  }
  const example = types.get(chosen.type)!.manifest.example as { inputs?: { event?: unknown } };
  return {
    node: chosen.node,
    kind: chosen.kind,
    event: example.inputs?.event ?? {},
    sample: 'Started by hand, with an example: no event has come yet.',
  };
}

/**
 * What is written down of a beginning, as JSON text: `start` is the same for many events, so it is written once. `key`: a
 * digest of it, by which runs that go by the same plan are known.
 */
export function startText(start: Start, key: string): (trigger: RunTrigger) => string {
  const tail = JSON.stringify({ key, ...start }).slice(1);
  return (trigger) => `{"trigger":${JSON.stringify(storable(trigger))},${tail}`;
}

/** PostgreSQL's JSON has no U+0000 and no halves of characters; what came from outside may. */
function storable<T>(value: T): T {
  const text = JSON.stringify(value);
  if (!/\\u(?:0000|d[89a-f])/i.test(text)) return value;
  return JSON.parse(text, (_name, part) => cleaned(part)) as T;
}

function cleaned(part: unknown): unknown {
  if (typeof part === 'string') return part.toWellFormed().replaceAll('\0', '\ufffd');
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [cleaned(name), value]));
}
