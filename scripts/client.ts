/**
 * The API from the command line: a typed tRPC client, resumable uploads, event streams and downloads, with a token.
 * The address and the token come from the data folder of a Spliceboard on this machine, or from `--url` and `--token`
 * (SPLICEBOARD_URL, SPLICEBOARD_TOKEN) for one elsewhere.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createTRPCClient, httpBatchLink, TRPCClientError } from '@trpc/client';
import { Upload } from 'tus-js-client';
import type { Asset } from '../nodes/contract.ts';
import type { AppRouter } from '../server/router.ts';
import { ownerOf } from './data-folder.ts';

/** What a person can do something about: `message`, and `hint` where there is one. Exit code 1. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly hint: string | null;
  constructor(message: string, hint: string | null = null, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

export type Client = {
  url: string;
  api: ReturnType<typeof createTRPCClient<AppRouter>>;
  workspaceId: string;
  /** Uploads a file unless the workspace has it already; `onProgress` in bytes. */
  upload(file: string, options?: UploadOptions): Promise<Asset>;
  /** Sends a packed plugin to be checked; its digest. */
  sendPlugin(text: string, from: 'file' | 'folder'): Promise<string>;
  /** Writes an asset's bytes to `file`. */
  download(sha256: string, file: string): Promise<void>;
  /** The values of a subscription, until the server ends it. */
  stream<T>(procedure: string, input: unknown): AsyncGenerator<T>;
};

export type UploadOptions = {
  /** SHA-256 of the recording this file belongs to. */
  sidecarOf?: string;
  onProgress?: (sent: number, total: number) => void;
};

export type Where = { url?: string; token?: string; data: string; workspace?: string };

export async function connect(where: Where): Promise<Client> {
  const url = (where.url ?? process.env.SPLICEBOARD_URL ?? ownerOf(where.data)?.url)?.replace(/\/$/, '');
  if (!url) {
    throw new CommandError(
      `No Spliceboard runs on ${path.resolve(where.data)}.`,
      'Start it with npm start, or name another with --data DIR or --url ADDRESS.',
    );
  }
  const tokenFile = path.join(where.data, 'token');
  const token =
    where.token ??
    process.env.SPLICEBOARD_TOKEN ??
    (existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : undefined);
  if (!token) {
    throw new CommandError(
      `There is no API token in ${tokenFile}.`,
      'Make one under Settings, Tokens, and pass it with --token.',
    );
  }
  const headers = { authorization: `Bearer ${token}` };
  const api = createTRPCClient<AppRouter>({ links: [httpBatchLink({ url: `${url}/api/trpc`, headers })] });
  const me = await api.session.me.query().catch((error: unknown) => {
    throw explain(error, url);
  });
  const wanted = where.workspace ?? process.env.SPLICEBOARD_WORKSPACE;
  const workspace = me.workspaces.find((each) => (wanted ? [each.id, each.name].includes(wanted) : true));
  if (!workspace) {
    throw new CommandError(
      wanted ? `This token has no workspace named ${wanted}.` : 'This token belongs to no workspace.',
      me.workspaces.length > 0 ? `It has: ${me.workspaces.map((each) => each.name).join(', ')}.` : null,
    );
  }
  const workspaceId = workspace.id;

  async function call(address: string, init: RequestInit = {}): Promise<Response> {
    const reply = await fetch(`${url}${address}`, { ...init, headers: { ...headers, ...init.headers } });
    if (reply.ok) return reply;
    const problem = (await reply.json().catch(() => ({}))) as {
      message?: string;
      hint?: string;
      problem?: { message?: string; hint?: string };
    };
    const { message, hint } = problem.problem ?? problem;
    throw new CommandError(message ?? `${url}${address.split('?')[0]} answered ${reply.status}.`, hint ?? null);
  }

  return {
    url,
    api,
    workspaceId,
    async upload(file, options = {}) {
      const { size } = await stat(file).catch(() => {
        throw new CommandError(`There is no file ${path.resolve(file)}.`);
      });
      const sha256 = await hashFile(file);
      const id = await send(file, size, {
        endpoint: `${url}/api/uploads`,
        headers,
        workspaceId,
        onProgress: options.onProgress,
      });
      const reply = await call(`/api/uploads/${id}/finish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ sha256, ...(options.sidecarOf ? { sidecarOf: options.sidecarOf } : {}) }),
      });
      return ((await reply.json()) as { asset: Asset }).asset;
    },
    async sendPlugin(text, from) {
      const reply = await call(`/api/plugins?${new URLSearchParams({ workspaceId, from })}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: text,
      });
      return ((await reply.json()) as { digest: string }).digest;
    },
    async download(sha256, file) {
      await mkdir(path.dirname(file), { recursive: true });
      const reply = await call(`/media/${workspaceId}/${sha256}`);
      const unfinished = `${file}.part`;
      try {
        await pipeline(
          Readable.fromWeb(reply.body as import('node:stream/web').ReadableStream),
          createWriteStream(unfinished),
        );
        await rename(unfinished, file);
      } finally {
        await rm(unfinished, { force: true });
      }
    },
    async *stream<T>(procedure: string, input: unknown) {
      const query = new URLSearchParams({ input: JSON.stringify(input) });
      const reply = await call(`/api/trpc/${procedure}?${query}`, { headers: { accept: 'text/event-stream' } });
      for await (const { event, data } of events(reply)) {
        if (event === 'return') return;
        if (event === 'serialized-error') {
          const { message, data: more } = JSON.parse(data) as {
            message: string;
            data?: { problem?: { hint?: string } };
          };
          throw new CommandError(message, more?.problem?.hint ?? null);
        }
        if (event === 'message') yield JSON.parse(data) as T;
      }
    },
  };
}

/** The error shape of the API as a sentence; others unchanged. */
export function explain(error: unknown, url = ''): unknown {
  if (!(error instanceof TRPCClientError)) return error;
  const { problem } = (error.data ?? {}) as { problem?: { message: string; hint?: string | null } };
  if (problem) return new CommandError(problem.message, problem.hint ?? null, { cause: error });
  if (error.cause instanceof TypeError) {
    return new CommandError(
      `${url || 'The server'} does not answer.`,
      'Start it with npm start, or name another with --url.',
      {
        cause: error,
      },
    );
  }
  return new CommandError(error.message, null, { cause: error });
}

type Sending = {
  endpoint: string;
  headers: Record<string, string>;
  workspaceId: string;
  onProgress: UploadOptions['onProgress'];
};

/** Sends the bytes by tus (it resumes after a broken connection) and gives back the upload's id. */
function send(file: string, size: number, { endpoint, headers, workspaceId, onProgress }: Sending): Promise<string> {
  return new Promise((resolve, reject) => {
    const upload: Upload = new Upload(createReadStream(file), {
      endpoint,
      headers,
      uploadSize: size,
      chunkSize: 32 * 1024 * 1024,
      retryDelays: [200, 1000, 3000, 5000, 10_000],
      metadata: { filename: path.basename(file), workspaceId },
      onProgress: (sent, total) => onProgress?.(sent, total ?? size),
      onError: (error) =>
        reject(
          new CommandError(`The upload of ${path.basename(file)} failed: ${error.message}.`, null, { cause: error }),
        ),
      onSuccess: () => resolve(new URL(upload.url!, endpoint).pathname.split('/').at(-1)!),
    });
    upload.start();
  });
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Server-sent events, as the living standard says: fields by line, a blank line ends one. */
async function* events(reply: Response): AsyncGenerator<{ event: string; data: string }> {
  let event = 'message';
  let data: string[] = [];
  let rest = '';
  for await (const chunk of reply.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event, data: data.join('\n') };
        event = 'message';
        data = [];
      } else if (line.startsWith('event:')) event = line.slice(6).trim();
      else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
    }
  }
}
