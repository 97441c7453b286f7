/**
 * A Mastodon server: clients that register themselves, OAuth, uploads that are worked on, statuses with their once-keys, deletion.
 * Two accounts. Source: docs.joinmastodon.org, methods "apps", "oauth", "accounts", "media", "statuses" (read 2026-11).
 */
import { createHash } from 'node:crypto';
import { bearerOf, freshOAuth, newClient, type OAuthState, oauthRoutes } from './oauth.ts';
import { type Answer, type Asked, type Emulator, type Route, startEmulator } from './support.ts';

export const MASTODON_ORIGIN = 'https://mastodon.social';
const HOST = 'mastodon.social';
const MOST_CHARACTERS = 500;
const ADDRESS_CHARACTERS = 23;
const KEY_KEPT_MS = 3_600_000;
const KNOWN_SCOPES = ['read', 'write', 'write:statuses', 'write:media', 'read:statuses', 'read:accounts', 'profile'];
const ACCOUNTS: Record<string, { username: string; display_name: string }> = {
  '101': { username: 'otto', display_name: 'Otto Bikes' },
  '102': { username: 'harbour', display_name: 'Harbour Coffee' },
};

type Media = {
  id: string;
  account: string;
  type: string;
  bytes: number;
  sha256: string;
  description: string | null;
  readyAt: number;
};
type Status = {
  id: string;
  account: string;
  text: string;
  visibility: string;
  media: string[];
  createdAt: number;
  counts: { favourites: number; reblogs: number; replies: number };
};
export type MastodonState = {
  oauth: OAuthState;
  media: Map<string, Media>;
  statuses: Status[];
  keys: Map<string, { status: string; at: number }>;
  /** How long a video is worked on. */
  processingMs: number;
  next: number;
};
export type MastodonEmulator = Emulator<MastodonState>;

const error = (status: number, text: string): Answer => ({ status, json: { error: text } });

export function startMastodon(port = 0): Promise<MastodonEmulator> {
  return startEmulator<MastodonState>(
    {
      name: 'mastodon',
      realOrigin: MASTODON_ORIGIN,
      fresh: () => ({
        oauth: freshOAuth('101'),
        media: new Map(),
        statuses: [],
        keys: new Map(),
        processingMs: 0,
        next: 1,
      }),
      notFound: () => error(404, 'Record not found'),
      control: (state, command) => Object.assign(state, command),
      routes,
    },
    port,
  );
}

function routes(state: () => MastodonState, clock: { now(): number }): Route[] {
  const own =
    (scopes: string[], answer: (asked: Asked, account: string) => Answer) =>
    (asked: Asked): Answer => {
      const who = bearerOf(state().oauth, clock, asked, ...scopes);
      if (who === 'no token') return error(401, 'The access token is invalid');
      if (who === 'no scope') return error(403, 'This action is outside the authorized scopes');
      return answer(asked, who.account);
    };
  const newId = () => String(110_000_000_000 + state().next++);
  const find = (id: string) => state().statuses.find((status) => status.id === id);

  const media = (one: Media) => ({
    id: one.id,
    type: one.type,
    url: one.readyAt <= clock.now() ? `${MASTODON_ORIGIN}/media/${one.id}` : null,
    description: one.description,
  });
  const entity = (status: Status) => ({
    id: status.id,
    created_at: new Date(status.createdAt).toISOString(),
    visibility: status.visibility,
    url: `${MASTODON_ORIGIN}/@${ACCOUNTS[status.account]!.username}/${status.id}`,
    content: htmlOf(status.text),
    account: accountOf(status.account),
    media_attachments: status.media.map((id) => media(state().media.get(id)!)),
    favourites_count: status.counts.favourites,
    reblogs_count: status.counts.reblogs,
    replies_count: status.counts.replies,
  });

  return [
    ...oauthRoutes(() => state().oauth, clock, {
      paths: { authorize: '/oauth/authorize', token: '/oauth/token', revoke: '/oauth/revoke' },
      accessSeconds: null,
      refresh: 'none',
    }),
    {
      method: 'POST',
      path: '/api/v1/apps',
      answer({ body, headers }) {
        const form = /form-urlencoded/.test(headers['content-type'] ?? '')
          ? new URLSearchParams(body.toString('utf8'))
          : new URLSearchParams();
        const redirect = form.get('redirect_uris') ?? '';
        if (!form.get('client_name')) return error(422, "Validation failed: Name can't be blank");
        if (!URL.canParse(redirect)) return error(422, 'Validation failed: Redirect URI must be an absolute URI.');
        const scopes = (form.get('scopes') ?? 'read').split(' ');
        if (scopes.some((scope) => !KNOWN_SCOPES.includes(scope))) {
          return error(422, "Validation failed: Scopes doesn't match configured on the server.");
        }
        const client = newClient(state().oauth, [redirect], scopes);
        return {
          status: 200,
          json: {
            id: '1',
            name: form.get('client_name'),
            redirect_uri: redirect,
            client_id: client.id,
            client_secret: client.secret,
          },
        };
      },
    },
    {
      method: 'GET',
      path: '/api/v1/accounts/verify_credentials',
      answer: own(['read|read:accounts|profile'], (_asked, account) => ({ status: 200, json: accountOf(account) })),
    },
    {
      method: 'GET',
      path: '/api/v1/accounts/{id}/statuses',
      answer: own(['read|read:statuses'], ({ params, query }) => {
        const limit = Math.min(40, Number(query.get('limit') ?? 20));
        const found = state().statuses.filter(({ account }) => account === params.id);
        return { status: 200, json: found.slice(-limit).reverse().map(entity) };
      }),
    },
    {
      method: 'POST',
      path: '/api/v2/media',
      answer: own(['write|write:media'], (asked, account) => {
        const parts = partsOf(asked);
        const file = parts?.find(({ name }) => name === 'file');
        if (!file?.filename) return error(422, "Validation failed: File can't be blank");
        const type = file.type.split('/')[0]!;
        if (!['image', 'video'].includes(type)) return error(422, 'Validation failed: File content type is invalid');
        const made: Media = {
          id: newId(),
          account,
          type,
          bytes: file.content.length,
          sha256: createHash('sha256').update(file.content).digest('hex'),
          description: parts!.find(({ name }) => name === 'description')?.content.toString('utf8') ?? null,
          readyAt: clock.now() + (type === 'video' ? state().processingMs : 0),
        };
        state().media.set(made.id, made);
        return { status: made.readyAt > clock.now() ? 202 : 200, json: media(made) };
      }),
    },
    {
      method: 'GET',
      path: '/api/v1/media/{id}',
      answer: own(['write|write:media'], ({ params }, account) => {
        const found = state().media.get(params.id!);
        if (found?.account !== account) return error(404, 'Record not found');
        return { status: found.readyAt > clock.now() ? 206 : 200, json: media(found) };
      }),
    },
    {
      method: 'POST',
      path: '/api/v1/statuses',
      answer: own(['write|write:statuses'], (asked, account) => {
        const key = asked.headers['idempotency-key'];
        const known = key === undefined ? undefined : state().keys.get(`${account} ${key}`);
        if (known && clock.now() - known.at < KEY_KEPT_MS) {
          const same = find(known.status);
          if (same) return { status: 200, json: entity(same) };
        }
        const sent = jsonOf(asked) as { status?: unknown; media_ids?: unknown; visibility?: unknown } | null;
        const text = typeof sent?.status === 'string' ? sent.status : '';
        const ids = Array.isArray(sent?.media_ids) ? sent.media_ids.map(String) : [];
        const files = ids.map((id) => state().media.get(id));
        if (text.trim() === '' && ids.length === 0) return error(422, "Validation failed: Text can't be blank");
        if (lengthOf(text) > MOST_CHARACTERS)
          return error(422, 'Validation failed: Text character limit of 500 exceeded');
        if (files.some((file) => file?.account !== account)) return error(404, 'Record not found');
        if (files.some((file) => file!.readyAt > clock.now())) {
          return error(422, 'Cannot attach files that have not finished processing. Try again in a moment!');
        }
        if (files.length > 4 || (files.length > 1 && files.some((file) => file!.type === 'video'))) {
          return error(422, 'Cannot attach a video to a post that already contains images');
        }
        const visibility = String(sent?.visibility ?? 'public');
        if (!['public', 'unlisted', 'private', 'direct'].includes(visibility)) {
          return error(422, 'Validation failed: Visibility is not included in the list');
        }
        const status: Status = {
          id: newId(),
          account,
          text,
          visibility,
          media: ids,
          createdAt: clock.now(),
          counts: { favourites: 0, reblogs: 0, replies: 0 },
        };
        state().statuses.push(status);
        if (key !== undefined) state().keys.set(`${account} ${key}`, { status: status.id, at: clock.now() });
        return { status: 200, json: entity(status) };
      }),
    },
    {
      method: 'GET',
      path: '/api/v1/statuses/{id}',
      answer: own(['read|read:statuses'], ({ params }) => {
        const found = find(params.id!);
        return found ? { status: 200, json: entity(found) } : error(404, 'Record not found');
      }),
    },
    {
      method: 'DELETE',
      path: '/api/v1/statuses/{id}',
      answer: own(['write|write:statuses'], ({ params }, account) => {
        const found = find(params.id!);
        if (found?.account !== account) return error(404, 'Record not found');
        state().statuses.splice(state().statuses.indexOf(found), 1);
        return { status: 200, json: { ...entity(found), text: found.text } };
      }),
    },
  ];
}

const accountOf = (id: string) => ({
  id,
  ...ACCOUNTS[id]!,
  acct: ACCOUNTS[id]!.username,
  url: `https://${HOST}/@${ACCOUNTS[id]!.username}`,
});

const lengthOf = (text: string) =>
  [
    ...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(
      text.replace(/https?:\/\/\S+/g, 'x'.repeat(ADDRESS_CHARACTERS)),
    ),
  ].length;

/** As Mastodon writes it: paragraphs, and an address in three pieces of which two are hidden. */
function htmlOf(text: string): string {
  const escaped = text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!);
  const linked = escaped.replace(/https?:\/\/\S+/g, (url) => {
    const [, scheme, shown, rest] = /^(https?:\/\/)(.{0,30})(.*)$/.exec(url)!;
    return `<a href="${url}"><span class="invisible">${scheme}</span><span class="ellipsis">${shown}</span><span class="invisible">${rest}</span></a>`;
  });
  return linked
    .split(/\n{2,}/)
    .map((part) => `<p>${part.replace(/\n/g, '<br />')}</p>`)
    .join('');
}

function jsonOf({ body, headers }: Asked): unknown {
  try {
    return /json/.test(headers['content-type'] ?? '') ? JSON.parse(body.toString('utf8')) : null;
  } catch {
    return null;
  }
}

/** multipart/form-data; null where it is none or is broken. */
export function partsOf({
  headers,
  body,
}: Asked): { name: string; filename: string | null; type: string; content: Buffer }[] | null {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1];
  if (boundary === undefined || Number(headers['content-length']) !== body.length) return null;
  const parts = [];
  let at = body.indexOf(`--${boundary}\r\n`);
  if (at !== 0) return null;
  while (!body.subarray(at).toString('latin1').startsWith(`--${boundary}--`)) {
    const from = body.indexOf('\r\n\r\n', at);
    const to = body.indexOf(`\r\n--${boundary}`, from);
    if (from < 0 || to < 0) return null;
    const head = body.subarray(at, from).toString('utf8');
    const name = /; name="([^"]*)"/i.exec(head)?.[1];
    if (name === undefined) return null;
    parts.push({
      name,
      filename: /; filename="([^"]*)"/i.exec(head)?.[1] ?? null,
      type: /content-type: ([^\r\n]+)/i.exec(head)?.[1] ?? 'text/plain',
      content: body.subarray(from + 4, to),
    });
    at = to + 2;
  }
  return parts;
}
