/**
 * An S3 server on this machine, from npm, with one empty bucket.
 *
 *   await using store = await startS3();
 *   store.environment        what a worker or server needs to use it
 *   store.objects()          keys and sizes of what is visible in the bucket
 *   store.on = (method, address) => …   sees every request before it is answered
 */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import S3rver from '@20minutes/s3rver';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

const BUCKET = 'spliceboard-test';
const KEYS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

export type TestS3 = AsyncDisposable & {
  environment: Record<string, string>;
  /** Where the server keeps its files: to damage one. */
  folder: string;
  objects(): Promise<{ key: string; bytes: number }[]>;
  on: (method: string, address: string) => void;
};

export async function startS3(): Promise<TestS3> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'spliceboard-s3-'));
  const app = new S3rver({
    silent: true,
    directory: folder,
    allowMismatchedSignatures: true,
    configureBuckets: [{ name: BUCKET }],
  });
  await app.configureBuckets();
  const handle = app.callback();
  const server = http.createServer((request, response) => {
    store.on(request.method ?? '', request.url ?? '');
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: KEYS });
  const store: TestS3 = {
    folder,
    environment: {
      SPLICEBOARD_S3_ENDPOINT: endpoint,
      SPLICEBOARD_S3_BUCKET: BUCKET,
      SPLICEBOARD_S3_ACCESS_KEY: KEYS.accessKeyId,
      SPLICEBOARD_S3_SECRET_KEY: KEYS.secretAccessKey,
    },
    async objects() {
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
      return (Contents ?? []).map(({ Key, Size }) => ({ key: Key!, bytes: Size! }));
    },
    on: () => {},
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return store;
}
