/**
 * What a plugin in the making did in Spliceboard, for its author: written out execution by execution (`node dev`), and kept as
 * fixtures for tests (`node record`).
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytes, milliseconds } from '../../editor/ui/format.ts';
import { type Client, CommandError } from '../client.ts';

export type Trial = Awaited<ReturnType<Client['api']['plugins']['trials']['query']>>[number];
/** One call of a node as it was: `nodes/testing.ts` reads it. */
export type RecordedCall = { request: unknown; reply: unknown };

const POLL_MS = 400;

/** The lines of one execution: what it took, what it said, what it asked for. */
export function linesOf(trial: Trial): string[] {
  const { type, run, step, entry, attempt, items, ms, cpuMs, heapBytes, error, said } = trial;
  const calls = said.filter((each) => each.kind === 'call');
  const sum = (of: 'sentBytes' | 'receivedBytes') => calls.reduce((whole, call) => whole + call[of], 0);
  const about = [
    `${new Date(trial.beganAt).toLocaleTimeString('en-GB')}  ${type}`,
    `run ${run}, ${placeOf(step)}${entry === 'run' ? '' : `, ${entry}`}${attempt > 1 ? `, attempt ${attempt}` : ''}`,
    `${items > 1 ? `${items} items in ` : ''}${milliseconds(ms)}`,
    ...(cpuMs === null ? [] : [`${milliseconds(cpuMs)} CPU`]),
    ...(heapBytes === null ? [] : [`${bytes(heapBytes)} heap`]),
    ...(calls.length > 0 ? [`${bytes(sum('sentBytes'))} out, ${bytes(sum('receivedBytes'))} in`] : []),
  ];
  return [
    `${error ? '✗' : '✓'} ${about.join(' · ')}`,
    ...said.flatMap((each) => {
      if (each.kind === 'log') return each.line.split('\n').map((line) => `    ${line}`);
      const came = each.code ?? each.status ?? 'answered';
      return [`    → ${each.what}  ${came} · ${milliseconds(each.ms)} · ${bytes(each.receivedBytes)}`];
    }),
    ...(error ? [`    ${error.code}: ${error.message}`, ...(error.hint ? [`    ${error.hint}`] : [])] : []),
  ];
}

/** `it@` is a step, `it@2.0` the step of an item of an item. */
const placeOf = (step: string): string => {
  const [node, path = ''] = step.split('@');
  const items = path === '' ? [] : path.split('.').map((index) => Number(index) + 1);
  return items.length === 0 ? node! : `${node} of item ${items.join('.')}`;
};

/** Says each execution that comes, until `signal`. */
export async function follow(
  { api, workspaceId }: Client,
  name: string,
  say: (line: string) => void,
  signal: AbortSignal,
) {
  let after = (await api.plugins.trials.query({ workspaceId, name, after: null, limit: 1 })).at(-1)?.id ?? 0;
  while (!signal.aborted) {
    const more = await api.plugins.trials.query({ workspaceId, name, after }).catch(() => []); // it is asked again
    for (const trial of more) {
      after = trial.id;
      for (const line of linesOf(trial)) say(line);
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * Writes the calls of the newest good execution of each node to `fixtures/<node>.json` in the folder, secrets taken out by who
 * kept them. Gives back the files.
 */
export async function record({ api, workspaceId }: Client, folder: string, name: string): Promise<string[]> {
  const trials = await api.plugins.trials.query({ workspaceId, name, after: null, limit: 50 });
  const newest = new Map<string, Trial>();
  for (const trial of trials) {
    const isWhole = trial.error === null && trial.entry === 'run';
    if (isWhole && trial.said.some(({ kind }) => kind === 'call')) newest.set(trial.type, trial);
  }
  if (newest.size === 0) {
    throw new CommandError(
      `${name} has asked for nothing yet that could be kept.`,
      'Keep `node dev` running, run a pipeline with its nodes, then record again.',
    );
  }
  const files: string[] = [];
  for (const [type, { said }] of newest) {
    const calls = said.flatMap((each): RecordedCall[] => {
      if (each.kind !== 'call' || each.code !== null) return [];
      if (each.reply === undefined)
        throw new CommandError(
          `The answer to ${each.what} is too long to be kept.`,
          'Ask for less of it, then record again.',
        );
      return [{ request: each.request ?? null, reply: each.reply }];
    });
    const file = path.join('fixtures', `${type.slice(type.indexOf('.') + 1)}.json`);
    await mkdir(path.join(folder, 'fixtures'), { recursive: true });
    await writeFile(path.join(folder, file), `${JSON.stringify(calls, null, 2)}\n`);
    files.push(file);
  }
  return files;
}
