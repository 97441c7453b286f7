/**
 * Every raw route, as everybody, with ids that are really there elsewhere. A route that is neither called here nor exempt
 * with a reason fails.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { manifest, packed } from '../plugins/packed.ts';
import { as, makeAsset, makePage, makeRun, makeUpload, makeWorld, rowsOf, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world?.server.close());

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD';
type Call = { method: Method; path: string; headers?: Record<string, string>; body?: string };

/** Routes about a workspace's things. `role` is the weakest that may; `own` is what belongs to a person, not to a role; `brings` names nothing that is there. */
const GUARDED: Record<
  string,
  { weaker: 'sponsor-viewer' | 'editor' | null; own?: true; ofBrand?: true; brings?: true; calls(): Promise<Call[]> }
> = {
  '/api/uploads': {
    weaker: 'sponsor-viewer',
    async calls() {
      const metadata = `filename ${btoa('x.txt')},workspaceId ${btoa(world.alpha.id)}`;
      const headers = { 'tus-resumable': '1.0.0', 'upload-length': '5', 'upload-metadata': metadata };
      return [{ method: 'POST', path: '/api/uploads', headers }];
    },
  },
  '/api/uploads/:id': {
    weaker: null,
    own: true,
    async calls() {
      const id = await makeUpload(world.server, world.alpha.brands[0], world.alpha.people.editor.userId);
      const path = `/api/uploads/${id}`;
      const headers = {
        'tus-resumable': '1.0.0',
        'upload-offset': '0',
        'content-type': 'application/offset+octet-stream',
      };
      return [
        { method: 'HEAD', path, headers },
        { method: 'PATCH', path, headers, body: 'hello' },
        { method: 'DELETE', path, headers: { 'tus-resumable': '1.0.0' } },
      ];
    },
  },
  '/api/uploads/:id/finish': {
    weaker: null,
    own: true,
    async calls() {
      const id = await makeUpload(world.server, world.alpha.brands[0], world.alpha.people.editor.userId);
      const body = JSON.stringify({ sha256: 'a'.repeat(64) });
      return [
        { method: 'POST', path: `/api/uploads/${id}/finish`, headers: { 'content-type': 'application/json' }, body },
      ];
    },
  },
  '/api/plugins': {
    weaker: 'editor',
    brings: true,
    async calls() {
      const body = packed('sent', '1.0.0', [{ manifest: manifest('sent.one'), entries: '{ run: () => ({}) }' }]);
      const headers = { 'content-type': 'application/json' };
      return [{ method: 'POST', path: `/api/plugins?workspaceId=${world.alpha.id}`, headers, body }];
    },
  },
  '/media/:workspaceId/:sha256': {
    weaker: null,
    async calls() {
      const asset = await makeAsset(world.server, world.alpha.brands[0]);
      return [
        { method: 'GET', path: `/media/${world.alpha.id}/${asset}` },
        { method: 'HEAD', path: `/media/${world.alpha.id}/${asset}` },
      ];
    },
  },
  '/media/:workspaceId/:sha256/peaks': {
    weaker: null,
    async calls() {
      const { rows } = await world.server.database.admin.query(
        'select sha256 from asset_wave where workspace_id = $1',
        [world.alpha.id],
      );
      return [{ method: 'GET', path: `/media/${world.alpha.id}/${rows[0].sha256}/peaks?bins=8` }];
    },
  },
  '/api/runs/:runId/outputs.zip': {
    weaker: null,
    ofBrand: true,
    async calls() {
      const { runId } = await makeRun(world.server, world.alpha.brands[1]);
      return [{ method: 'GET', path: `/api/runs/${runId}/outputs.zip?workspaceId=${world.alpha.id}` }];
    },
  },
};

/** Open to anybody, and why. What the public ones give is tested below. */
const EXEMPT: Record<string, string> = {
  '*': 'better-auth’s own routes under /api/auth; tests/server/session.test.ts',
  '/api/trpc/:path': 'each procedure by itself: procedures.test.ts',
  '/login/:token': 'the secret of the link is the right: tests/server/session.test.ts',
  '/api/waits/:token': 'the signature of the link is the right: tests/server/waits.test.ts',
  '/connections/callback': 'the state is the right, and only of whoever began: tests/connections/mastodon.test.ts',
  '/hooks/accounts/:secret':
    'the secret of the address and the signature are the right: tests/connections/samplecast.test.ts',
  '/hooks/:secret': 'the secret of the address is the right: tests/triggers/hooks.test.ts',
  '/healthz': 'for the operator’s probes: counts and versions, nothing of a workspace (below)',
  '/metrics': 'figures for the operator, of no workspace: tests/server/metrics.test.ts',
  '/b/-/:name': 'the style, script and fonts of public pages',
  '/b/:brand': 'public by purpose: what a brand has published (below)',
  '/b/:brand/feed.xml': 'public by purpose (below)',
  '/b/:brand/logo': 'public by purpose: the logo of a public page',
  '/b/:brand/:page': 'public by purpose (below)',
  '/b/media/:pageId/:name': 'public by purpose: only what a published page names (below)',
};

/** Every address the server knows, from its own printed tree. */
function routes(): string[] {
  const found: string[] = [];
  const stack: string[] = [];
  for (const line of world.server.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const match = /^((?:│ {3}| {4})*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line);
    if (!match) continue;
    const depth = match[1]!.length / 4;
    stack.length = depth;
    stack.push(match[2]!);
    if (match[3]) found.push(stack.join(''));
  }
  return found;
}

async function send({ method, path, headers = {}, body }: Call, person: { token: string } | undefined) {
  const reply = await fetch(world.server.url + path, {
    method,
    headers: { ...headers, ...as(person) },
    ...(body === undefined ? {} : { body }),
  });
  return { status: reply.status, text: await reply.text() };
}

test('every route is called here, or is open with a reason', () => {
  expect(routes().sort()).toEqual([...Object.keys(GUARDED), ...Object.keys(EXEMPT)].sort());
});

test.each(Object.keys(GUARDED))(
  '%s refuses nobody, strangers and who has no right to it, and changes nothing',
  async (route) => {
    const { weaker, own, ofBrand, brings, calls } = GUARDED[route]!;
    for (const call of await calls()) {
      const what = `${call.method} ${route}`;
      const before = await rowsOf(world.server, world.alpha.id);
      expect([what, (await send(call, undefined)).status]).toEqual([what, 401]);
      expect([what, (await send(call, { token: `sb_${'y'.repeat(43)}` })).status]).toEqual([what, 401]);
      const stranger = await send(call, world.beta.people.owner);
      expect([what, stranger.status]).toEqual([what, 404]);
      expect(stranger.text).not.toContain(world.alpha.mark);
      if (weaker) expect([what, (await send(call, world.alpha.people[weaker])).status]).toEqual([what, 403]);
      if (own) expect([what, (await send(call, world.alpha.people.owner)).status]).toEqual([what, 404]);
      if (ofBrand) expect([what, (await send(call, world.alpha.partial)).status]).toEqual([what, 404]);
      // the same thing under an address of one's own workspace
      const moved = { ...call, path: call.path.replace(world.alpha.id, world.beta.id) };
      if (moved.path !== call.path && !brings)
        expect([what, (await send(moved, world.beta.people.owner)).status]).toEqual([what, 404]);
      expect(await rowsOf(world.server, world.alpha.id)).toBe(before);
      const able = world.alpha.people[weaker === 'editor' ? 'admin' : 'editor'];
      if (!own) expect([what, (await send(call, able)).status < 300]).toEqual([what, true]);
    }
  },
);

test('an upload is not begun in a workspace that only its second metadata names', async () => {
  const headers = {
    'tus-resumable': '1.0.0',
    'upload-length': '5',
    'upload-metadata': `filename ${btoa('x.txt')},workspaceId ${btoa(world.alpha.id)},workspaceId ${btoa(world.beta.id)}`,
  };
  const before = await rowsOf(world.server, world.alpha.id);
  const { status } = await send({ method: 'POST', path: '/api/uploads', headers }, world.beta.people.editor);
  expect(await rowsOf(world.server, world.alpha.id)).toBe(before);
  expect(status === 201 || (status >= 400 && status < 500)).toBe(true);
});

test('a recording of another workspace cannot be given captions', async () => {
  const recording = await makeAsset(world.server, world.alpha.brands[0]);
  const { rows } = await world.server.database.admin.query('select id from upload where workspace_id = $1', [
    world.beta.id,
  ]);
  const before = await rowsOf(world.server, world.alpha.id);
  const { status } = await send(
    {
      method: 'POST',
      path: `/api/uploads/${rows[0].id}/finish`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sha256: 'a'.repeat(64), sidecarOf: recording }),
    },
    world.beta.people.editor,
  );
  expect(status).toBe(404);
  expect(await rowsOf(world.server, world.alpha.id)).toBe(before);
});

test('health tells nothing of a workspace', async () => {
  const { text } = await send({ method: 'GET', path: '/healthz' }, undefined);
  for (const { id, mark } of [world.alpha, world.beta]) {
    expect(text).not.toContain(id);
    expect(text).not.toContain(mark);
  }
});

test('public pages show what one brand has published: nothing unlisted in lists, nothing of another brand, nothing taken back', async () => {
  const { server, alpha } = world;
  const [first, second] = alpha.brands;
  const unlisted = await makePage(server, first, { visibility: 'unlisted' });
  const page = await makePage(server, first);
  const foreign = await makePage(server, second);
  const secret = await makeAsset(server, first);
  const { rows } = await server.database.admin.query('select id, slug from brand where id = any($1)', [
    [first.brandId, second.brandId],
  ]);
  const slug = rows.find((row) => row.id === first.brandId).slug as string;
  const get = (path: string) => send({ method: 'GET', path }, undefined);

  for (const path of [`/b/${slug}`, `/b/${slug}/feed.xml`]) {
    const { status, text } = await get(path);
    expect(status).toBe(200);
    expect(text).toContain(page.slug);
    for (const hidden of [unlisted.slug, foreign.slug, second.mark, world.beta.mark])
      expect(text).not.toContain(hidden);
  }
  expect((await get(`/b/${slug}/${unlisted.slug}`)).text).toContain('noindex');
  expect((await get(`/b/${slug}/${foreign.slug}`)).status).toBe(404);

  expect((await get(`/b/media/${page.pageId}/recording.mp3`)).status).toBe(200);
  for (const name of ['recording.txt', secret, `${secret}.txt`, '..%2f..%2fseal.key', 'clip-1.mp4']) {
    expect([name, (await get(`/b/media/${page.pageId}/${name}`)).status]).toEqual([name, 404]);
  }
  await server.database.admin.query(`update showcase_page set state = 'unpublished' where id = $1`, [page.pageId]);
  for (const path of [`/b/${slug}/${page.slug}`, `/b/media/${page.pageId}/recording.mp3`]) {
    const { status, text } = await get(path);
    expect([path, status]).toEqual([path, 410]);
    expect(text).toContain('taken back');
    expect(text).not.toContain(page.recording);
  }
  await server.database.admin.query(`update brand set removed_at = now() where id = $1`, [first.brandId]);
  expect((await get(`/b/${slug}`)).status).toBe(404);
  expect((await get(`/b/media/${unlisted.pageId}/recording.mp3`)).status).toBe(404);
});
