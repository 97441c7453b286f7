/**
 * Diarization error rate as NIST scores it: what was missed, what was heard where nobody speaks, and what was given to
 * the wrong person, by the time that was spoken. Overlap counts once a speaker; 0.25 s on both sides of every border of
 * the reference is forgiven; speakers are matched so that the rate is least. RTTM: type file channel start duration …
 */
import type { Turn } from '../../nodes/contract.ts';

const STEP = 0.01;

export function readRttm(text: string): Turn[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((parts) => parts[0] === 'SPEAKER')
    .map((parts) => ({ start: Number(parts[3]), end: Number(parts[3]) + Number(parts[4]), speaker: parts[7]! }));
}

export type ErrorRate = { rate: number; missed: number; falseAlarm: number; confused: number; spoken: number };

/** Shares of the spoken time. */
export function diarizationErrorRate(reference: Turn[], guess: Turn[], collar = 0.25): ErrorRate {
  const end = Math.max(0, ...[...reference, ...guess].map((turn) => turn.end));
  const steps = Math.ceil(end / STEP);
  const names = (turns: Turn[]) => [...new Set(turns.map((turn) => turn.speaker ?? ''))];
  const [people, voices] = [names(reference), names(guess)];
  const grid = (turns: Turn[], who: string[]) => {
    const cells = new Uint32Array(steps);
    for (const turn of turns) {
      const bit = 1 << who.indexOf(turn.speaker ?? '');
      for (let at = Math.round(turn.start / STEP); at < Math.min(steps, Math.round(turn.end / STEP)); at++)
        cells[at]! |= bit;
    }
    return cells;
  };
  const [truth, heard] = [grid(reference, people), grid(guess, voices)];
  const forgiven = new Uint8Array(steps);
  for (const turn of reference) {
    for (const border of [turn.start, turn.end]) {
      const from = Math.max(0, Math.round((border - collar) / STEP));
      for (let at = from; at < Math.min(steps, Math.round((border + collar) / STEP)); at++) forgiven[at] = 1;
    }
  }
  const shared = people.map(() => voices.map(() => 0));
  for (let at = 0; at < steps; at++) {
    if (forgiven[at]) continue;
    for (const [p] of people.entries()) {
      if (truth[at]! & (1 << p)) for (const [v] of voices.entries()) if (heard[at]! & (1 << v)) shared[p]![v]!++;
    }
  }
  const match = bestMatch(shared);
  let [spoken, missed, falseAlarm, confused] = [0, 0, 0, 0];
  for (let at = 0; at < steps; at++) {
    if (forgiven[at]) continue;
    const [real, found] = [bits(truth[at]!), bits(heard[at]!)];
    const right = people.filter(
      (_, p) => truth[at]! & (1 << p) && match[p]! >= 0 && heard[at]! & (1 << match[p]!),
    ).length;
    spoken += real;
    missed += Math.max(0, real - found);
    falseAlarm += Math.max(0, found - real);
    confused += Math.min(real, found) - right;
  }
  const share = (count: number) => (spoken > 0 ? count / spoken : 0);
  return {
    rate: share(missed + falseAlarm + confused),
    missed: share(missed),
    falseAlarm: share(falseAlarm),
    confused: share(confused),
    spoken: spoken * STEP,
  };
}

const bits = (value: number) => {
  let count = 0;
  for (let rest = value; rest; rest &= rest - 1) count++;
  return count;
};

/** For each person the voice that is theirs, or −1: the matching with the most shared time (few people, so all are tried). */
function bestMatch(shared: number[][]): number[] {
  const best = new Map<string, { total: number; match: number[] }>();
  const from = (person: number, taken: number): { total: number; match: number[] } => {
    if (person === shared.length) return { total: 0, match: [] };
    const key = `${person}:${taken}`;
    const known = best.get(key);
    if (known) return known;
    const none = from(person + 1, taken);
    let chosen = { total: none.total, match: [-1, ...none.match] };
    for (const [voice, time] of shared[person]!.entries()) {
      if (taken & (1 << voice)) continue;
      const rest = from(person + 1, taken | (1 << voice));
      if (rest.total + time > chosen.total) chosen = { total: rest.total + time, match: [voice, ...rest.match] };
    }
    best.set(key, chosen);
    return chosen;
  };
  return from(0, 0).match;
}
