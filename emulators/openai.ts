/**
 * An OpenAI-compatible service: chat completions with strict JSON schemas, embeddings (base64 where asked), audio
 * transcriptions by multipart form. Strict: Bearer key, known models, 25 MB a file, schema rules of strict mode, and the
 * service's own error object.
 *
 * Two accounts: `sk-test-1` and `sk-test-2`. Answers come from `state.chat` and `state.transcribe`.
 * Source: platforms reference §9 (SDK 6.49.0).
 */
import { createHash } from 'node:crypto';
import { type Answer, type Asked, type Emulator, startEmulator } from './support.ts';

export type ChatAnswer = { content?: unknown; refusal?: string; finish_reason?: string };
export type Verbose = {
  language: string;
  duration: number;
  text: string;
  segments: { id: number; start: number; end: number; text: string; avg_logprob?: number; no_speech_prob?: number }[];
  words?: { word: string; start: number; end: number }[];
};
export type OpenAiState = {
  accounts: Map<string, string>;
  withoutQuota: Set<string>;
  chatModels: Set<string>;
  /** Taken in order, the last one again and again; a function sees the request. */
  chat: (ChatAnswer | ((request: Record<string, unknown>) => ChatAnswer))[];
  transcribe(file: { name: string; bytes: Buffer }, form: Map<string, string[]>): Verbose;
  files: { name: string; bytes: number; sha256: string; fields: Record<string, string[]> }[];
};

const FILE_BYTES = 25 * 1024 * 1024;
const AUDIO = /\.(flac|mp3|mp4|mpeg|mpga|m4a|ogg|wav|webm)$/;
const SPEECH_MODELS = new Set([
  'whisper-1',
  'gpt-4o-transcribe',
  'gpt-4o-mini-transcribe',
  'gpt-4o-transcribe-diarize',
]);
const EMBEDDING_MODELS = new Map([
  ['text-embedding-3-small', 1536],
  ['text-embedding-3-large', 3072],
]);

export const DEFAULT_SPEECH: Verbose = {
  language: 'english',
  duration: 4,
  text: "Hello, world. It's a test.",
  segments: [
    { id: 0, start: 0, end: 1.6, text: ' Hello, world.' },
    { id: 1, start: 2, end: 4, text: " It's a test." },
  ],
  words: [
    { word: 'Hello', start: 0.1, end: 0.6 },
    { word: 'world', start: 0.7, end: 1.5 },
    { word: "It's", start: 2, end: 2.4 },
    { word: 'a', start: 2.4, end: 2.6 },
    { word: 'test', start: 2.7, end: 3.4 },
  ],
};

const refuse = (
  status: number,
  message: string,
  more: { type?: string; code?: string | null; param?: string | null } = {},
): Answer => ({
  status,
  headers: { 'x-request-id': `req_${createHash('sha256').update(message).digest('hex').slice(0, 12)}` },
  json: {
    error: { message, type: more.type ?? 'invalid_request_error', param: more.param ?? null, code: more.code ?? null },
  },
});

export function startOpenAi(port = 0): Promise<Emulator<OpenAiState>> {
  return startEmulator<OpenAiState>(
    {
      name: 'openai',
      realOrigin: 'https://api.openai.com',
      fresh: () => ({
        accounts: new Map([
          ['sk-test-1', 'org-1'],
          ['sk-test-2', 'org-2'],
        ]),
        withoutQuota: new Set(),
        chatModels: new Set(['gpt-4o-mini', 'gpt-4o', 'gpt-4.1-mini']),
        chat: [{ content: {} }],
        transcribe: () => DEFAULT_SPEECH,
        files: [],
      }),
      notFound: (asked) => refuse(404, `Invalid URL (${asked.method} ${asked.path})`),
      guard: (state, asked) => {
        const header = asked.headers.authorization ?? '';
        if (!header.startsWith('Bearer ')) {
          return refuse(401, "You didn't provide an API key.", { code: null });
        }
        const key = header.slice(7);
        if (!state.accounts.has(key)) {
          return refuse(401, `Incorrect API key provided: ${key.slice(0, 3)}***.`, { code: 'invalid_api_key' });
        }
        if (state.withoutQuota.has(key)) {
          return refuse(429, 'You exceeded your current quota, please check your plan and billing details.', {
            type: 'insufficient_quota',
            code: 'insufficient_quota',
          });
        }
        return undefined;
      },
      control: (state, command) => {
        if (Array.isArray(command.chat)) state.chat = command.chat as ChatAnswer[];
        if (command.speech) state.transcribe = () => command.speech as Verbose;
        return { files: state.files };
      },
      routes: (current) => [
        {
          method: 'GET',
          path: '/v1/models',
          answer: () => ({
            status: 200,
            json: {
              object: 'list',
              data: [...current().chatModels, ...SPEECH_MODELS].map((id) => ({
                id,
                object: 'model',
                created: 0,
                owned_by: 'openai',
              })),
            },
          }),
        },
        { method: 'POST', path: '/v1/chat/completions', answer: (asked) => chat(current(), asked) },
        { method: 'POST', path: '/v1/embeddings', answer: (asked) => embeddings(asked) },
        { method: 'POST', path: '/v1/audio/transcriptions', answer: (asked) => transcriptions(current(), asked) },
      ],
    },
    port,
  );
}

function bodyOf(asked: Asked): Record<string, unknown> | undefined {
  try {
    return JSON.parse(asked.body.toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

type Format = { type: string; json_schema?: { name?: string; strict?: boolean; schema?: unknown } };

function chat(state: OpenAiState, asked: Asked): Answer {
  const request = bodyOf(asked);
  if (!request) return refuse(400, 'We could not parse the JSON body of your request.');
  const model = String(request.model ?? '');
  if (!state.chatModels.has(model))
    return refuse(404, `The model \`${model}\` does not exist or you do not have access to it.`, {
      code: 'model_not_found',
    });
  if (!Array.isArray(request.messages) || request.messages.length === 0)
    return refuse(400, "Missing required parameter: 'messages'.", {
      param: 'messages',
      code: 'missing_required_parameter',
    });
  const format = request.response_format as Format | undefined;
  if (format?.type === 'json_schema') {
    const fault = schemaFault(format.json_schema);
    if (fault) return refuse(400, fault, { param: 'response_format', code: null });
  }
  const next = state.chat.length > 1 ? state.chat.shift()! : state.chat[0]!;
  const { content, refusal, finish_reason = 'stop' } = typeof next === 'function' ? next(request) : next;
  return {
    status: 200,
    headers: { 'x-request-id': 'req_chat', 'x-ratelimit-remaining-requests': '99' },
    json: {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 0,
      model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: refusal ? null : typeof content === 'string' ? content : JSON.stringify(content),
            refusal: refusal ?? null,
          },
          finish_reason,
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 },
    },
  };
}

/** The rules of strict mode, as the service checks them. */
function schemaFault(given: Format['json_schema']): string | undefined {
  if (!given?.name || !/^[A-Za-z0-9_-]{1,64}$/.test(given.name)) return "Invalid 'response_format.json_schema.name'.";
  if (given.strict !== true) return undefined;
  const walk = (schema: unknown, at: string): string | undefined => {
    if (typeof schema !== 'object' || schema === null) return undefined;
    const one = schema as {
      type?: unknown;
      properties?: Record<string, unknown>;
      required?: string[];
      additionalProperties?: unknown;
      items?: unknown;
    };
    if (one.type === 'object') {
      if (one.additionalProperties !== false)
        return `Invalid schema for response_format '${given.name}': In context=${at}, 'additionalProperties' is required to be supplied and to be false.`;
      const missing = Object.keys(one.properties ?? {}).find((name) => !one.required?.includes(name));
      if (missing)
        return `Invalid schema for response_format '${given.name}': In context=${at}, 'required' is required to include every key in properties. Missing '${missing}'.`;
    }
    for (const [name, child] of Object.entries(one.properties ?? {})) {
      const fault = walk(child, `${at}.${name}`);
      if (fault) return fault;
    }
    return walk(one.items, `${at}.items`);
  };
  return walk(given.schema, '()');
}

function embeddings(asked: Asked): Answer {
  const request = bodyOf(asked);
  if (!request) return refuse(400, 'We could not parse the JSON body of your request.');
  const size = EMBEDDING_MODELS.get(String(request.model));
  if (!size) return refuse(404, `The model \`${String(request.model)}\` does not exist.`, { code: 'model_not_found' });
  const inputs = Array.isArray(request.input) ? request.input.map(String) : [String(request.input ?? '')];
  if (inputs.length > 2048) return refuse(400, "'input' must have at most 2048 items.", { param: 'input' });
  if (inputs.some((input) => input === '')) return refuse(400, "'$.input' is invalid.", { param: 'input' });
  const data = inputs.map((input, index) => {
    const vector = vectorOf(input, Number(request.dimensions ?? size));
    const embedding =
      request.encoding_format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector];
    return { object: 'embedding', index, embedding };
  });
  return {
    status: 200,
    json: { object: 'list', data, model: request.model, usage: { prompt_tokens: 1, total_tokens: 1 } },
  };
}

/** A unit vector from the words' digests: the same words, the same direction. Little endian, as the machine is. */
function vectorOf(text: string, size: number): Float32Array {
  const vector = new Float32Array(size);
  for (const word of text.toLowerCase().split(/\W+/).filter(Boolean)) {
    const digest = createHash('sha256').update(word).digest();
    for (let at = 0; at < 8; at++) vector[digest.readUInt16LE(at * 2) % size]! += 1;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

async function transcriptions(state: OpenAiState, asked: Asked): Promise<Answer> {
  const type = asked.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) return refuse(400, 'Expected multipart/form-data.');
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(asked.body), { headers: { 'content-type': type } }).formData();
  } catch {
    return refuse(400, 'Could not parse multipart form');
  }
  const fields = new Map<string, string[]>();
  for (const [name, value] of form)
    if (typeof value === 'string') fields.set(name, [...(fields.get(name) ?? []), value]);
  const file = form.get('file');
  if (!(file instanceof File)) return refuse(400, "Missing required parameter: 'file'.", { param: 'file' });
  if (!AUDIO.test(file.name))
    return refuse(
      400,
      `Unrecognized file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']`,
    );
  if (file.size > FILE_BYTES)
    return refuse(413, `Maximum content size limit (${FILE_BYTES}) exceeded (${file.size} bytes read)`);
  const model = fields.get('model')?.[0] ?? '';
  if (!SPEECH_MODELS.has(model)) return refuse(400, `Invalid model ${model}`, { param: 'model' });
  const format = fields.get('response_format')?.[0] ?? 'json';
  const grain = fields.get('timestamp_granularities[]') ?? [];
  if (grain.length > 0 && format !== 'verbose_json')
    return refuse(400, 'timestamp_granularities requires response_format verbose_json', {
      param: 'timestamp_granularities',
    });
  if (format === 'verbose_json' && model !== 'whisper-1')
    return refuse(
      400,
      `response_format 'verbose_json' is not compatible with model '${model}'. Use 'json' or 'text' instead.`,
      { param: 'response_format' },
    );
  const bytes = Buffer.from(await file.arrayBuffer());
  state.files.push({
    name: file.name,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    fields: Object.fromEntries(fields),
  });
  const said = state.transcribe({ name: file.name, bytes }, fields);
  if (format !== 'verbose_json') return { status: 200, json: { text: said.text } };
  const { words, segments, ...rest } = said;
  return {
    status: 200,
    json: {
      task: 'transcribe',
      ...rest,
      segments: grain.length === 0 || grain.includes('segment') ? segments : undefined,
      words: grain.includes('word') ? words : undefined,
    },
  };
}
