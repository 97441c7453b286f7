/**
 * AssemblyAI's upload and transcript endpoints, strict: the key goes raw into `Authorization`, the upload is
 * `application/octet-stream`, an upload's address works only inside its project, unknown parameters are refused,
 * times are whole milliseconds, and a failed job answers 200 with `status: "error"`.
 *
 * Two accounts: `aai-key-1` and `aai-key-2`. A job is `queued`, then `processing` for `pollsUntilDone` looks, then what
 * `state.result` says. Source: platforms reference §8 (docs and SDK of 2026-03 and 4.41.5).
 */
import { createHash, randomUUID } from 'node:crypto';
import { type Answer, type Asked, type Emulator, startEmulator } from './support.ts';

export type AaiWord = { text: string; start: number; end: number; confidence: number; speaker: string | null };
export type AaiResult =
  | { text: string; words: AaiWord[]; language_code: string; audio_duration: number }
  | { error: string };
type Upload = { project: string; bytes: number; sha256: string };
type Job = {
  id: string;
  project: string;
  params: Record<string, unknown>;
  polls: number;
  created: string;
  result: AaiResult;
  deleted: boolean;
};
export type AaiState = {
  /** key → project */
  accounts: Map<string, string>;
  /** Projects whose balance is negative. */
  withoutBalance: Set<string>;
  uploads: Map<string, Upload>;
  jobs: Map<string, Job>;
  pollsUntilDone: number;
  /** Taken in order, the last one again and again. */
  results: AaiResult[];
};

const PARAMETERS = new Set(
  `audio_url speech_models speech_model language_code language_detection language_confidence_threshold speaker_labels
  speakers_expected speaker_options punctuate format_text disfluencies filter_profanity keyterms_prompt prompt multichannel
  webhook_url webhook_auth_header_name webhook_auth_header_value audio_start_from audio_end_at speech_threshold
  custom_spelling redact_pii auto_chapters entity_detection sentiment_analysis`.split(/\s+/),
);
const MODELS = new Set(['universal-3-pro', 'universal-2', 'universal', 'slam-1', 'nano', 'best']);

const sentence = 'Hello and welcome. This is a test of the service. Thank you for listening.';
export const DEFAULT_RESULT: AaiResult = {
  text: sentence,
  words: sentence.split(' ').map((text, index) => ({
    text,
    start: 200 + index * 400,
    end: 540 + index * 400,
    confidence: 0.97,
    speaker: index < 9 ? 'A' : 'B',
  })),
  language_code: 'en',
  audio_duration: 7,
};

const refuse = (status: number, error: string): Answer => ({ status, json: { error } });

export function startAssemblyAi(port = 0): Promise<Emulator<AaiState>> {
  return startEmulator<AaiState>(
    {
      name: 'assemblyai',
      realOrigin: 'https://api.assemblyai.com',
      fresh: () => ({
        accounts: new Map([
          ['aai-key-1', 'project-1'],
          ['aai-key-2', 'project-2'],
        ]),
        withoutBalance: new Set(),
        uploads: new Map(),
        jobs: new Map(),
        pollsUntilDone: 1,
        results: [DEFAULT_RESULT],
      }),
      notFound: () => refuse(404, 'Not found'),
      guard: (state, asked) => {
        const key = asked.headers.authorization;
        if (!key) return refuse(401, 'Authentication error, API token missing');
        return state.accounts.has(key) ? undefined : refuse(401, 'Authentication error, API token missing/invalid');
      },
      control: (state, command) => {
        if (Array.isArray(command.results)) state.results = command.results as AaiResult[];
        if (typeof command.pollsUntilDone === 'number') state.pollsUntilDone = command.pollsUntilDone;
        return { jobs: [...state.jobs.values()].length };
      },
      routes: (current) => {
        const project = (asked: Asked) => current().accounts.get(asked.headers.authorization ?? '') ?? '';
        const jobOf = (asked: Asked): Job | undefined => {
          const job = current().jobs.get(asked.params.id ?? '');
          return job?.project === project(asked) ? job : undefined;
        };
        const unknown = refuse(400, 'Transcript lookup error, transcript id not found');
        return [
          {
            method: 'POST',
            path: '/v2/upload',
            answer: (asked) => {
              if (asked.headers['content-type'] !== 'application/octet-stream') {
                return refuse(422, 'Upload must have content-type application/octet-stream');
              }
              if (asked.body.length === 0) return refuse(422, 'Upload failed, no data');
              const url = `https://cdn.assemblyai.com/upload/${randomUUID()}`;
              const sha256 = createHash('sha256').update(asked.body).digest('hex');
              current().uploads.set(url, { project: project(asked), bytes: asked.body.length, sha256 });
              return { status: 200, json: { upload_url: url } };
            },
          },
          { method: 'POST', path: '/v2/transcript', answer: (asked) => order(current(), project(asked), asked) },
          {
            method: 'GET',
            path: '/v2/transcript',
            answer: (asked) => {
              const limit = Math.min(200, Number(asked.query.get('limit') ?? 10));
              const own = [...current().jobs.values()]
                .filter((job) => job.project === project(asked))
                .reverse()
                .slice(0, limit);
              const transcripts = own.map((job) => ({
                id: job.id,
                resource_url: `https://api.assemblyai.com/v2/transcript/${job.id}`,
                status: statusOf(current(), job),
                created: job.created,
                completed: null,
                audio_url: job.params.audio_url,
                error: null,
              }));
              return {
                status: 200,
                json: {
                  page_details: { limit, result_count: own.length, current_url: '', prev_url: null, next_url: null },
                  transcripts,
                },
              };
            },
          },
          {
            method: 'GET',
            path: '/v2/transcript/{id}',
            answer: (asked) => {
              const job = jobOf(asked);
              if (!job) return unknown;
              job.polls++;
              return { status: 200, json: shown(current(), job) };
            },
          },
          {
            method: 'DELETE',
            path: '/v2/transcript/{id}',
            answer: (asked) => {
              const job = jobOf(asked);
              if (!job) return unknown;
              job.deleted = true;
              current().uploads.delete(String(job.params.audio_url));
              return { status: 200, json: shown(current(), job) };
            },
          },
        ];
      },
    },
    port,
  );
}

function order(state: AaiState, project: string, asked: Asked): Answer {
  let params: Record<string, unknown>;
  try {
    params = JSON.parse(asked.body.toString('utf8')) as Record<string, unknown>;
  } catch {
    return refuse(400, 'Invalid JSON body');
  }
  if (asked.headers['content-type'] !== 'application/json') return refuse(415, 'Unsupported media type');
  const stray = Object.keys(params).find((name) => !PARAMETERS.has(name));
  if (stray) return refuse(400, 'Invalid endpoint schema, please refer to documentation for examples.');
  const { audio_url: audio, speech_models: models } = params;
  if (typeof audio !== 'string') return refuse(400, 'audio_url must be a string');
  if (models !== undefined && (!Array.isArray(models) || models.some((model) => !MODELS.has(String(model))))) {
    return refuse(400, '"speech_models" must be a non-empty list of valid models');
  }
  if (params.speakers_expected !== undefined && params.speaker_options !== undefined) {
    return refuse(400, 'speakers_expected and speaker_options cannot both be set');
  }
  if (params.speakers_expected !== undefined && params.speaker_labels !== true) {
    return refuse(400, 'speakers_expected requires speaker_labels to be true');
  }
  if (params.language_code !== undefined && params.language_detection === true) {
    return refuse(400, 'language_detection cannot be used with language_code');
  }
  const upload = state.uploads.get(audio);
  if (audio.startsWith('https://cdn.assemblyai.com/upload/') && upload?.project !== project) {
    return refuse(400, 'Cannot access uploaded file');
  }
  if (state.withoutBalance.has(project)) {
    return refuse(400, 'Your current account balance is negative. Please top up to continue using the API.');
  }
  const result = state.results.length > 1 ? state.results.shift()! : state.results[0]!;
  const id = randomUUID();
  const job: Job = { id, project, params, polls: 0, created: new Date().toISOString(), result, deleted: false };
  state.jobs.set(id, job);
  return { status: 200, json: shown(state, job) };
}

function statusOf(state: AaiState, job: Job): string {
  if (job.polls === 0) return 'queued';
  if (job.polls <= state.pollsUntilDone) return 'processing';
  return 'error' in job.result ? 'error' : 'completed';
}

function shown(state: AaiState, job: Job): Record<string, unknown> {
  const status = statusOf(state, job);
  const labelled = job.params.speaker_labels === true;
  const common = {
    id: job.id,
    status,
    audio_url: job.deleted ? 'http://deleted_by_user' : job.params.audio_url,
    speech_models: job.params.speech_models ?? null,
    language_code: job.params.language_code ?? null,
    webhook_status_code: null,
    text: null,
    words: null,
    utterances: null,
    confidence: null,
    audio_duration: null,
    error: undefined,
  };
  if (job.deleted) return { ...common, text: 'Deleted by user.' };
  if ('error' in job.result) return status === 'error' ? { ...common, error: job.result.error } : common;
  if (status !== 'completed') return common;
  const { words, text, language_code, audio_duration } = job.result;
  return {
    ...common,
    text,
    language_code: job.params.language_code ?? language_code,
    audio_duration,
    confidence: 0.96,
    speech_model_used: 'universal-3-pro',
    words: words.map((word) => ({ ...word, speaker: labelled ? word.speaker : null })),
    utterances: labelled ? utterancesOf(words) : null,
  };
}

function utterancesOf(words: AaiWord[]) {
  const utterances: {
    speaker: string;
    start: number;
    end: number;
    text: string;
    confidence: number;
    words: AaiWord[];
  }[] = [];
  for (const word of words) {
    const last = utterances.at(-1);
    if (last && last.speaker === word.speaker) {
      last.words.push(word);
      last.end = word.end;
      last.text += ` ${word.text}`;
    } else
      utterances.push({
        speaker: word.speaker ?? 'A',
        start: word.start,
        end: word.end,
        text: word.text,
        confidence: 0.96,
        words: [word],
      });
  }
  return utterances;
}
