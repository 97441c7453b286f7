/**
 * Which strands begin for certain with the tokens that settled steps send, and which tokens have to be counted first.
 * Where one settled step sends all that a step waits for, no counter is needed: nobody else can be the last. The same
 * rule as in `ledger_arrive` (db/migrations/0005_ledger_functions.sql). Pure.
 */
import type { Token } from './advance.ts';
import type { Lane, Plan } from './plan.ts';

export type NewStrand = { node: string; prefix: number[]; lo: number | null; hi: number | null; lane: Lane };

/** Siblings of a ranged node share a strand of up to this many items. */
const RANGE_ITEMS = 64;

export function strandsOf(plan: Plan, tokens: readonly Token[]): { strands: NewStrand[]; counted: Token[] } {
  const strands: NewStrand[] = [];
  const counted = new Map<string, Token>();
  for (const token of tokens) {
    const node = plan.nodes[token.node]!;
    const depth = token.path.length + (token.spread === null ? 0 : 1);
    if (token.kind === 's' && depth === node.frame.length && node.needs[depth] === token.count) {
      if (token.spread !== null) {
        for (let item = 0; item < token.spread; item++) begin(strands, plan, token.node, token.path, item);
      } else if (depth === 0) strands.push({ node: token.node, prefix: [], lo: null, hi: null, lane: node.lane });
      else begin(strands, plan, token.node, token.path.slice(0, -1), token.path.at(-1)!);
      continue;
    }
    const key = `${token.kind} ${token.node} ${token.path.join('.')} ${token.spread}`;
    const known = counted.get(key);
    if (!known) counted.set(key, { ...token });
    else {
      known.count += token.count;
      known.length ??= token.length;
    }
  }
  return { strands, counted: [...counted.values()] };
}

/** Alone, or in the range of its neighbour. */
function begin(strands: NewStrand[], plan: Plan, nodeId: string, prefix: readonly number[], item: number): void {
  const node = plan.nodes[nodeId]!;
  if (node.ranged) {
    const last = strands.findLast((strand) => strand.node === nodeId);
    const isNext =
      last?.hi === item - 1 &&
      Math.floor(last.hi / RANGE_ITEMS) === Math.floor(item / RANGE_ITEMS) &&
      last.prefix.length === prefix.length &&
      last.prefix.every((index, at) => index === prefix[at]);
    if (last && isNext) {
      last.hi = item;
      return;
    }
  }
  strands.push({ node: nodeId, prefix: [...prefix], lo: item, hi: item, lane: node.lane });
}
