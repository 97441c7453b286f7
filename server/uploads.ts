/**
 * Resumable uploads (tus 1.0.0) at /api/uploads, and POST /api/uploads/:id/finish, which compares the whole file's
 * SHA-256 with the sender's own, looks at its first bytes, and puts it into the workspace's store.
 * An upload belongs to the user and workspace that began it and survives restarts of the server. Its files go when it is
 * finished, or when no byte came for a day; its row stays an hour longer, so that a finish whose answer was lost may be
 * asked again.
 * Errors: UPLOAD_INCOMPLETE, UPLOAD_DIGEST, UPLOAD_TYPE, TOO_LARGE, DISK_FULL, NOT_FOUND.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync } from 'node:fs';
import { link, open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FileStore } from '@tus/file-store';
import { Server as TusServer } from '@tus/server';
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { addSidecar, findAsset, markGiven } from '../db/assets.ts';
import type { Database } from '../db/connect.ts';
import { sendErrand } from '../db/errands.ts';
import { announceArrival } from '../db/triggers.ts';
import { allUploads, beginUpload, finishUpload, getUpload, removeUpload, uploadOwner } from '../db/uploads.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { Asset } from '../nodes/contract.ts';
import { SNIFF_BYTES, sniff } from '../runtime/sniff.ts';
import type { Authorize, Services } from './deps.ts';
import { roomIn } from './disk.ts';
import { log } from './log.ts';
import { notFound, Problem, toProblem } from './problem.ts';
import { callerOf } from './session.ts';

/** The largest recording; SPLICEBOARD_UPLOAD_GB changes it. */
const MOST_BYTES = Number(process.env.SPLICEBOARD_UPLOAD_GB ?? 10) * 1024 ** 3;
const EXPIRES_MS = 24 * 3_600_000;
/** What a request has in hand now is younger. */
const IN_HAND_MS = 3_600_000;
const SWEEP_MS = 3_600_000;
const SIDECAR_BYTES = 8 * 1024 ** 2;

const Finish = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sidecarOf: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** The brand it is for; pipelines of others are not started by it. */
  brandId: z.uuid().optional(),
});

export function registerUploads(app: FastifyInstance, services: Services, authorize: Authorize): void {
  const folder = path.join(services.dataDir, 'uploads');
  mkdirSync(folder, { recursive: true });
  const store = new FileStore({ directory: folder });
  const fileOf = (id: string) => path.join(folder, id);
  /** Whose request tus is working on: its hooks see a request of their own, without our session. */
  const callers = new AsyncLocalStorage<{ userId: string; workspaceId: string }>();
  const tus = new TusServer({
    path: '/api/uploads',
    datastore: store,
    maxSize: MOST_BYTES,
    respectForwardedHeaders: false,
    relativeLocation: true,
    namingFunction: () => randomBytes(16).toString('hex'),
    async onUploadCreate(_request, upload) {
      const { workspaceId, filename } = upload.metadata ?? {};
      const caller = callers.getStore();
      if (!caller || workspaceId !== caller.workspaceId) throw refusal(notFound('This workspace'));
      const bytes = upload.size ?? 0;
      const { freeBytes, spareBytes } = roomIn(await services.disk());
      if (bytes + spareBytes > freeBytes) {
        throw refusal(
          new Problem(
            'PRECONDITION_FAILED',
            'DISK_FULL',
            `The disk has no room for this file: it needs ${megabytes(bytes)}, ${megabytes(Math.max(0, freeBytes - spareBytes))} are left.`,
            { hint: 'Free some space under Settings, Storage, then try again.', retry: 'person' },
          ),
        );
      }
      const name = (filename ?? 'recording').slice(0, 300);
      await inWorkspace(services.db, caller.workspaceId, (tx) =>
        beginUpload(tx, { id: upload.id, userId: caller.userId, name, bytes }),
      );
      return {};
    },
    async onResponseError(_request, error) {
      if ('status_code' in error && 'body' in error) return error as { status_code: number; body: string };
      return undefined;
    },
  });
  app.addContentTypeParser('application/offset+octet-stream', (_request, _payload, done) => done(null));
  app.route({
    method: ['POST', 'PATCH', 'HEAD', 'DELETE', 'OPTIONS'],
    url: '/api/uploads',
    handler: (request, reply) => handle(request, reply),
  });
  app.route({
    method: ['PATCH', 'HEAD', 'DELETE', 'OPTIONS'],
    url: '/api/uploads/:id',
    handler: (request, reply) => handle(request, reply),
  });

  /** Rights first, then tus takes the connection over. */
  async function handle(
    request: import('fastify').FastifyRequest,
    reply: import('fastify').FastifyReply,
  ): Promise<void> {
    const { id } = request.params as { id?: string };
    const caller = await callerOf(services, request.headers);
    if (!caller) throw new Problem('UNAUTHORIZED', 'SIGN_IN', 'Sign in first.');
    const named =
      id === undefined
        ? metadataOf(request.headers['upload-metadata']).workspaceId
        : (await ownerOf(id, caller.userId)).workspaceId;
    const workspaceId = z.uuid().safeParse(named).data;
    if (workspaceId === undefined) throw notFound('This workspace');
    await authorize(request, { workspaceId, role: 'editor' });
    reply.hijack();
    await callers.run({ userId: caller.userId, workspaceId }, () => tus.handle(request.raw, reply.raw));
  }

  async function ownerOf(id: string, userId: string): Promise<{ workspaceId: string }> {
    const owner = /^[0-9a-f]{32}$/.test(id) ? await uploadOwner(services.db, id) : undefined;
    if (!owner || owner.userId !== userId) throw notFound('This upload');
    return owner;
  }

  app.post('/api/uploads/:id/finish', async (request): Promise<{ asset: Asset }> => {
    const { id } = request.params as { id: string };
    const caller = await callerOf(services, request.headers);
    if (!caller) throw new Problem('UNAUTHORIZED', 'SIGN_IN', 'Sign in first.');
    const { workspaceId } = await ownerOf(id, caller.userId);
    const wanted = Finish.safeParse(request.body);
    const forBrand = wanted.data?.brandId;
    const member = await authorize(request, {
      workspaceId,
      role: 'editor',
      ...(forBrand === undefined ? {} : { brandId: forBrand }),
    });
    if (!wanted.success) throw new Problem('BAD_REQUEST', 'INPUT_INVALID', 'The SHA-256 of the file is missing.');
    const { sha256, sidecarOf } = wanted.data;
    const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(services.db, workspaceId, work);
    const upload = await inside((tx) => getUpload(tx, id));
    if (!upload) throw notFound('This upload');
    const recording = sidecarOf === undefined ? undefined : await inside((tx) => findAsset(tx, sidecarOf));
    if (sidecarOf !== undefined && !recording) throw notFound('The recording of this file');
    if (upload.asset !== null) {
      const done = await inside((tx) => findAsset(tx, upload.asset!));
      if (done) return { asset: done.asset };
    }
    const file = fileOf(id);
    const size = (await stat(file).catch(() => undefined))?.size;
    if (size === undefined) throw notFound('This upload');
    if (size !== upload.bytes) {
      throw new Problem(
        'CONFLICT',
        'UPLOAD_INCOMPLETE',
        `${upload.name} is not complete: ${size} of ${upload.bytes} bytes arrived.`,
        {
          hint: 'Resume the upload.',
          retry: 'later',
        },
      );
    }
    const found = await sha256Of(file);
    if (found !== sha256) {
      await forget();
      throw new Problem(
        'CONFLICT',
        'UPLOAD_DIGEST',
        `${upload.name} arrived changed: its checksum is not the one you sent.`,
        {
          hint: 'Upload it again.',
          retry: 'person',
        },
      );
    }
    const kind = sniff(await head(file), upload.name);
    if (!kind || (sidecarOf !== undefined && kind.kind !== 'text')) {
      await forget();
      throw new Problem(
        'BAD_REQUEST',
        'UPLOAD_TYPE',
        `${upload.name} is not a recording or a text that can be read here.`,
        {
          hint: 'Video: MP4, MOV, MKV, WebM. Sound: MP3, WAV, M4A, FLAC, OGG. Text: TXT, MD; captions: SRT, WebVTT, JSON.',
        },
      );
    }
    if (sidecarOf !== undefined && size > SIDECAR_BYTES) {
      await forget();
      throw new Problem('PAYLOAD_TOO_LARGE', 'TOO_LARGE', `${upload.name} is too long for captions.`);
    }
    // A second name for the bytes: a server that is killed here finds the upload as it was.
    const copy = `${file}.${randomBytes(6).toString('hex')}`;
    await link(file, copy);
    const asset = await services
      .storeFor(workspaceId)
      .putFile(copy, { kind: kind.kind, mime: kind.mime, name: upload.name });
    await inside(async (tx) => {
      if (sidecarOf !== undefined) await addSidecar(tx, sidecarOf, asset.asset, upload.name);
      await markGiven(tx, asset.asset);
      await finishUpload(tx, id, asset.asset);
      if (asset.kind === 'video' || asset.kind === 'audio') {
        // without a brand it is for all of theirs
        for (const brandId of forBrand === undefined ? (member.brands ?? [null]) : [forBrand]) {
          await announceArrival(tx, { sha256: asset.asset, brandId, by: caller.userId });
        }
        await sendErrand(tx, workspaceId, { kind: 'inspect', input: { asset: asset.asset }, by: caller.userId });
      }
    });
    await removeFiles();
    return { asset };

    async function removeFiles() {
      await Promise.all([rm(file, { force: true }), rm(`${file}.json`, { force: true })]);
    }
    async function forget() {
      await removeFiles();
      await inside((tx) => removeUpload(tx, id));
    }
  });

  const sweep = () =>
    void sweepUploads(services.db, folder, new Date()).catch((error: unknown) =>
      log.error({ err: error }, 'Old uploads could not be cleared.'),
    );
  sweep();
  const timer = setInterval(sweep, SWEEP_MS);
  timer.unref();
  app.addHook('onClose', () => clearInterval(timer));
}

/**
 * Clears what uploads leave behind: files of finished ones and of those without a row (a server was killed in between),
 * files and rows of those to which no byte came for a day, rows of finished ones. Gives back how many files and rows.
 */
export async function sweepUploads(db: Database, folder: string, now: Date): Promise<{ files: number; rows: number }> {
  const uploads = new Map((await allUploads(db)).map((upload) => [upload.id, upload]));
  const lastByte = new Map<string, number>();
  const left: { id: string; file: string; changed: number }[] = [];
  for (const name of await readdir(folder)) {
    const id = /^[0-9a-f]{32}(?=$|\.)/.exec(name)?.[0];
    const file = path.join(folder, name);
    const changed = (await stat(file).catch(() => undefined))?.mtimeMs;
    if (id === undefined || changed === undefined) continue;
    left.push({ id, file, changed });
    lastByte.set(id, Math.max(lastByte.get(id) ?? 0, changed));
  }
  const age = (at: number) => now.getTime() - at;
  let files = 0;
  for (const { id, file, changed } of left) {
    const upload = uploads.get(id);
    const isWanted = upload !== undefined && !upload.isFinished;
    if (age(isWanted ? lastByte.get(id)! : changed) < (isWanted ? EXPIRES_MS : IN_HAND_MS)) continue;
    await rm(file, { force: true });
    files += 1;
  }
  let rows = 0;
  for (const { workspaceId, id, createdAt, isFinished } of uploads.values()) {
    const touched = Math.max(createdAt.getTime(), lastByte.get(id) ?? 0);
    if (age(touched) < (isFinished ? IN_HAND_MS : EXPIRES_MS)) continue;
    await inWorkspace(db, workspaceId, (tx) => removeUpload(tx, id));
    rows += 1;
  }
  return { files, rows };
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1024 ** 2).toLocaleString('en')} MB`;

function metadataOf(header: string | string[] | undefined): Record<string, string> {
  const text = Array.isArray(header) ? header[0] : header;
  return Object.fromEntries(
    (text ?? '').split(',').map((pair) => {
      const [name = '', value = ''] = pair.trim().split(' ');
      return [name, Buffer.from(value, 'base64').toString('utf8')];
    }),
  );
}

/** tus answers with a status and a text; ours is the one error shape as JSON. */
function refusal(problem: Problem): { status_code: number; body: string } {
  const { status, problem: json } = toProblem(problem);
  return { status_code: status, body: JSON.stringify({ problem: json }) };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function head(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
