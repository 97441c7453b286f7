/**
 * Speech and language for nodes: services with a key, engines on this machine, captions that came along, and sentence
 * vectors. The host holds the keys and the engines; a node names an engine and gets words, turns or JSON.
 *
 * What pays or takes long is recorded (`journal`), in steps small enough that a crash repeats little: a service's upload,
 * its order, its result; one part of a long recording. What only computes is memoised. A node that may ask which engines
 * there are depends on the best of them, so a key that was added, or a model, makes its steps anew.
 * Errors: ENGINE_MISSING, ENGINE_UNKNOWN, SERVICE_…, MODEL_…, EMBED_FAILED, ATTACHED_UNREADABLE.
 */
import { stat } from 'node:fs/promises';
import * as z from 'zod';
import type { EngineInfo, Transcript, Turn } from '../../nodes/contract.ts';
import type { Fetcher } from '../fetch.ts';
import { EMBEDDING_MODEL, embed } from '../language/embed.ts';
import { ASSEMBLYAI_HOST, type AssemblyAi, assemblyAi } from '../speech/assemblyai.ts';
import { parseAttached } from '../speech/attached.ts';
import { MODELS, modelBytes } from '../speech/catalogue.ts';
import { findDraft, transcribeDraft } from '../speech/draft.ts';
import { installables, installedModel } from '../speech/install.ts';
import { diarizeBasicEngine, diarizeLocal, sherpaParts, transcribeLocal } from '../speech/local.ts';
import { OPENAI_BASE, type OpenAiService, openAiService, PART_SECONDS } from '../speech/openai.ts';
import type { ServiceKeys } from '../speech/service.ts';
import { soundFile } from '../speech/sound.ts';
import { type Capability, CapabilityError, method, type StepScope } from './capability.ts';

export type AiOptions = {
  fetcher: Fetcher;
  /** The workspace's keys, opened; services without one are absent. */
  keys(workspaceId: string): Promise<ServiceKeys>;
  /** The folder with local models (`modelFolder(dataFolder)`). */
  models: string;
  /** Where there is speech (`media.speech`): for cutting at pauses and for engines that do not look themselves. */
  speech(scope: StepScope, asset: string): Promise<Turn[]>;
  /** Between two looks at a service's job; for tests. */
  pollMs?: number;
};

const TASKS = ['transcribe', 'diarize', 'json'] as const;
export type Task = (typeof TASKS)[number];
type TranscribeOrder = {
  engine: string;
  asset: string;
  language?: string | undefined;
  names?: string[] | undefined;
  speakers?: number | undefined;
  start?: number | undefined;
  end?: number | undefined;
  job?: string | undefined;
};
type DiarizeOrder = {
  engine: string;
  asset: string;
  speakers?: number | undefined;
  speech?: Turn[] | undefined;
  job?: string | undefined;
};

const Sha = z.string().regex(/^[0-9a-f]{64}$/);
const Engine = z.string().max(40);
const Language = z.string().max(35);
const Names = z.array(z.string().max(60)).max(100);
const Speakers = z.number().int().min(1).max(20);
const Second = z.number().nonnegative();
const SpeechTurn = z.object({ start: z.number(), end: z.number(), speaker: z.string().max(80).optional() });

export type Ai = Capability & {
  /** The same as the methods, for `doctor`, Settings and benches. */
  /** Best first. */
  enginesFor(scope: Pick<StepScope, 'workspaceId'>, task: Task): Promise<EngineInfo[]>;
  transcribeWith(scope: StepScope, order: TranscribeOrder): Promise<Transcript>;
  diarizeWith(scope: StepScope, order: DiarizeOrder): Promise<Turn[]>;
};

export function aiCapability(options: AiOptions): Ai {
  const { fetcher } = options;

  async function assembly(scope: StepScope): Promise<AssemblyAi> {
    const { assemblyai } = await options.keys(scope.workspaceId);
    if (!assemblyai) throw missing('AssemblyAI', KEY_HINT);
    return assemblyAi(fetcher, assemblyai, options.pollMs === undefined ? {} : { pollMs: options.pollMs });
  }
  async function openai(scope: StepScope): Promise<OpenAiService> {
    const { openai: keys } = await options.keys(scope.workspaceId);
    if (!keys) throw missing('OpenAI', KEY_HINT);
    return openAiService(fetcher, keys);
  }

  async function enginesFor({ workspaceId }: Pick<StepScope, 'workspaceId'>, task: Task): Promise<EngineInfo[]> {
    const keys = await options.keys(workspaceId);
    const services = {
      assemblyai: service('assemblyai', 'AssemblyAI', keys.assemblyai, ASSEMBLYAI_HOST, true),
      openai: service('openai', 'OpenAI', keys.openai, OPENAI_BASE, false),
    };
    if (task === 'json') return [services.openai];
    const list = task === 'transcribe' ? [services.assemblyai, services.openai] : [services.assemblyai];
    return [...list, await localInfo(task), ...(task === 'transcribe' ? [await draftInfo()] : [BASIC])];
  }

  async function localInfo(task: 'transcribe' | 'diarize'): Promise<EngineInfo> {
    const found = await installedModel(task, options.models);
    const parts = sherpaParts();
    // the smallest that does well is what is offered; the catalogue in Settings has the others
    const offered = MODELS.find(
      (model) => model.id === (task === 'transcribe' ? 'whisper-base' : 'pyannote-campplus'),
    )!;
    const megabytes = Math.round(modelBytes(offered) / 1_000_000);
    const obstacle = 'missing' in parts ? parts.missing : null;
    return {
      id: 'local',
      label: found ? found.model.label : 'Local model',
      available: found !== undefined && obstacle === null,
      goesTo: 'this machine',
      missing:
        obstacle ??
        (found
          ? null
          : `Install a local model (${megabytes} MB, once): npm run spliceboard -- speech install ${offered.id}`),
      install:
        found || obstacle
          ? null
          : { bytes: modelBytes(offered), seconds: null, from: new URL(offered.files[0]!.url).host },
    };
  }

  async function draftInfo(): Promise<EngineInfo> {
    const draft = (await installables(options.models)).find((one) => one.id === 'draft');
    const available = (await findDraft()) !== undefined;
    return {
      id: 'draft',
      label: 'Draft (pocketsphinx, English)',
      available,
      goesTo: 'this machine',
      missing: available
        ? null
        : (draft?.obstacle ?? 'Install the draft engine (40 MB, once): npm run spliceboard -- speech install draft'),
      install: available || draft?.obstacle ? null : { bytes: 40_000_000, seconds: 30, from: 'Debian' },
    };
  }

  async function assetDuration(scope: StepScope, asset: string): Promise<number> {
    const found = await scope.assets.find(asset);
    if (!found)
      throw new CapabilityError('ASSET_MISSING', 'This recording is not in the workspace any more.', {
        hint: 'Upload it again.',
        retry: 'person',
      });
    return found.duration ?? 0;
  }

  /** Where OpenAI limits the size, a long recording is cut in the longest pause before each limit. */
  async function plan(scope: StepScope, { engine, asset }: { engine: string; asset: string }) {
    const duration = await assetDuration(scope, asset);
    const limit =
      engine === 'openai' ? PART_SECONDS : engine === 'assemblyai' ? Number.POSITIVE_INFINITY : LOCAL_PART_SECONDS;
    if (duration <= limit) return { parts: [{ start: 0, end: duration }] };
    return { parts: cutAtPauses(await options.speech(scope, asset), duration, limit) };
  }

  async function transcribeWith(scope: StepScope, order: TranscribeOrder): Promise<Transcript> {
    const duration = await assetDuration(scope, order.asset);
    const stretch = { start: order.start, end: order.end };
    const spoken = {
      ...(order.language ? { language: order.language } : {}),
      ...(order.names ? { names: order.names } : {}),
    };
    switch (order.engine) {
      case 'assemblyai': {
        if (!order.job)
          throw new CapabilityError('ENGINE_UNKNOWN', 'AssemblyAI is asked by upload, submit and transcribe.');
        const made = await (await assembly(scope)).result(scope, order.job);
        return { ...made, duration: duration || made.duration };
      }
      case 'openai': {
        const client = await openai(scope);
        scope.progress(0.05, `Sending the sound to ${client.label}.`);
        await using sound = await soundFile(scope, order.asset, 'm4a', stretch);
        const { size } = await stat(sound.path);
        if (size > OPENAI_FILE_BYTES)
          throw new CapabilityError('SERVICE_TOO_LARGE', `The part has ${size} bytes; ${client.label} takes 25 MB.`);
        return await client.transcribe(scope, sound.path, { ...spoken, offset: order.start ?? 0, duration });
      }
      case 'local': {
        const isOther = order.language !== undefined && !/^en\b/i.test(order.language);
        const fitting = MODELS.filter((model) => !isOther || model.languages !== 'en');
        const found = await installedModel('transcribe', options.models, fitting);
        if (!found) {
          throw missing(
            isOther ? `A local model for ${order.language}` : 'The local engine',
            'Install a model: npm run spliceboard -- speech install whisper-base',
          );
        }
        const speech = await options.speech(scope, order.asset);
        return transcribeLocal(scope, {
          ...found,
          asset: order.asset,
          speech,
          duration,
          stretch,
          ...(order.language ? { language: order.language } : {}),
        });
      }
      case 'draft':
        return transcribeDraft(scope, { asset: order.asset, duration, stretch });
      default:
        throw new CapabilityError('ENGINE_UNKNOWN', `There is no engine "${order.engine}" for words.`);
    }
  }

  async function diarizeWith(scope: StepScope, order: DiarizeOrder): Promise<Turn[]> {
    const told = order.speakers ? { speakers: order.speakers } : {};
    switch (order.engine) {
      case 'assemblyai': {
        const service = await assembly(scope);
        // on its own (a bench): the three steps at once
        const job = order.job ?? (await orderAssembly(scope, service, order.asset, told));
        return (await service.result(scope, job)).turns;
      }
      case 'local': {
        const found = await installedModel('diarize', options.models);
        if (!found)
          throw missing('The local engine', 'Install it: npm run spliceboard -- speech install pyannote-campplus');
        return diarizeLocal(scope, { ...found, asset: order.asset, ...told });
      }
      case 'basic': {
        const speech = order.speech?.length ? order.speech : await options.speech(scope, order.asset);
        return diarizeBasicEngine(scope, { asset: order.asset, speech, ...told });
      }
      default:
        throw new CapabilityError('ENGINE_UNKNOWN', `There is no engine "${order.engine}" for speakers.`);
    }
  }

  async function orderAssembly(
    scope: StepScope,
    service: AssemblyAi,
    asset: string,
    told: { speakers?: number },
  ): Promise<string> {
    await using sound = await soundFile(scope, asset, 'm4a');
    return await service.submit(scope, await service.upload(scope, sound.path), told);
  }

  return {
    name: 'ai',
    declared: (manifest, name) => manifest.capabilities.ai?.includes(name) ?? false,
    enginesFor,
    transcribeWith,
    diarizeWith,
    methods: {
      engines: method({
        input: z.strictObject({ task: z.enum(TASKS) }),
        record: 'pass',
        // of all engines the best: that one more stands behind it changes nothing
        async engine(scope) {
          const tasks = TASKS.filter((task) => scope.manifest.capabilities.ai?.includes(task));
          const lists = await Promise.all(tasks.map((task) => enginesFor(scope, task)));
          const best = lists.map((engines) => engines.find((one) => one.available));
          return best.map((one) => (one ? `${one.id}:${one.label}` : 'none')).join(' ');
        },
        act: (scope, { task }) => enginesFor(scope, task),
      }),
      plan: method({
        input: z.strictObject({ engine: Engine, asset: Sha }),
        record: 'memo',
        engine: () => `plan@1:${PART_SECONDS}:${LOCAL_PART_SECONDS}`,
        act: plan,
      }),
      upload: method({
        input: z.strictObject({ engine: z.literal('assemblyai'), asset: Sha }),
        record: 'journal',
        async act(scope, { asset }) {
          const service = await assembly(scope);
          await using sound = await soundFile(scope, asset, 'm4a');
          return { source: await service.upload(scope, sound.path) };
        },
      }),
      submit: method({
        input: z.strictObject({
          engine: z.literal('assemblyai'),
          source: z.string().max(2000),
          language: Language.optional(),
          names: Names.optional(),
          speakers: Speakers.optional(),
        }),
        record: 'journal',
        act: async (scope, { source, language, names, speakers }) => ({
          job: await (await assembly(scope)).submit(scope, source, {
            ...(language ? { language } : {}),
            ...(names ? { names } : {}),
            ...(speakers ? { speakers } : {}),
          }),
        }),
      }),
      transcribe: method({
        input: z.strictObject({
          engine: Engine,
          asset: Sha,
          language: Language.optional(),
          names: Names.optional(),
          speakers: Speakers.optional(),
          start: Second.optional(),
          end: Second.optional(),
          job: z.string().max(200).optional(),
        }),
        record: 'journal',
        act: transcribeWith,
      }),
      diarize: method({
        input: z.strictObject({
          engine: Engine,
          asset: Sha,
          speakers: Speakers.optional(),
          speech: z.array(SpeechTurn).max(100_000).optional(),
          job: z.string().max(200).optional(),
        }),
        record: 'journal',
        act: diarizeWith,
      }),
      forget: method({
        input: z.strictObject({ engine: z.literal('assemblyai'), job: z.string().max(200) }),
        record: 'journal',
        async act(scope, { job }) {
          return { erased: await (await assembly(scope)).forget(scope, job) };
        },
      }),
      parse: method({
        input: z.strictObject({
          text: z.string().max(8 * 1024 * 1024),
          name: z.string().max(300),
          duration: Second,
          language: Language.optional(),
        }),
        record: 'pass',
        act: async (_scope, input) =>
          parseAttached({
            text: input.text,
            name: input.name,
            duration: input.duration,
            ...(input.language ? { language: input.language } : {}),
          }),
      }),
      json: method({
        input: z.strictObject({
          model: z.string().max(100).optional(),
          system: z.string().max(20_000),
          prompt: z.string().max(400_000),
          name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
          schema: z.record(z.string(), z.json()),
        }),
        record: 'journal',
        async act(scope, { model, system, prompt, name, schema }) {
          const client = await openai(scope);
          return client.json(scope, { system, prompt, name, schema, ...(model ? { model } : {}) });
        },
      }),
      embed: method({
        input: z.strictObject({ texts: z.array(z.string().max(20_000)).max(256) }),
        record: 'memo',
        engine: () => EMBEDDING_MODEL,
        act: (scope, { texts }) => embed(texts, scope.signal),
      }),
    },
  };
}

const KEY_HINT = 'Enter a key under Settings, Keys.';
const OPENAI_FILE_BYTES = 25 * 1024 * 1024;
/** Local engines are asked a quarter of an hour at a time: that much is repeated after a crash. */
const LOCAL_PART_SECONDS = 900;

const BASIC: EngineInfo = {
  id: 'basic',
  label: 'Basic (voice and channel, no model)',
  available: true,
  goesTo: 'this machine',
  missing: null,
};

const missing = (label: string, hint: string) =>
  new CapabilityError('ENGINE_MISSING', `${label} cannot be used here yet.`, { hint, retry: 'person' });

function service(
  id: string,
  label: string,
  keys: { baseUrl?: string } | undefined,
  usual: string,
  jobs: boolean,
): EngineInfo {
  const { host } = new URL(keys?.baseUrl ?? usual);
  const own = host !== new URL(usual).host;
  return {
    id,
    label: own ? `${label} protocol at ${host}` : label,
    available: keys !== undefined,
    goesTo: own ? host : label,
    missing: keys ? null : `For ${label}, enter a key under Settings, Keys.`,
    ...(jobs ? { jobs } : {}),
  };
}

/** Ends each part in the middle of the longest pause in its last tenth; by the clock where nobody pauses. */
export function cutAtPauses(speech: Turn[], duration: number, limit: number): { start: number; end: number }[] {
  const parts: { start: number; end: number }[] = [];
  let start = 0;
  while (duration - start > limit) {
    const [earliest, latest] = [start + limit * 0.9, start + limit];
    let best = { at: latest, length: 0 };
    for (let index = 0; index + 1 <= speech.length; index++) {
      const from = Math.max(earliest, speech[index]!.end);
      const to = Math.min(latest, speech[index + 1]?.start ?? duration);
      if (to - from > best.length) best = { at: (from + to) / 2, length: to - from };
    }
    parts.push({ start, end: best.at });
    start = best.at;
  }
  parts.push({ start, end: duration });
  return parts;
}
