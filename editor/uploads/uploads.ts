/**
 * Uploads of this tab, by tus: each goes on where it stopped after a pause, a lost connection, a restart of the server
 * or a reload of the page (then the file is chosen again; its place is found by name, size and date).
 *
 *   queued → uploading ⇄ paused | waiting → checking → done | failed
 *
 *   waiting   the server cannot be reached; tried again by itself, at once when the connection is back
 *   checking  all bytes are there: the server compares its SHA-256 with this browser's, then takes what goes along
 *
 * At most `AT_ONCE` files are sent at a time.
 */
import { type DetailedError, defaultOptions, type PreviousUpload, Upload } from 'tus-js-client';
import * as z from 'zod';
import { create } from 'zustand';
import { Asset } from '../../nodes/contract.ts';
import { currentBrandId } from '../brands/current-brand.ts';
import { isOffline, problemOf, type ShownProblem } from '../problem.ts';
import { bytes } from '../ui/format.ts';
import { announce } from '../ui/live.tsx';
import { type Hashing, hashFile } from './hash.ts';
import { type Plan, planUploads } from './plan.ts';
import { addSample, rateOf, type Sample, secondsLeft } from './rate.ts';

const ENDPOINT = '/api/uploads';
const AT_ONCE = 2;
/** One request of this size at most: proxies cut endless ones off, and a cut costs at most this much. */
const CHUNK = 64 * 1024 * 1024;
const RETRY_MS = [0, 500, 1000, 2000, 5000];
const AGAIN_MS = 5000;
const DRAW_MS = 200;

export type UploadState = 'queued' | 'uploading' | 'paused' | 'waiting' | 'checking' | 'done' | 'failed';
export type UploadView = {
  id: string;
  workspaceId: string;
  name: string;
  kind: 'video' | 'audio' | 'text';
  bytes: number;
  sent: number;
  state: UploadState;
  /** bytes per second */
  rate: number | null;
  secondsLeft: number | null;
  /** Names of captions and transcripts that go along. */
  sidecars: string[];
  /** One sentence, where something is worth saying. */
  note: string | null;
  problem: ShownProblem | null;
  asset: Asset | null;
  /** Address of the local bytes, to look at the recording before it is all there. */
  preview: string;
};

export const useUploads = create<{ uploads: UploadView[] }>(() => ({ uploads: [] }));

type Job = {
  file: File;
  sidecars: File[];
  tus: Upload | null;
  hashing: Hashing | null;
  samples: Sample[];
  drawnAt: number;
  timer: ReturnType<typeof setTimeout> | null;
  settled: { promise: Promise<Asset>; resolve: (asset: Asset) => void; reject: (error: unknown) => void };
};
const jobs = new Map<string, Job>();
let count = 0;

const viewOf = (id: string) => useUploads.getState().uploads.find((upload) => upload.id === id);
function set(id: string, change: Partial<UploadView>): void {
  useUploads.setState(({ uploads }) => ({
    uploads: uploads.map((upload) => (upload.id === id ? { ...upload, ...change } : upload)),
  }));
}

/** Takes files for a workspace. What cannot be taken comes back with its reason; nothing of it was sent. */
export function addUploads(
  workspaceId: string,
  files: readonly File[],
): { ids: string[]; refused: Plan<File>['refused'] } {
  const { uploads, refused } = planUploads(files);
  const ids = uploads.map(({ file, kind, sidecars }) => {
    const same = useUploads
      .getState()
      .uploads.find(
        (upload) =>
          upload.workspaceId === workspaceId &&
          upload.name === file.name &&
          upload.bytes === file.size &&
          !['done', 'failed'].includes(upload.state),
      );
    if (same) return same.id;
    count += 1;
    const id = `upload-${count}`;
    const settled = Promise.withResolvers<Asset>();
    settled.promise.catch(() => {});
    jobs.set(id, { file, sidecars, tus: null, hashing: null, samples: [], drawnAt: 0, timer: null, settled });
    const view: UploadView = {
      id,
      workspaceId,
      name: file.name,
      kind,
      bytes: file.size,
      sent: 0,
      state: 'queued',
      rate: null,
      secondsLeft: null,
      sidecars: sidecars.map(({ name }) => name),
      note: null,
      problem: null,
      asset: null,
      preview: URL.createObjectURL(file),
    };
    useUploads.setState(({ uploads: before }) => ({ uploads: [...before, view] }));
    return id;
  });
  startNext();
  return { ids, refused };
}

/** The stored recording once the upload is done, however often it was tried. Rejects where it was taken off the list. */
export function uploaded(id: string): Promise<Asset> {
  return jobs.get(id)?.settled.promise ?? Promise.reject(new Error('This upload is not known here.'));
}

function startNext(): void {
  const { uploads } = useUploads.getState();
  const busy = uploads.filter(({ state }) => state === 'uploading' || state === 'checking').length;
  for (const { id } of uploads.filter(({ state }) => state === 'queued').slice(0, Math.max(0, AT_ONCE - busy)))
    void start(id);
}

/** Same file, same workspace: same upload. tus keeps the address of an unfinished one under this name. */
const fingerprint = (workspaceId: string, file: File) =>
  ['spliceboard', workspaceId, file.name, file.type, file.size, file.lastModified].join('-');

function tusOf(workspaceId: string, file: File, on: Partial<Upload['options']>): Upload {
  return new Upload(file, {
    endpoint: ENDPOINT,
    chunkSize: CHUNK,
    retryDelays: RETRY_MS,
    removeFingerprintOnSuccess: true,
    metadata: { filename: file.name, filetype: file.type || 'application/octet-stream', workspaceId },
    fingerprint: async () => fingerprint(workspaceId, file),
    onShouldRetry: (error) => isPassing(error),
    ...on,
  });
}

/** No answer, a busy server or a locked upload pass; a refusal stays. */
function isPassing(error: Error | DetailedError): boolean {
  const status = 'originalResponse' in error ? error.originalResponse?.getStatus() : undefined;
  return status === undefined || status === 0 || status >= 500 || [408, 409, 423, 429].includes(status);
}

async function start(id: string): Promise<void> {
  const job = jobs.get(id);
  const view = viewOf(id);
  if (!job || !view) return;
  set(id, { state: 'uploading', note: null, problem: null });
  job.samples = [];
  job.hashing ??= hashFile(job.file);
  if (!job.tus) {
    job.tus = tusOf(view.workspaceId, job.file, {
      onProgress: (sent) => progress(id, sent),
      onSuccess: () => void finish(id),
      onError: (error) => stumble(id, error),
    });
    const [previous] = await job.tus.findPreviousUploads();
    if (previous) {
      job.tus.resumeFromPreviousUpload(previous);
      set(id, { note: 'Goes on where it stopped.' });
    }
  }
  // Paused or cancelled while the former place was looked up.
  if (viewOf(id)?.state === 'uploading') job.tus.start();
}

function progress(id: string, sent: number): void {
  const job = jobs.get(id);
  const view = viewOf(id);
  if (!job || view?.state !== 'uploading') return;
  const at = performance.now();
  job.samples = addSample(job.samples, { at, sent });
  if (at - job.drawnAt < DRAW_MS && sent < view.bytes) return;
  job.drawnAt = at;
  set(id, { sent, rate: rateOf(job.samples), secondsLeft: secondsLeft(job.samples, view.bytes) });
}

function stumble(id: string, error: Error | DetailedError): void {
  const job = jobs.get(id);
  if (!job || viewOf(id)?.state !== 'uploading') return;
  if (isPassing(error)) {
    wait(id);
    return;
  }
  fail(id, problemFromAnswer('originalResponse' in error ? error.originalResponse?.getBody() : undefined));
}

function wait(id: string): void {
  const job = jobs.get(id);
  if (!job) return;
  set(id, {
    state: 'waiting',
    rate: null,
    secondsLeft: null,
    note: navigator.onLine
      ? 'The server does not answer. It goes on by itself when it does.'
      : 'There is no connection. It goes on by itself when there is.',
  });
  job.timer = setTimeout(() => void resumeUpload(id), AGAIN_MS);
}

const Finished = z.object({ asset: Asset });

/** The server's own words where it sent some. */
function problemFromAnswer(body: string | undefined): ShownProblem {
  try {
    const answer: unknown = JSON.parse(body ?? '');
    const problem = z.looseObject({ problem: z.unknown() }).safeParse(answer);
    return problemOf(problem.success ? answer : { problem: answer });
  } catch {
    return {
      code: 'UPLOAD_REFUSED',
      message: body && body.length < 200 ? body : 'The server refused this file.',
      hint: 'Choose the file again.',
      retry: 'person',
    };
  }
}

async function tellFinished(
  address: string,
  body: { sha256: string; sidecarOf?: string; brandId?: string },
): Promise<Asset> {
  const reply = await fetch(`${new URL(address, location.href).pathname}/finish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  if (!reply.ok) throw { problem: problemFromAnswer(text), isPassing: reply.status >= 500 };
  return Finished.parse(JSON.parse(text)).asset;
}

async function finish(id: string): Promise<void> {
  const job = jobs.get(id);
  const view = viewOf(id);
  if (!job?.tus?.url || !job.hashing || !view) return;
  set(id, { state: 'checking', sent: view.bytes, rate: null, secondsLeft: null, note: 'Compares the checksum.' });
  try {
    const sha256 = await job.hashing.sha256;
    const brandId = currentBrandId(view.workspaceId); // whose pipelines wait for it
    const asset = await tellFinished(job.tus.url, { sha256, ...(brandId === null ? {} : { brandId }) });
    for (const file of job.sidecars) {
      set(id, { note: `Adds ${file.name}.` });
      await sendFile(view.workspaceId, file, asset.asset);
    }
    await forgetPlace(view.workspaceId, job.file);
    set(id, { state: 'done', asset, note: null });
    announce(`${view.name} is uploaded.`);
    job.settled.resolve(asset);
  } catch (error) {
    // All bytes are there; only the answer is missing. Asking again sends nothing twice.
    if (isOffline(error) || isPassingAnswer(error)) wait(id);
    else fail(id, problemOf(error));
  }
  startNext();
}

const isPassingAnswer = (error: unknown) => z.object({ isPassing: z.literal(true) }).safeParse(error).success;

/** tus forgets an upload it began itself; one that was paused went on under a second client. */
async function forgetPlace(workspaceId: string, file: File): Promise<void> {
  const places = await defaultOptions.urlStorage.findUploadsByFingerprint(fingerprint(workspaceId, file));
  for (const { urlStorageKey } of places) await defaultOptions.urlStorage.removeUpload(urlStorageKey);
}

/** One small file at once, without a place on the list: captions that go along, a logo. */
export async function sendFile(workspaceId: string, file: File, sidecarOf?: string): Promise<Asset> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const hashing = hashFile(file);
  const tus = tusOf(workspaceId, file, {
    storeFingerprintForResuming: false,
    onSuccess: () => resolve(),
    onError: (error) =>
      reject(
        isPassing(error)
          ? error
          : { problem: problemFromAnswer('originalResponse' in error ? error.originalResponse?.getBody() : undefined) },
      ),
  });
  tus.start();
  await promise;
  return tellFinished(tus.url ?? '', { sha256: await hashing.sha256, ...(sidecarOf ? { sidecarOf } : {}) });
}

function fail(id: string, problem: ShownProblem): void {
  set(id, { state: 'failed', problem, note: null, rate: null, secondsLeft: null });
  announce(`${viewOf(id)?.name ?? 'An upload'} failed. ${problem.message}`, 'assertive');
  startNext();
}

export async function pauseUpload(id: string): Promise<void> {
  const job = jobs.get(id);
  if (!job) return;
  if (job.timer) clearTimeout(job.timer);
  set(id, { state: 'paused', rate: null, secondsLeft: null, note: null });
  await job.tus?.abort();
  startNext();
}

/** Goes on with a paused, waiting or failed upload. */
export async function resumeUpload(id: string): Promise<void> {
  const job = jobs.get(id);
  const view = viewOf(id);
  if (!job || !view) return;
  if (job.timer) clearTimeout(job.timer);
  if (view.state === 'failed') {
    job.hashing?.stop();
    job.hashing = null;
    job.tus = null;
    set(id, { state: 'queued', problem: null, sent: 0 });
    startNext();
    return;
  }
  if (view.state === 'paused' || view.state === 'waiting') {
    // A fresh client asks the server for its offset; what was sent since the last answer may be lost there.
    const url = job.tus?.url ?? null;
    job.tus = url ? tusAgain(id, view.workspaceId, job.file, url) : null;
    await start(id);
  }
}

function tusAgain(id: string, workspaceId: string, file: File, uploadUrl: string): Upload {
  return tusOf(workspaceId, file, {
    uploadUrl,
    onProgress: (sent) => progress(id, sent),
    onSuccess: () => void finish(id),
    onError: (error) => stumble(id, error),
  });
}

/** Stops it and takes back what was sent. */
export async function cancelUpload(id: string): Promise<void> {
  const job = jobs.get(id);
  const view = viewOf(id);
  dismissUpload(id);
  if (!job || !view || view.state === 'done') return;
  // The server sweeps what nobody finishes; a failed clean-up is not the person's business.
  await job.tus?.abort(true).catch(() => {});
  startNext();
}

/** Takes it off the list. */
export function dismissUpload(id: string): void {
  const job = jobs.get(id);
  if (job?.timer) clearTimeout(job.timer);
  job?.hashing?.stop();
  job?.settled.reject(new Error('The upload was cancelled.'));
  const view = viewOf(id);
  if (view) URL.revokeObjectURL(view.preview);
  useUploads.setState(({ uploads }) => ({ uploads: uploads.filter((upload) => upload.id !== id) }));
  jobs.delete(id);
}

if (typeof addEventListener === 'function')
  addEventListener('online', () => {
    for (const { id, state } of useUploads.getState().uploads) if (state === 'waiting') void resumeUpload(id);
  });

if (typeof addEventListener === 'function')
  addEventListener('beforeunload', (event) => {
    const open = useUploads.getState().uploads.some(({ state }) => ['uploading', 'checking', 'queued'].includes(state));
    if (open) event.preventDefault();
  });

export type Unfinished = { key: string; name: string; bytes: number; sent: number; since: string };

/** Uploads begun before this page was loaded that can go on once their file is chosen again. */
export async function unfinishedUploads(workspaceId: string): Promise<Unfinished[]> {
  const kept = await defaultOptions.urlStorage.findAllUploads();
  const open = new Set(
    useUploads.getState().uploads.flatMap(({ id, state }) => (state === 'done' ? [] : [jobs.get(id)?.file.name])),
  );
  const own = kept.filter(
    ({ metadata, uploadUrl }) => uploadUrl && metadata.workspaceId === workspaceId && !open.has(metadata.filename),
  );
  const found = await Promise.all(own.map(placeOf));
  return found.filter((each) => each !== null);
}

async function placeOf(previous: PreviousUpload): Promise<Unfinished | null> {
  const { metadata, uploadUrl, urlStorageKey, size, creationTime } = previous;
  try {
    const reply = await fetch(uploadUrl ?? '', { method: 'HEAD', headers: { 'tus-resumable': '1.0.0' } });
    if ([401, 403, 404, 410].includes(reply.status)) {
      await defaultOptions.urlStorage.removeUpload(urlStorageKey);
      return null;
    }
    const sent = Number(reply.headers.get('upload-offset') ?? 0);
    return { key: urlStorageKey, name: metadata.filename ?? 'a file', bytes: size ?? 0, sent, since: creationTime };
  } catch {
    return null;
  }
}

export async function forgetUnfinished(key: string): Promise<void> {
  const kept = await defaultOptions.urlStorage.findAllUploads();
  const one = kept.find(({ urlStorageKey }) => urlStorageKey === key);
  await defaultOptions.urlStorage.removeUpload(key);
  if (one?.uploadUrl) await Upload.terminate(one.uploadUrl).catch(() => {});
}

/** "5.1 of 8.8 MB" */
export const sentOf = (sent: number, total: number): string => `${bytes(sent)} of ${bytes(total)}`;
