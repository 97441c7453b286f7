/**
 * What this worker's machine has and lacks, in words with costs and remedies: for Settings, `doctor` and /healthz.
 * Asked again once a minute; nothing here knows a workspace.
 */
import type { EngineInfo } from '../nodes/contract.ts';
import type { Ai, Task } from './capabilities/ai.ts';
import { findFfmpeg, NEEDED_FILTERS } from './capabilities/media/ffmpeg.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { type Installable, installables } from './speech/install.ts';

export type Check = {
  name: string;
  state: 'ok' | 'missing' | 'warning';
  detail: string;
  cost: string | null;
  remedy: string | null;
};
export type EngineFact = EngineInfo & {
  task: Task[];
  install: { bytes: number | null; seconds: number | null; from: string } | null;
  /** The key that would make it available. */
  key: 'openai' | 'assemblyai' | null;
};
export type MachineFacts = { checks: Check[]; engines: EngineFact[] };

/** Bytes a second of a usual connection, for the time an install takes. */
const DOWNLOAD_RATE = 5_000_000;
const NO_WORKSPACE = { workspaceId: '' };

export async function examine(options: { sandbox: Sandbox; ai: Ai; models: string }): Promise<MachineFacts> {
  const [engines, media] = await Promise.all([enginesHere(options.ai, options.models), checkMedia()]);
  return { checks: [...media, ...checkSandbox(options.sandbox), ...checkSpeech(engines)], engines };
}

async function checkMedia(): Promise<Check[]> {
  try {
    const found = await findFfmpeg();
    const missing = Object.entries(NEEDED_FILTERS).filter(([filter]) => !found.filters.has(filter));
    return [
      { name: 'ffmpeg', state: 'ok', detail: `${found.version} (${found.from}).`, cost: null, remedy: null },
      ...missing.map(
        ([filter, use]): Check => ({
          name: `ffmpeg filter ${filter}`,
          state: 'warning',
          detail: `This ffmpeg has no ${filter}.`,
          cost: `Without it: ${use}.`,
          remedy: 'Install a complete ffmpeg, or name one with FFMPEG_PATH.',
        }),
      ),
    ];
  } catch (error) {
    return [
      {
        name: 'ffmpeg',
        state: 'missing',
        detail: (error as Error).message,
        cost: 'No recording can be read or cut.',
        remedy: 'Install ffmpeg 5 or newer, or name it with FFMPEG_PATH and FFPROBE_PATH.',
      },
    ];
  }
}

function checkSandbox(sandbox: Sandbox): Check[] {
  const { applied, missing } = sandbox.layers();
  return [
    { name: 'Sandbox', state: 'ok', detail: `${applied.join(', ')}.`, cost: null, remedy: null },
    ...missing.map(
      ({ layer, why }): Check => ({
        name: `Sandbox layer ${layer}`,
        state: 'warning',
        detail: why,
        cost: 'A plugin that broke out of its isolate would meet one wall less.',
        remedy: 'Run as a user or in a container that may apply it; SPLICEBOARD_SANDBOX can require it.',
      }),
    ),
  ];
}

function checkSpeech(engines: EngineFact[]): Check[] {
  const able = engines.filter((engine) => engine.task.includes('transcribe') && engine.available);
  if (able.length > 0) {
    return [
      {
        name: 'Speech',
        state: 'ok',
        detail: `${able.map((engine) => engine.label).join(', ')}.`,
        cost: null,
        remedy: null,
      },
    ];
  }
  return [
    {
      name: 'Speech',
      state: 'missing',
      detail: 'No engine on this machine can write down speech.',
      cost: 'Recordings need an attached transcript; without one, clips have no captions.',
      remedy: 'Install one under Settings, Engines, or add a service’s key.',
    },
  ];
}

async function enginesHere(ai: Ai, models: string): Promise<EngineFact[]> {
  const offers = await installables(models);
  const facts = new Map<string, EngineFact>();
  for (const task of ['transcribe', 'diarize', 'json'] as const) {
    for (const engine of await ai.enginesFor(NO_WORKSPACE as Parameters<Ai['enginesFor']>[0], task)) {
      const known = facts.get(engine.id);
      if (known) known.task.push(task);
      else
        facts.set(engine.id, {
          ...engine,
          task: [task],
          install: installOf(engine, task, offers),
          key: keyOf(engine.id),
        });
    }
  }
  return [...facts.values()];
}

function keyOf(id: string): EngineFact['key'] {
  return id === 'openai' || id === 'assemblyai' ? id : null;
}

/** What `local` fetches: small, many languages; larger ones are chosen by name (runtime/speech/catalogue.ts). */
const USUAL_MODEL: Partial<Record<Task, string>> = { transcribe: 'whisper-base', diarize: 'pyannote-campplus' };

/** The model that would be fetched for an engine, or the engine's own package. */
export function offerFor(
  id: string,
  offers: readonly Installable[],
  task: Task = 'transcribe',
): Installable | undefined {
  const wanted = id === 'local' ? USUAL_MODEL[task] : id;
  return offers.find((offer) => offer.id === wanted);
}

function installOf(engine: EngineInfo, task: Task, offers: readonly Installable[]): EngineFact['install'] {
  const offer = engine.available ? undefined : offerFor(engine.id, offers, task);
  if (!offer || offer.installed || offer.obstacle !== null) return null;
  return {
    bytes: offer.bytes,
    seconds: offer.bytes === null ? null : Math.ceil(offer.bytes / DOWNLOAD_RATE),
    from: offer.from,
  };
}
