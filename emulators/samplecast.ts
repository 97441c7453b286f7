/**
 * Samplecast, a made-up platform with every difficulty that a real one has: see tests/fixtures/sample-platform/README.md. Two hosts,
 * two accounts. Strict: pieces in order and of the right size, a form that ends after 15 minutes, units counted for each app.
 */
import { createHash, createHmac } from 'node:crypto';
import { bearerOf, freshOAuth, type OAuthState, oauthRoutes } from './oauth.ts';
import { type Answer, type Asked, type Emulator, type Route, startEmulator } from './support.ts';

export const SAMPLECAST_ORIGINS = ['https://api.samplecast.example', 'https://upload.samplecast.example'];
const PIECE_OF = 64 * 1024;
const FORM_MS = 15 * 60_000;
const COSTS: Record<string, number> = {
  'GET /v1/me': 1,
  'GET /v1/form': 1,
  'POST /v1/uploads': 1_600,
  'GET /v1/videos/{id}': 1,
  'POST /v1/posts': 50,
  'GET /v1/posts': 1,
  'DELETE /v1/posts/{id}': 50,
  'POST /v1/figures': 1,
};
const NAMES: Record<string, string> = { c1: 'Otto Bikes TV', c2: 'Harbour Coffee TV' };

type Upload = { account: string; bytes: number; held: Buffer; video: string | null };
type Video = { account: string; sha256: string; readyAt: number; failure: string | null };
type Post = {
  id: string;
  account: string;
  video: string;
  title: string;
  privacy: string;
  at: number;
  figures: Record<string, number>;
};
export type SamplecastState = {
  oauth: OAuthState;
  uploads: Map<string, Upload>;
  videos: Map<string, Video>;
  posts: Post[];
  forms: Map<string, { account: string; at: number; privacy: string[] }>;
  privacy: string[];
  processingMs: number;
  /** Why the next video cannot be used. */
  failure: string | null;
  listedAfterMs: number;
  units: { used: number; most: number };
  next: number;
};
export type SamplecastEmulator = Emulator<SamplecastState>;

const error = (status: number, code: string, message: string): Answer => ({
  status,
  json: { error: { code, message } },
});

export function startSamplecast(port = 0, accessSeconds = 3_600): Promise<SamplecastEmulator> {
  return startEmulator<SamplecastState>(
    {
      name: 'samplecast',
      realOrigin: SAMPLECAST_ORIGINS[0]!,
      fresh: () => ({
        oauth: freshOAuth('c1'),
        uploads: new Map(),
        videos: new Map(),
        posts: [],
        forms: new Map(),
        privacy: ['everyone', 'followers'],
        processingMs: 0,
        failure: null,
        listedAfterMs: 5_000,
        units: { used: 0, most: 10_000 },
        next: 1,
      }),
      notFound: () => error(404, 'not_found', 'There is nothing here.'),
      control: (state, command) => Object.assign(state, command),
      routes: (state, clock) => routes(state, clock, accessSeconds),
    },
    port,
  );
}

/** As the platform sends it: signed over time and body. */
export function signedEvent(secret: string, body: object, at = Math.floor(Date.now() / 1000)) {
  const text = JSON.stringify(body);
  const signature = createHmac('sha256', secret).update(`${at}.${text}`).digest('hex');
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-samplecast-timestamp': String(at),
      'x-samplecast-signature': `sha256=${signature}`,
    },
    body: text,
  };
}

function routes(state: () => SamplecastState, clock: { now(): number }, accessSeconds: number): Route[] {
  const newId = (kind: string) => `${kind}${state().next++}`;
  const route = (
    method: string,
    path: string,
    scope: string,
    answer: (asked: Asked, account: string) => Answer,
  ): Route => ({
    method,
    path,
    answer(asked) {
      const who = bearerOf(state().oauth, clock, asked, scope);
      if (who === 'no token') return error(401, 'unauthorized', 'The access token is missing, ended or revoked.');
      if (who === 'no scope') return error(403, 'scope', `The scope ${scope} was not agreed to.`);
      const cost = COSTS[`${method} ${path}`] ?? 0;
      const { units } = state();
      if (units.used + cost > units.most) return error(403, 'quota_exceeded', 'The units of today are used up.');
      units.used += cost;
      return answer(asked, who.account);
    },
  });

  return [
    ...oauthRoutes(() => state().oauth, clock, {
      paths: { authorize: '/oauth/authorize', token: '/oauth/token', revoke: '/oauth/revoke' },
      accessSeconds,
      refresh: 'rotates',
    }),
    route('GET', '/v1/me', 'videos', (_asked, account) => ({
      status: 200,
      json: { id: account, name: NAMES[account], url: `https://samplecast.example/${account}` },
    })),
    route('GET', '/v1/form', 'posts', (_asked, account) => {
      const form = newId('form');
      const { privacy } = state();
      state().forms.set(form, { account, at: clock.now(), privacy });
      return {
        status: 200,
        json: { form, privacy: privacy.map((value) => ({ value, title: value[0]!.toUpperCase() + value.slice(1) })) },
      };
    }),
    route('POST', '/v1/uploads', 'videos', (asked, account) => {
      const { bytes, type, title } = (jsonOf(asked) ?? {}) as { bytes?: unknown; type?: unknown; title?: unknown };
      if (typeof bytes !== 'number' || !Number.isInteger(bytes) || bytes <= 0)
        return error(400, 'bytes', 'How long is it?');
      if (type !== 'video/mp4') return error(415, 'type', 'Only video/mp4.');
      if (typeof title !== 'string' || title === '' || title.length > 100)
        return error(400, 'title', 'A title of 1 to 100.');
      const upload = newId('up');
      state().uploads.set(upload, { account, bytes, held: Buffer.alloc(0), video: null });
      return { status: 201, json: { upload } };
    }),
    route('PUT', '/v1/uploads/{id}', 'videos', ({ params, headers, body }, account) => {
      const upload = state().uploads.get(params.id!);
      if (upload?.account !== account) return error(404, 'not_found', 'There is no such upload.');
      if (upload.video) return { status: 201, json: { video: upload.video } };
      const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '');
      const held = (): Answer => ({
        status: 308,
        ...(upload.held.length > 0 && { headers: { range: `bytes=0-${upload.held.length - 1}` } }),
      });
      if (!range) return error(400, 'range', 'A piece says where it lies.');
      const [start, last, whole] = range.slice(1).map(Number) as [number, number, number];
      if (whole !== upload.bytes || last - start + 1 !== body.length)
        return error(400, 'range', 'The range is not the piece.');
      if (start !== upload.held.length) return held();
      const isLast = last + 1 === upload.bytes;
      if (!isLast && body.length % PIECE_OF !== 0) return error(400, 'piece', 'A piece is a multiple of 64 KiB.');
      upload.held = Buffer.concat([upload.held, body]);
      if (!isLast) return held();
      upload.video = newId('v');
      state().videos.set(upload.video, {
        account,
        sha256: createHash('sha256').update(upload.held).digest('hex'),
        readyAt: clock.now() + state().processingMs,
        failure: state().failure,
      });
      return { status: 201, json: { video: upload.video } };
    }),
    route('GET', '/v1/videos/{id}', 'videos', ({ params }, account) => {
      const video = state().videos.get(params.id!);
      if (video?.account !== account) return error(404, 'not_found', 'There is no such video.');
      if (video.readyAt > clock.now()) return { status: 200, json: { state: 'processing' } };
      return { status: 200, json: video.failure ? { state: 'failed', reason: video.failure } : { state: 'ready' } };
    }),
    route('POST', '/v1/posts', 'posts', (asked, account) => {
      const sent = (jsonOf(asked) ?? {}) as Record<string, unknown>;
      const video = state().videos.get(String(sent.video));
      const form = state().forms.get(String(sent.form));
      if (video?.account !== account || video.failure || video.readyAt > clock.now()) {
        return error(422, 'video', 'The video is not ready.');
      }
      if (form?.account !== account || clock.now() - form.at > FORM_MS)
        return error(403, 'form', 'The form has ended.');
      if (!form.privacy.includes(String(sent.privacy))) return error(403, 'privacy', 'This was not offered.');
      const post: Post = {
        id: newId('p'),
        account,
        video: String(sent.video),
        title: String(sent.title),
        privacy: String(sent.privacy),
        at: clock.now(),
        figures: { views: 0 },
      };
      state().posts.push(post);
      return { status: 201, json: shown(post) };
    }),
    route('GET', '/v1/posts', 'posts', ({ query }, account) => {
      const listed = state().posts.filter(
        (post) =>
          post.account === account &&
          (query.get('video') === null || post.video === query.get('video')) &&
          clock.now() - post.at >= state().listedAfterMs,
      );
      return { status: 200, json: { posts: listed.map(shown) } };
    }),
    route('DELETE', '/v1/posts/{id}', 'posts', ({ params }, account) => {
      const at = state().posts.findIndex((post) => post.id === params.id && post.account === account);
      if (at < 0) return error(404, 'not_found', 'There is no such post.');
      state().posts.splice(at, 1);
      return { status: 204 };
    }),
    route('POST', '/v1/figures', 'figures', (asked, account) => {
      const { posts } = (jsonOf(asked) ?? {}) as { posts?: unknown };
      if (!Array.isArray(posts) || posts.length > 50) return error(400, 'posts', 'Up to 50 posts.');
      const own = state().posts.filter((post) => post.account === account && posts.includes(post.id));
      return { status: 200, json: { figures: Object.fromEntries(own.map((post) => [post.id, post.figures])) } };
    }),
  ];
}

const shown = (post: Post) => ({
  id: post.id,
  url: `https://samplecast.example/${post.id}`,
  at: new Date(post.at).toISOString(),
});

function jsonOf({ body, headers }: Asked): unknown {
  try {
    return /json/.test(headers['content-type'] ?? '') ? JSON.parse(body.toString('utf8')) : null;
  } catch {
    return null;
  }
}
