/**
 * What the steps of a strand are given: the rows that they are decided from, the values behind those, and their settings with
 * what the expressions in them give.
 */
import type { Database } from '../db/connect.ts';
import type { Claimed, LedgerStep } from '../db/ledger.ts';
import { runInstant } from '../db/runs.ts';
import { digestOf } from '../db/values.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { ManifestJson } from '../nodes/contract.ts';
import { type Part, type Path, type Settled, stepKey } from './graph/advance.ts';
import { convert } from './graph/convert.ts';
import { referenceKey } from './graph/expression.ts';
import { ERROR_PORT } from './graph/graph.ts';
import type { PlanNode, PlanTake } from './graph/plan.ts';
import { workOut } from './graph/settings.ts';
import type { Item, RunPlan } from './strand.ts';
import type { Values } from './values.ts';

export class StepInputs {
  readonly #db: Database;
  readonly #claimed: Claimed;
  readonly #run: RunPlan;
  readonly #node: PlanNode;
  readonly #values: Values;
  readonly #steps: Map<string, LedgerStep>;

  constructor(db: Database, values: Values, claimed: Claimed, run: RunPlan, node: PlanNode) {
    this.#db = db;
    this.#values = values;
    this.#claimed = claimed;
    this.#run = run;
    this.#node = node;
    this.#steps = new Map(claimed.inputs.map((step) => [stepKey(step.node, step.path), step]));
  }

  settledAt(node: string, path: Path): Settled | undefined {
    const step = this.#steps.get(stepKey(node, path));
    if (!step || step.state === 'cancelled') return undefined;
    const outputs = Object.fromEntries(Object.entries(step.outputs).map(([port, stored]) => [port, stored.count]));
    return { state: step.state, cause: step.cause, outputs };
  }

  /** The values behind one piece of an input; a whole list gives one for each member. */
  async load(part: Part, intoList: boolean): Promise<{ value: unknown; digest: string }[]> {
    const step = this.#steps.get(stepKey(part.node, part.path))!;
    const converted = (value: unknown, digest: string) => {
      if (!part.source.convert) return { value, digest };
      const made = convert(value, ...part.source.convert);
      return { value: made, digest: digestOf(made) };
    };
    if (part.port === ERROR_PORT) return [converted(step.error, digestOf(step.error))];
    const stored = step.outputs[part.port]!;
    if (part.index !== null) {
      const member = await this.#values.member(stored, part.index);
      return [converted(member.value, member.digest)];
    }
    if (stored.count === null || !intoList) return [converted(await this.#values.load(stored), stored.digest)];
    const members: { value: unknown; digest: string }[] = [];
    for (let index = 0; index < stored.count; index++) {
      const member = await this.#values.member(stored, index);
      members.push(converted(member.value, member.digest));
    }
    return members;
  }

  /** Works its settings out: the same for every item, unless expressions stand in them. */
  async configure(item: Item, manifest: ManifestJson): Promise<void> {
    const { config } = this.#run.graph.nodes.find((each) => each.id === this.#node.id)!;
    const refs = new Map<string, unknown>();
    for (const take of this.#node.takes ?? []) refs.set(referenceKey(take), await this.#taken(take, item.path));
    const now = this.#node.takesNow ? await this.#instant() : '';
    const nameOf = (id: string) => this.#run.plan.nodes[id]?.name;
    const settings = workOut(manifest, config, { refs, brand: this.#run.kit, run: { now }, path: item.path }, nameOf);
    if (settings.ok) item.config = settings.config;
    else item.fault = settings.error;
  }

  /** What an expression takes from another node at this item; undefined where that made nothing. */
  async #taken({ from, node, port, depth }: PlanTake, path: number[]): Promise<unknown> {
    const step = this.#steps.get(stepKey(node, path.slice(0, depth)));
    const stored = step?.state === 'done' && Object.hasOwn(step.outputs, port) ? step.outputs[port] : undefined;
    if (!stored) return undefined;
    if (from === 'nodes') return this.#values.load(stored);
    const index = path[depth];
    if (index === undefined || index >= (stored.count ?? 0)) return undefined;
    return (await this.#values.member(stored, index)).value;
  }

  /** When the run began: what `now()` is in all of its expressions. */
  #instant(): Promise<string> {
    const { id, workspaceId } = this.#claimed.run;
    if (!this.#run.instant) {
      const asked = inWorkspace(this.#db, workspaceId, (tx) => runInstant(tx, id));
      this.#run.instant = asked;
      // what could not be read once is asked again
      asked.catch(() => delete this.#run.instant);
    }
    return this.#run.instant;
  }
}
