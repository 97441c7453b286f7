/**
 * Reads a saved graph of any format this version knows and gives it back in the newest one.
 * Everything from outside the process passes here: files, rows, the clipboard, the API.
 */
import * as z from 'zod';
import { Graph } from './graph.ts';

export const GRAPH_FORMAT = 1;

/** Step `n` turns format n into n + 1. Format 1 is the first. */
const STEPS: Record<number, (old: Record<string, unknown>) => Record<string, unknown>> = {};

export type GraphRead = { ok: true; graph: Graph } | { ok: false; message: string };

export function readGraph(value: unknown): GraphRead {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, message: 'This is not a pipeline.' };
  let current = value as Record<string, unknown>;
  const format = current.format;
  if (typeof format !== 'number' || !Number.isInteger(format) || format < 1)
    return { ok: false, message: 'This is not a pipeline.' };
  if (format > GRAPH_FORMAT) {
    return {
      ok: false,
      message: `This pipeline was made by a newer version of Spliceboard (format ${format}, this version reads ${GRAPH_FORMAT}).`,
    };
  }
  for (let at = format; at < GRAPH_FORMAT; at++) current = STEPS[at]!(current);
  const parsed = Graph.safeParse(current);
  if (parsed.success) return { ok: true, graph: parsed.data };
  return { ok: false, message: `This pipeline cannot be read: ${z.prettifyError(parsed.error).split('\n')[0]}` };
}
