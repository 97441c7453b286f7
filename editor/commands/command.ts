/**
 * What a command is: a name for people and a pure function from the graph and its arguments to operations. The store
 * applies them as one undo step. Nothing here knows the DOM; ids come from `newId` so that tests can fix them.
 */
import type { Graph, GraphNode } from '../../runtime/graph/graph.ts';
import type { Operation } from '../../runtime/graph/operations.ts';

export type Command<Args> = {
  /** In the past tense, for "Undo: …" and toasts. */
  label: string;
  perform: (graph: Graph, args: Args) => Operation[];
};

/** What is selected on the canvas: node ids as they are, others with their kind in front. */
export type Selection = ReadonlySet<string>;
export const sectionKey = (id: string) => `section:${id}`;
export const noteKey = (id: string) => `note:${id}`;
export const edgeKey = (id: string) => `edge:${id}`;

export type Picked = { nodes: string[]; edges: string[]; sections: string[]; notes: string[] };
export function pick(selection: Selection): Picked {
  const picked: Picked = { nodes: [], edges: [], sections: [], notes: [] };
  for (const key of selection) {
    const colon = key.indexOf(':');
    if (colon < 0) picked.nodes.push(key);
    else if (key.startsWith('edge:')) picked.edges.push(key.slice(5));
    else if (key.startsWith('section:')) picked.sections.push(key.slice(8));
    else picked.notes.push(key.slice(5));
  }
  return picked;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
/** Ten random letters: the chance of meeting another of 500 nodes is below 1 in 10^12. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => LETTERS[byte % 36]).join('');
}

/** `name`, or `name 2`, `name 3` … where it is taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  const stem = name.replace(/ \d+$/, '').slice(0, 74);
  let number = 2;
  while (taken.has(`${stem} ${number}`)) number += 1;
  return `${stem} ${number}`;
}
export const namesOf = (graph: Graph) => new Set(graph.nodes.map((node) => node.name));

export const GRID = 16;
export const snap = (value: number) => Math.round(value / GRID) * GRID;
export const snapped = (position: { x: number; y: number }) => ({ x: snap(position.x), y: snap(position.y) });

export function nodeById(graph: Graph, id: string): GraphNode | undefined {
  return graph.nodes.find((node) => node.id === id);
}
