/**
 * OpenAI, or any server that speaks its protocol, through the `openai` SDK: words of a recording, and answers that fit
 * a JSON schema.
 *
 * The SDK never retries here (`maxRetries: 0`): our queue decides, and no quota is burned by a hopeless 429. Its requests
 * go through the safe fetch, so a local server is reached by the operator's map and nothing else private is.
 * whisper-1 gives word times without punctuation and its text without word times: both are joined here. It knows no
 * speakers, and the result says so.
 * Source: openai@7.57.0; platforms reference §9 (read 2026-11).
 */
import { createReadStream } from 'node:fs';
import OpenAI, { APIConnectionError, APIError } from 'openai';
import { SERVICE_LIMITS } from '../../db/turns.ts';
import type { Transcript } from '../../nodes/contract.ts';
import { CapabilityError, type StepScope } from '../capabilities/capability.ts';
import type { Fetcher } from '../fetch.ts';
import { fetchErrorIn, type ServiceKeys, serviceError, unreachable } from './service.ts';
import { buildTranscript, type Piece, type SpokenWord } from './transcript.ts';

export const OPENAI_BASE = 'https://api.openai.com/v1';
/** The only model of OpenAI that gives word times. */
export const SPEECH_MODEL = 'whisper-1';
export const CHAT_MODEL = 'gpt-4o-mini';
/** The service takes 25 MB a file. 48 kbit/s mono is 0.36 MB a minute: 50 minutes are 18 MB. */
export const PART_SECONDS = 3_000;
const REQUEST_MS = 15 * 60_000;

export type OpenAiService = ReturnType<typeof openAiService>;

export function openAiService(fetcher: Fetcher, keys: NonNullable<ServiceKeys['openai']>) {
  const own = keys.baseUrl !== undefined && new URL(keys.baseUrl).origin !== new URL(OPENAI_BASE).origin;
  const label = own ? `Server at ${new URL(keys.baseUrl!).host}` : 'OpenAI';
  const client = new OpenAI({
    apiKey: keys.key,
    baseURL: keys.baseUrl ?? OPENAI_BASE,
    maxRetries: 0,
    timeout: REQUEST_MS,
    organization: null,
    project: null,
    fetch: fetcher.asFetch({ timeoutMs: REQUEST_MS, idleMs: REQUEST_MS }),
  });

  const connection = { name: 'openai', shared: keys.shared ?? false, label };
  // what a server of one's own takes is known to its owner only
  const limit = own ? null : SERVICE_LIMITS.openai;

  async function guarded<T>(work: () => Promise<T>, { turns, signal }: StepScope): Promise<T> {
    await turns.take(connection, limit);
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const lost = fetchErrorIn(error);
      if (lost) throw unreachable(label, lost);
      if (error instanceof APIError && error.status !== undefined) {
        await turns.heard(connection, error.status, error.headers ?? new Headers());
        throw serviceError(label, error.status, error.message, { code: error.code, headers: error.headers });
      }
      if (error instanceof APIConnectionError || error instanceof SyntaxError) {
        throw serviceError(label, 502, 'the answer could not be read');
      }
      throw error;
    }
  }

  return {
    label,
    speechModel: keys.speechModel ?? SPEECH_MODEL,

    /** Words of one file. `offset` seconds are added to every time. */
    async transcribe(
      scope: StepScope,
      file: string,
      order: { language?: string; names?: string[]; offset: number; duration: number },
    ): Promise<Transcript> {
      const model = keys.speechModel ?? SPEECH_MODEL;
      const reply = await guarded(
        () =>
          client.audio.transcriptions.create(
            {
              file: createReadStream(file),
              model,
              response_format: 'verbose_json',
              timestamp_granularities: ['word', 'segment'],
              ...(order.language ? { language: order.language.split('-')[0]! } : {}),
              ...(order.names?.length ? { prompt: `Names and terms: ${order.names.join(', ')}.` } : {}),
            },
            { signal: scope.signal },
          ),
        scope,
      );
      return toTranscript(reply as unknown as VerboseReply, { label, model, ...order });
    },

    /** A chat model's answer that fits the schema; refusals and cut answers are errors. */
    async json(
      scope: StepScope,
      ask: { model?: string; system: string; prompt: string; name: string; schema: Record<string, unknown> },
    ): Promise<unknown> {
      const model = ask.model ?? keys.chatModel ?? CHAT_MODEL;
      const reply = await guarded(
        () =>
          client.chat.completions.create(
            {
              model,
              messages: [
                { role: 'system', content: ask.system },
                { role: 'user', content: ask.prompt },
              ],
              response_format: {
                type: 'json_schema',
                json_schema: { name: ask.name, strict: true, schema: ask.schema },
              },
            },
            { signal: scope.signal },
          ),
        scope,
      );
      const choice = reply.choices?.[0];
      if (choice?.message.refusal || choice?.finish_reason === 'content_filter') {
        throw new CapabilityError('MODEL_REFUSED', `${model} refused to answer.`, {
          hint: 'Change the wish, or choose the local engine.',
        });
      }
      if (choice?.finish_reason === 'length') {
        throw new CapabilityError('MODEL_ANSWER_CUT', `${model} ran out of room before its answer was complete.`, {
          hint: 'Ask for fewer segments, or choose a model with a longer answer.',
        });
      }
      try {
        return JSON.parse(choice?.message.content ?? '');
      } catch {
        throw new CapabilityError('MODEL_ANSWER_UNUSABLE', `${model} did not answer in JSON.`, {
          hint: 'Choose a model that supports JSON schemas, or the local engine.',
        });
      }
    },
  };
}

// ---------------------------------------------------------------- words

type VerboseReply = {
  language?: string;
  duration?: number;
  text: string;
  segments?: { start: number; end: number; text: string; avg_logprob?: number }[];
  words?: { word: string; start: number; end: number }[];
};

/** The names whisper uses; what is not here stays `und`. */
const LANGUAGES = new Map(
  [
    ...`english en german de french fr spanish es italian it portuguese pt dutch nl polish pl russian ru ukrainian uk
  czech cs swedish sv danish da norwegian no finnish fi hungarian hu romanian ro greek el turkish tr arabic ar hebrew he
  hindi hi japanese ja korean ko chinese zh vietnamese vi thai th indonesian id catalan ca croatian hr slovak sk
  bulgarian bg serbian sr slovenian sl lithuanian lt latvian lv estonian et persian fa urdu ur tamil ta bengali bn
  malay ms tagalog tl`.matchAll(/(\w+)\s+(\w+)/g),
  ].map(([, name, code]) => [name!, code!]),
);
const languageOf = (text: string | undefined) =>
  !text ? 'und' : (LANGUAGES.get(text.toLowerCase()) ?? (/^[a-z]{2,3}(-|$)/i.test(text) ? text : 'und'));

function toTranscript(
  reply: VerboseReply,
  about: { label: string; model: string; offset: number; duration: number; language?: string },
): Transcript {
  const segments = (reply.segments ?? []).filter((segment) => segment.text.trim() !== '');
  const timed = reply.words?.length ? punctuated(reply.text, reply.words) : undefined;
  const pieces: Piece[] = timed
    ? timed.map((word) => ({ start: word.start, end: word.end, text: word.text, words: [word] }))
    : segments.map((segment) => ({ start: segment.start, end: segment.end, text: segment.text.trim() }));
  const notes = [
    'It names no speakers: connect Diarize for that.',
    timed || pieces.length === 0 ? null : 'The server gave times per sentence only: word times are spread by length.',
  ].filter((note) => note !== null);
  const { offset } = about;
  const moved = pieces.map((piece) => ({
    ...piece,
    start: piece.start + offset,
    end: piece.end + offset,
    ...(piece.words
      ? { words: piece.words.map((word) => ({ ...word, start: word.start + offset, end: word.end + offset })) }
      : {}),
  }));
  return buildTranscript(moved, {
    language: about.language ?? languageOf(reply.language),
    duration: about.duration,
    engine: { id: 'openai', label: `${about.label} ${about.model}`, note: notes.join(' ') },
  });
}

const bare = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');

/**
 * Gives the words of the text (with punctuation) the times of the words of the list (without). Both are the same words
 * in the same order but may be split differently: each token takes list words until its letters are used up.
 */
export function punctuated(text: string, words: { word: string; start: number; end: number }[]): SpokenWord[] {
  const tokens = text.split(/\s+/).filter(Boolean);
  const result: SpokenWord[] = [];
  let at = 0;
  for (const token of tokens) {
    const wanted = bare(token);
    if (wanted === '' && result.length > 0) {
      result.at(-1)!.text += ` ${token}`; // a lone dash belongs to the word before it
      continue;
    }
    const first = words[at];
    if (!first) break;
    let [letters, last] = [bare(first.word), first];
    at++;
    while (letters.length < wanted.length && words[at] && wanted.startsWith(letters + bare(words[at]!.word))) {
      last = words[at]!;
      letters += bare(last.word);
      at++;
    }
    if (!wanted.startsWith(letters) && !letters.startsWith(wanted)) return plainWords(words); // other words after all
    result.push({ text: token, start: first.start, end: Math.max(first.start, last.end) });
  }
  return at < words.length ? plainWords(words) : result;
}
const plainWords = (words: { word: string; start: number; end: number }[]) =>
  words.map(({ word, start, end }) => ({ text: word.trim(), start, end: Math.max(start, end) }));
