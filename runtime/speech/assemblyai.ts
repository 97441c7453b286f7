/**
 * AssemblyAI through its SDK, in recorded steps: upload, submit, look until done, erase.
 *
 * The SDK loses HTTP statuses and calls the global fetch, so its one protected method is overridden: everything goes
 * through the safe fetch (the operator's map applies) and a status becomes a typed error. `status: "error"` arrives with
 * HTTP 200 and is thrown here. A submit that is repeated after a crash first looks for a job with the same upload.
 * Source: assemblyai@4.41.5; platforms reference §8 (read 2026-11). Times are milliseconds there, seconds here.
 */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { FileService, type SubmitParams, type TranscriptParams, TranscriptService } from 'assemblyai';
import { SERVICE_LIMITS } from '../../db/turns.ts';
import type { Transcript } from '../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capabilities/capability.ts';
import type { Fetcher } from '../fetch.ts';
import { fetchErrorIn, type ServiceKeys, serviceError, unreachable } from './service.ts';
import { buildTranscript, type Piece } from './transcript.ts';

export const ASSEMBLYAI_HOST = 'https://api.assemblyai.com';
const NAME = 'AssemblyAI';
/** Newest first; the service takes the first that knows the language. */
const MODELS = ['universal-3-pro', 'universal-2'];
const UPLOAD_MS = 3 * 3600_000;
const POLL_MS = 3_000;
/** Looks that may fail in a row before the step itself is tried again later. */
const LOST_LOOKS = 4;
const MAX_KEYTERMS = 100;

export type AssemblyAi = ReturnType<typeof assemblyAi>;

export function assemblyAi(
  fetcher: Fetcher,
  keys: NonNullable<ServiceKeys['assemblyai']>,
  options: { pollMs?: number } = {},
) {
  const params = { apiKey: keys.key, baseUrl: (keys.baseUrl ?? ASSEMBLYAI_HOST).replace(/\/$/, '') };

  const connection = { name: 'assemblyai', shared: keys.shared ?? false, label: NAME };

  async function send(
    scope: StepScope,
    input: string,
    init: RequestInit | undefined,
    sdkHeaders: Record<string, string>,
  ): Promise<Response> {
    const url = input.startsWith('http') ? input : params.baseUrl + input;
    await scope.turns.take(connection, SERVICE_LIMITS.assemblyai);
    try {
      const reply = await fetcher.asFetch({ timeoutMs: UPLOAD_MS })(url, {
        ...init,
        headers: sdkHeaders,
        signal: scope.signal,
      });
      if (reply.status < 400) return reply;
      await scope.turns.heard(connection, reply.status, reply.headers);
      const text = await reply.text();
      throw serviceError(NAME, reply.status, messageIn(text), { headers: reply.headers });
    } catch (error) {
      const lost = fetchErrorIn(error);
      throw lost ? unreachable(NAME, lost) : error;
    }
  }
  const headersOf = (init: RequestInit | undefined) => ({
    authorization: params.apiKey,
    'content-type': 'application/json',
    'user-agent': 'Spliceboard AssemblyAI/1.0',
    ...Object.fromEntries(
      Object.entries((init?.headers ?? {}) as Record<string, string>).map(([name, value]) => [
        name.toLowerCase(),
        value,
      ]),
    ),
  });
  function services(scope: StepScope) {
    class Files extends FileService {
      protected override fetchResponse(input: string, init?: RequestInit): Promise<Response> {
        return send(scope, input, init, headersOf(init));
      }
    }
    class Transcripts extends TranscriptService {
      protected override fetchResponse(input: string, init?: RequestInit): Promise<Response> {
        return send(scope, input, init, headersOf(init));
      }
    }
    const files = new Files(params);
    return { files, transcripts: new Transcripts(params, files) };
  }

  return {
    async upload(scope: StepScope, file: string): Promise<string> {
      scope.progress(0.05, `Sending the sound to ${NAME}.`);
      return services(scope).files.upload(Readable.toWeb(createReadStream(file)) as ReadableStream);
    },

    async submit(
      scope: StepScope,
      source: string,
      order: { language?: string; names?: string[]; speakers?: number },
    ): Promise<string> {
      const { transcripts } = services(scope);
      if (scope.attempt > 1) {
        // The answer to the first order may be lost; ordering again would be paid again.
        const { transcripts: recent } = await transcripts.list({ limit: 100 });
        const same = recent.find((one) => one.audio_url === source && one.status !== 'error');
        if (same) return same.id;
      }
      const job = await transcripts.submit(orderOf(source, order) as SubmitParams);
      return job.id;
    },

    /** Looks until it is done. A look that is lost is repeated; it costs nothing. */
    async result(scope: StepScope, job: string): Promise<Transcript> {
      const { transcripts } = services(scope);
      for (let lost = 0, looks = 0; ; looks++) {
        scope.signal.throwIfAborted();
        try {
          const found = await transcripts.get(job);
          lost = 0;
          if (found.status === 'completed') return toTranscript(found);
          if (found.status === 'error') throw jobError(found.error ?? 'no reason was given');
          scope.progress(
            Math.min(0.95, 0.3 + looks * 0.02),
            found.status === 'queued' ? `${NAME} has queued it.` : `${NAME} is listening.`,
          );
        } catch (error) {
          const again =
            error instanceof CapabilityError &&
            error.error.retry === 'later' &&
            error.error.code !== 'SERVICE_JOB_FAILED';
          if (!again || ++lost >= LOST_LOOKS) throw error;
        }
        await wait(options.pollMs ?? POLL_MS, undefined, { signal: scope.signal });
      }
    },

    async forget(scope: StepScope, job: string): Promise<boolean> {
      if (keys.keepAtService) return false;
      await services(scope).transcripts.delete(job);
      return true;
    },
  };
}

function messageIn(text: string): string {
  try {
    return String((JSON.parse(text) as { error?: unknown }).error ?? text);
  } catch {
    return text;
  }
}

function orderOf(
  source: string,
  { language, names, speakers }: { language?: string; names?: string[]; speakers?: number },
): TranscriptParams {
  return {
    audio_url: source,
    speech_models: MODELS,
    speaker_labels: true,
    punctuate: true,
    format_text: true,
    ...(language ? { language_code: languageCode(language) } : { language_detection: true }),
    ...(speakers ? { speakers_expected: speakers } : {}),
    ...(names?.length ? { keyterms_prompt: names.slice(0, MAX_KEYTERMS) } : {}),
  };
}

/** BCP 47 to AssemblyAI's codes: only English has regions there. */
function languageCode(language: string): string {
  const [base = 'en', region] = language.toLowerCase().split('-');
  const regions: Record<string, string> = { us: 'en_us', gb: 'en_uk', au: 'en_au' };
  return base === 'en' ? (regions[region ?? ''] ?? 'en') : base;
}
const fromLanguageCode = (code: string | null | undefined) =>
  ({ en_us: 'en-US', en_uk: 'en-GB', en_au: 'en-AU' })[code ?? ''] ?? code?.split('_')[0] ?? 'und';

/** A job that failed: where the service says so itself, another one may succeed. */
function jobError(reason: string): CapabilityError {
  const theirs = /server error|developers have been alerted|internal/i.test(reason);
  return new CapabilityError(
    theirs ? 'SERVICE_JOB_FAILED' : 'SERVICE_JOB_REFUSED',
    `${NAME} could not transcribe it: ${reason.slice(0, 300)}`,
    {
      retry: theirs ? 'later' : 'never',
      hint: theirs ? 'It is ordered again.' : 'Check that the recording has at least a second of clear speech.',
    },
  );
}

type Found = Awaited<ReturnType<TranscriptService['get']>>;

export function toTranscript(found: Found): Transcript {
  const words = (found.words ?? []).map((word) => ({
    text: word.text,
    start: word.start / 1000,
    end: word.end / 1000,
    confidence: word.confidence,
    speaker: word.speaker ?? undefined,
  }));
  const turns: Piece[] = (found.utterances ?? []).map((turn) => ({
    start: turn.start / 1000,
    end: turn.end / 1000,
    text: turn.text,
    speaker: turn.speaker,
    words: turn.words.map((word) => ({
      text: word.text,
      start: word.start / 1000,
      end: word.end / 1000,
      confidence: word.confidence,
      speaker: turn.speaker,
    })),
  }));
  const pieces =
    turns.length > 0
      ? turns
      : words.map((word) => ({
          start: word.start,
          end: word.end,
          text: word.text,
          speaker: word.speaker,
          words: [word],
        }));
  return buildTranscript(pieces, {
    language: fromLanguageCode(found.language_code),
    duration: found.audio_duration ?? 0,
    engine: { id: 'assemblyai', label: NAME },
  });
}
