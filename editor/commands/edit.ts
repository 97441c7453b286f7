/** The small edits: a setting, a name, a width, a promoted input, notes, sections, a wire's "leave out failed". */
import type { GraphInput, GraphNode, Limits, Pin, Policy } from '../../runtime/graph/graph.ts';
import type { Size } from '../../runtime/graph/layout.ts';
import { type Command, newId, nodeById, pick, type Selection, snapped } from './command.ts';

type Json = GraphNode['config'][string];

/** `value` undefined: back to the default. */
export const setField: Command<{ node: string; field: string; value: Json | undefined }> = {
  label: 'Setting changed',
  perform(graph, { node: id, field, value }) {
    const node = nodeById(graph, id);
    if (!node || JSON.stringify(node.config[field]) === JSON.stringify(value)) return [];
    return [{ op: 'setConfig', node: id, field, ...(value === undefined ? {} : { value }) }];
  },
};

export const rename: Command<{ node: string; name: string }> = {
  label: 'Renamed',
  perform(graph, { node, name }) {
    const wanted = name.trim().slice(0, 80);
    return wanted === '' || nodeById(graph, node)?.name === wanted ? [] : [{ op: 'renameNode', node, name: wanted }];
  },
};

/** `width` null: the standard one. */
export const resize: Command<{ node: string; width: number | null }> = {
  label: 'Width changed',
  perform(graph, { node, width }) {
    return (nodeById(graph, node)?.width ?? null) === width ? [] : [{ op: 'resizeNode', node, width }];
  },
};

/** Parts that are undefined are the node type's own; without any part there is no policy. */
export const setPolicy: Command<{ node: string; policy: { [K in keyof Policy]: Policy[K] | undefined } }> = {
  label: 'Retries and limits changed',
  perform(graph, { node: id, policy }) {
    const node = nodeById(graph, id);
    const parts = Object.entries(policy).filter(([, value]) => value !== undefined);
    const next = parts.length === 0 ? null : (Object.fromEntries(parts) as Policy);
    if (!node || JSON.stringify(node.policy ?? null) === JSON.stringify(next)) return [];
    return [{ op: 'setPolicy', node: id, policy: next }];
  },
};

/** `pin` null: the node runs. */
export const setPin: Command<{ node: string; pin: Pin | null }> = {
  label: 'Pinned',
  perform(graph, { node: id, pin }) {
    const node = nodeById(graph, id);
    if (!node || JSON.stringify(node.pin ?? null) === JSON.stringify(pin)) return [];
    return [{ op: 'setPin', node: id, pin }];
  },
};

/** Parts that are undefined are not limited; without any part there are no limits. */
export const setLimits: Command<{ [K in keyof Limits]: Limits[K] | undefined }> = {
  label: 'Limits changed',
  perform(graph, limits) {
    const parts = Object.entries(limits).filter(([, value]) => value !== undefined);
    const next = parts.length === 0 ? null : (Object.fromEntries(parts) as Limits);
    return JSON.stringify(graph.limits ?? null) === JSON.stringify(next) ? [] : [{ op: 'setLimits', limits: next }];
  },
};

/** Makes a setting an input of the whole pipeline, or takes that back. */
export const promote: Command<{ node: string; field: string; title: string; on: boolean }> = {
  label: 'Inputs changed',
  perform(graph, { node, field, title, on }) {
    const others = graph.inputs.filter((input) => input.node !== node || input.field !== field);
    if (!on) return others.length === graph.inputs.length ? [] : [{ op: 'setInputs', inputs: others }];
    if (others.length < graph.inputs.length) return [];
    const taken = new Set(graph.inputs.map((input) => input.name));
    let name = field;
    for (let number = 2; taken.has(name); number += 1) name = `${field}${number}`;
    const input: GraphInput = { name, title: title.slice(0, 80), node, field };
    return [{ op: 'setInputs', inputs: [...graph.inputs, input] }];
  },
};

export const leaveOutFailed: Command<{ edge: string; on: boolean }> = {
  label: 'Wire changed',
  perform: (_graph, { edge, on }) => [{ op: 'setEdge', edge, leaveOutFailed: on }],
};

export const addNote: Command<{ position: { x: number; y: number }; id?: string }> = {
  label: 'Note added',
  perform: (_graph, { position, id = newId() }) => [
    { op: 'addNote', note: { id, text: '', position: snapped(position), size: { width: 184, height: 72 } } },
  ],
};

export const setNoteText: Command<{ note: string; text: string }> = {
  label: 'Note written',
  perform(graph, { note, text }) {
    const present = graph.notes.find((other) => other.id === note);
    return !present || present.text === text ? [] : [{ op: 'setNote', id: note, text: text.slice(0, 4000) }];
  },
};

/** A section around the selected nodes, or an empty one at `position`. */
export const addSection: Command<{
  selection: Selection;
  position: { x: number; y: number };
  sizeOf: (node: string) => Size;
  id?: string;
}> = {
  label: 'Section added',
  perform(graph, { selection, position, sizeOf, id = newId() }) {
    const boxes = pick(selection).nodes.flatMap((nodeId) => {
      const node = nodeById(graph, nodeId);
      return node ? [{ ...node.position, ...sizeOf(nodeId) }] : [];
    });
    const empty = boxes.length === 0;
    const left = empty ? position.x : Math.min(...boxes.map((box) => box.x)) - 22;
    const top = empty ? position.y : Math.min(...boxes.map((box) => box.y)) - 36;
    const right = empty ? left + 460 : Math.max(...boxes.map((box) => box.x + box.width)) + 22;
    const bottom = empty ? top + 240 : Math.max(...boxes.map((box) => box.y + box.height)) + 22;
    return [
      {
        op: 'addSection',
        section: {
          id,
          title: 'Section',
          position: { x: left, y: top },
          size: { width: right - left, height: bottom - top },
        },
      },
    ];
  },
};

export const setSectionTitle: Command<{ section: string; title: string }> = {
  label: 'Section renamed',
  perform(graph, { section, title }) {
    const present = graph.sections.find((other) => other.id === section);
    return !present || present.title === title ? [] : [{ op: 'setSection', id: section, title: title.slice(0, 80) }];
  },
};

/** A section or note drawn larger or smaller. `key` as in a selection. */
export const setBox: Command<{ key: string; position: { x: number; y: number }; size: Size }> = {
  label: 'Size changed',
  perform(_graph, { key, position, size }) {
    const { sections, notes } = pick(new Set([key]));
    const [section] = sections;
    const [note] = notes;
    if (section) return [{ op: 'setSection', id: section, position, size }];
    return note ? [{ op: 'setNote', id: note, position, size }] : [];
  },
};
