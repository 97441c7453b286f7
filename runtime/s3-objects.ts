/**
 * Objects in an S3-compatible store: AWS, MinIO, Ceph, Garage, R2 and the like. Settings from the environment:
 *
 *   SPLICEBOARD_S3_BUCKET      the bucket; where it is unset assets lie in the data folder
 *   SPLICEBOARD_S3_ENDPOINT    the store's address; AWS itself where absent
 *   SPLICEBOARD_S3_REGION      us-east-1 where absent
 *   SPLICEBOARD_S3_ACCESS_KEY, SPLICEBOARD_S3_SECRET_KEY   absent: the machine's own role, as the AWS client finds it
 *   SPLICEBOARD_S3_PATH_STYLE  1: the bucket stands in the path (MinIO); 0: in the host name. 1 where an address is set
 *   SPLICEBOARD_S3_PREFIX      before every key, such as `spliceboard/`
 *   SPLICEBOARD_CACHE_GB       how much of the local disk the copies may take: 20 where absent
 *
 * A key is `objects/<first two>/<sha256>.<random>`: it names its content, so a copy can be checked against it and the
 * bucket alone is enough to find what belongs where; the random end keeps two puts of one content apart, so that
 * removing one never takes the other's bytes. ffmpeg reads files, so what is worked on is copied into `cache/` once,
 * checked on the way. Large files go up in parts; until the last call the store shows nothing of them.
 * Source: Amazon S3 API reference, "Multipart upload limits" (10,000 parts of 5 MiB to 5 GiB; read 2026-11).
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { AssetDamaged, moveDurably, type Objects, StoreError } from './assets.ts';

export type S3Settings = {
  bucket: string;
  endpoint: string | null;
  region: string;
  keys: { accessKeyId: string; secretAccessKey: string } | null;
  pathStyle: boolean;
  prefix: string;
  cacheBytes: number;
};

/** Held in memory while it goes up, two at a time. */
const PART_BYTES = 16 * 1024 ** 2;
const MOST_PARTS = 10_000;
const PARTS_AT_ONCE = 2;
/** A copy that was used within this time may be open in an ffmpeg. */
const IN_USE_MS = 6 * 3_600_000;
/** Between two looks at what the copies take. */
const SWEEP_MS = 60_000;

/** Throws the sentence to show where the settings contradict each other. */
export function s3SettingsFrom(environment: NodeJS.ProcessEnv): S3Settings {
  const at = (name: string) => environment[`SPLICEBOARD_S3_${name}`] || null;
  const [accessKeyId, secretAccessKey] = [at('ACCESS_KEY'), at('SECRET_KEY')];
  if ((accessKeyId === null) !== (secretAccessKey === null)) {
    throw new StoreError('Set both SPLICEBOARD_S3_ACCESS_KEY and SPLICEBOARD_S3_SECRET_KEY, or neither.');
  }
  const endpoint = at('ENDPOINT');
  if (endpoint !== null && !URL.canParse(endpoint)) {
    throw new StoreError('SPLICEBOARD_S3_ENDPOINT is not an address such as https://s3.example.org.');
  }
  return {
    bucket: at('BUCKET')!,
    endpoint,
    region: at('REGION') ?? 'us-east-1',
    keys: accessKeyId !== null && secretAccessKey !== null ? { accessKeyId, secretAccessKey } : null,
    pathStyle: at('PATH_STYLE') === null ? endpoint !== null : at('PATH_STYLE') === '1',
    prefix: at('PREFIX') ?? '',
    cacheBytes: Number(environment.SPLICEBOARD_CACHE_GB || 20) * 1024 ** 3,
  };
}

/** `root` holds `cache/` and `jobs/`, both of this machine alone. */
export function s3Objects(root: string, settings: S3Settings): Objects {
  const client = new S3Client({
    region: settings.region,
    forcePathStyle: settings.pathStyle,
    maxAttempts: 5,
    // Not every compatible store knows the newer checksums; Content-MD5 they all check.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 5_000, socketTimeout: 60_000 },
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    ...(settings.keys === null ? {} : { credentials: settings.keys }),
  });
  const Bucket = settings.bucket;
  const jobs = path.join(root, 'jobs');
  const cached = (sha256: string) => path.join(root, 'cache', sha256.slice(0, 2), sha256);
  const fetching = new Map<string, Promise<string>>();
  let sweptAt = 0;

  async function get(key: string, sha256: string, range?: { start: number; end: number }): Promise<Readable> {
    const request = {
      Bucket,
      Key: settings.prefix + key,
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }),
    };
    try {
      return (await client.send(new GetObjectCommand(request))).Body as Readable;
    } catch (error) {
      if ((error as Error).name !== 'NoSuchKey' && (error as Error).name !== 'NotFound') throw error;
      throw new AssetDamaged(sha256, 'are gone from the S3-compatible store', { cause: error });
    }
  }

  async function keep(key: string, sha256: string): Promise<string> {
    const partial = path.join(jobs, `fetch-${randomBytes(12).toString('hex')}`);
    await mkdir(jobs, { recursive: true });
    try {
      await pipeline(await get(key, sha256), checked(sha256), createWriteStream(partial, { flush: true }));
      await mkdir(path.dirname(cached(sha256)), { recursive: true });
      await rename(partial, cached(sha256));
    } finally {
      await rm(partial, { force: true });
    }
    sweepSoon();
    return cached(sha256);
  }

  /** The oldest copies go until the rest has room; nobody waits for it. */
  function sweepSoon(): void {
    if (Date.now() - sweptAt < SWEEP_MS) return;
    sweptAt = Date.now();
    void sweepCache(path.join(root, 'cache'), settings.cacheBytes, IN_USE_MS).catch(() => {}); // at the next copy again
  }

  return {
    jobs,
    async put(file, { sha256, bytes }) {
      const key = `objects/${sha256.slice(0, 2)}/${sha256}.${randomBytes(8).toString('hex')}`;
      await upload(client, { Bucket, Key: settings.prefix + key }, file, sha256, bytes);
      await mkdir(path.dirname(cached(sha256)), { recursive: true });
      await moveDurably(file, cached(sha256)); // the next step reads it here
      sweepSoon();
      return key;
    },
    async read(key, sha256, range) {
      const local = cached(sha256);
      if (await isThere(local)) return createReadStream(local, range);
      const body = await get(key, sha256, range);
      if (range !== undefined) return body;
      const whole = checked(sha256);
      pipeline(body, whole).catch(() => {}); // whoever reads it is told
      return whole;
    },
    async path(key, sha256) {
      const local = cached(sha256);
      if (await isThere(local)) {
        const now = new Date();
        await utimes(local, now, now).catch(() => {}); // used now: not swept
        return local;
      }
      const known = fetching.get(sha256);
      if (known) return known;
      const made = keep(key, sha256).finally(() => fetching.delete(sha256));
      fetching.set(sha256, made);
      return made;
    },
    async remove(key) {
      await client.send(new DeleteObjectCommand({ Bucket, Key: settings.prefix + key }));
    },
    async check() {
      try {
        await client.send(new HeadBucketCommand({ Bucket }));
      } catch (error) {
        const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
        const status = $metadata?.httpStatusCode;
        const why =
          status === 404
            ? 'there is no such bucket'
            : status === 403 || status === 401
              ? 'it refused the keys'
              : `it does not answer (${message || name})`;
        throw new StoreError(
          `The bucket ${Bucket} at ${settings.endpoint ?? 'AWS'} cannot be used: ${why}. Check the SPLICEBOARD_S3_ settings.`,
          { cause: error },
        );
      }
    },
  };
}

const isThere = (file: string) =>
  stat(file).then(
    () => true,
    () => false,
  );

/** Passes bytes on and fails at the end where they are not those of `sha256`. */
function checked(sha256: string): Transform {
  const hash = createHash('sha256');
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      done(hash.digest('hex') === sha256 ? null : new AssetDamaged(sha256, 'were changed in the S3-compatible store'));
    },
  });
}

/** All of it or nothing visible. What is sent is hashed once more: a file that changed meanwhile is not kept. */
async function upload(
  client: S3Client,
  at: { Bucket: string; Key: string },
  file: string,
  sha256: string,
  bytes: number,
): Promise<void> {
  await using handle = await open(file);
  const hash = createHash('sha256');
  const md5 = (part: Buffer) => createHash('md5').update(part).digest('base64');
  const unchanged = () => {
    if (hash.digest('hex') !== sha256) throw new Error(`${path.basename(file)} changed while it was being stored.`);
  };
  if (bytes <= PART_BYTES) {
    const body = await partOf(handle, 0, bytes);
    hash.update(body);
    unchanged();
    await client.send(new PutObjectCommand({ ...at, Body: body, ContentMD5: md5(body) }));
    return;
  }
  const partBytes = Math.max(PART_BYTES, Math.ceil(bytes / MOST_PARTS / 1024 ** 2) * 1024 ** 2);
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
  const sending = new Set<Promise<void>>();
  try {
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let start = 0; start < bytes; start += partBytes) {
      const body = await partOf(handle, start, Math.min(partBytes, bytes - start));
      hash.update(body);
      const PartNumber = start / partBytes + 1;
      const one: Promise<void> = client
        .send(new UploadPartCommand({ ...at, UploadId, PartNumber, Body: body, ContentMD5: md5(body) }))
        .then(({ ETag }) => {
          parts.push({ PartNumber, ETag });
        });
      sending.add(one);
      one.then(
        () => sending.delete(one),
        () => {}, // stays, so that whoever waits next is told
      );
      if (sending.size >= PARTS_AT_ONCE) await Promise.race(sending);
    }
    await Promise.all(sending);
    unchanged();
    const Parts = parts.sort((a, b) => a.PartNumber - b.PartNumber);
    await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));
    const { ContentLength } = await client.send(new HeadObjectCommand(at));
    if (ContentLength !== bytes) throw new Error(`The S3-compatible store kept ${ContentLength} of ${bytes} bytes.`);
  } catch (error) {
    await Promise.allSettled(sending);
    // what a killed process leaves, the bucket's own rule for unfinished uploads clears (docs/operators.md)
    await client.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => {});
    throw error;
  }
}

async function partOf(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const part = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(part, at, length - at, start + at);
    if (bytesRead === 0) throw new Error('The file became shorter while it was being stored.');
    at += bytesRead;
  }
  return part;
}

/** Takes the copies away that were used longest ago, until `mostBytes` are left; those in use stay. */
export async function sweepCache(folder: string, mostBytes: number, inUseMs: number): Promise<void> {
  const copies: { file: string; bytes: number; usedAt: number }[] = [];
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    const file = path.join(folder, name);
    const facts = await stat(file).catch(() => undefined);
    if (facts?.isFile()) copies.push({ file, bytes: facts.size, usedAt: facts.mtimeMs });
  }
  let left = copies.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { file, bytes, usedAt } of copies.sort((a, b) => a.usedAt - b.usedAt)) {
    if (left <= mostBytes || Date.now() - usedAt < inUseMs) break;
    await rm(file, { force: true });
    left -= bytes;
  }
}
