/**
 * Every procedure, as everybody, with ids that are really there in another workspace and another brand. It looks at the
 * answer and at the rows. A procedure that is not in the table below fails.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MemberRole } from '../../db/accounts.ts';
import { type SmtpEmulator, startSmtp } from '../../emulators/smtp.ts';
import { mailerFrom } from '../../server/mail.ts';
import { appRouter } from '../../server/router.ts';
import { TEST_KIT } from '../support/database.ts';
import {
  call,
  makeAccount,
  makeAsset,
  makeEffect,
  makeFetch,
  makeInvitation,
  makePage,
  makePipeline,
  makePlugin,
  makePublished,
  makeRun,
  makeToken,
  makeTrigger,
  makeWait,
  makeWorld,
  type Place,
  rowsOf,
  WEAKEST_LAST,
  type World,
} from './world.ts';

type Access = 'public' | 'user' | MemberRole;
type Procedure = { name: string; type: 'query' | 'mutation' | 'subscription'; access: Access };
const PROCEDURES: Procedure[] = Object.entries(
  appRouter._def.procedures as unknown as Record<
    string,
    { _def: { type: Procedure['type']; meta?: { access?: Access } } }
  >,
).map(([name, { _def }]) => ({ name, type: _def.type, access: _def.meta?.access as Access }));

/** Not about one workspace: what they give is tested by name below. */
const EXEMPT: Record<string, string> = {
  'session.me': "tells a person about themselves: 'session.me names only …'",
  'workspaces.create': "makes a workspace of one's own: 'a new workspace …'",
  'invitations.look': "the secret of the link is the right: 'an invitation …'",
  'invitations.accept': "the secret of the link is the right: 'an invitation …'",
  'waits.byLink': 'the signature of the link is the right: tests/server/waits.test.ts',
  'waits.decideByLink': 'the signature of the link is the right: tests/server/waits.test.ts',
};

let world: World;
let smtp: SmtpEmulator;
beforeAll(async () => {
  smtp = await startSmtp();
  world = await makeWorld();
  world.server.services.mailer = mailerFrom({
    SPLICEBOARD_SMTP_URL: smtp.url,
    SPLICEBOARD_MAIL_FROM: 'post@example.com',
  });
});
afterAll(async () => {
  await world?.server.close();
  await smtp?.close();
});

/** An input that works for a member who may; what it names is made for this call. */
const INPUTS: Record<string, (place: Place) => Promise<Record<string, unknown>> | Record<string, unknown>> = {
  'workspaces.get': () => ({}),
  'workspaces.rename': () => ({ name: 'Renamed' }),
  'brands.list': () => ({}),
  'brands.create': () => ({ name: 'New brand' }),
  'brands.update': ({ brandId, mark }) => ({ brandId, kit: { ...TEST_KIT, name: mark, voice: 'changed' } }),
  'brands.remove': async ({ workspaceId }) => {
    const { rows } = await world.server.database.admin.query(
      `insert into brand (workspace_id, name, slug, kit) values ($1, 'Short-lived', 'b' || md5(random()::text), $2) returning id`,
      [workspaceId, TEST_KIT],
    );
    return { brandId: rows[0].id };
  },
  'members.list': () => ({}),
  'members.invite': () => ({ email: 'new@example.org', role: 'analyst', brands: 'all' }),
  'members.update': async ({ workspaceId }) => ({
    userId: (await member(workspaceId)).userId,
    role: 'analyst',
    brands: 'all',
  }),
  'members.remove': async ({ workspaceId }) => ({ userId: (await member(workspaceId)).userId }),
  'invitations.list': () => ({}),
  'invitations.revoke': async (place) => ({ id: await makeInvitation(world.server, place, editorOf(place).userId) }),
  'tokens.list': () => ({}),
  'tokens.create': () => ({ name: 'new', role: 'sponsor-viewer' }),
  'tokens.revoke': async (place) => ({ id: await makeToken(world.server, place, editorOf(place).userId) }),
  'catalogue.list': () => ({}),
  'templates.list': () => ({}),
  'pipelines.list': ({ brandId }) => ({ brandId }),
  'pipelines.create': () => ({ name: 'New' }),
  'pipelines.get': async (place) => ({ pipelineId: await makePipeline(world.server, place) }),
  'pipelines.rename': async (place) => ({ pipelineId: await makePipeline(world.server, place), name: 'Renamed' }),
  'pipelines.remove': async (place) => ({ pipelineId: await makePipeline(world.server, place) }),
  'pipelines.restore': async (place) => {
    const pipelineId = await makePipeline(world.server, place);
    await world.server.database.admin.query('update pipeline set removed_at = now() where id = $1', [pipelineId]);
    return { pipelineId };
  },
  'pipelines.duplicate': async (place) => ({ pipelineId: await makePipeline(world.server, place) }),
  'pipelines.export': async (place) => ({ pipelineId: await makePipeline(world.server, place) }),
  'pipelines.import': () => ({
    json: JSON.stringify({
      spliceboard: 1,
      name: 'Imported',
      graph: { format: 1, nodes: [], edges: [], inputs: [], sections: [], notes: [] },
    }),
  }),
  'pipelines.edit': async (place) => ({
    pipelineId: await makePipeline(world.server, place),
    baseRevision: 0,
    clientId: 'test',
    operations: [{ op: 'setConfig', node: 'say', field: 'word', value: 'changed' }],
  }),
  'pipelines.pin': async (place) => ({
    pipelineId: await makePipeline(world.server, place),
    node: 'say',
    source: { values: { text: 'fixed' } },
  }),
  'pipelines.publish': async (place) => ({ pipelineId: await makePipeline(world.server, place), revision: 0 }),
  'pipelines.callable': async (place) => ({ pipelineId: await makePipeline(world.server, place) }),
  'pipelines.version': async (place) => {
    const pipelineId = await makePipeline(world.server, place);
    await world.server.database.admin.query(
      `insert into pipeline_version (workspace_id, pipeline_id, number, graph, pins) select workspace_id, id, 1, draft, '{}' from pipeline where id = $1`,
      [pipelineId],
    );
    return { pipelineId, number: 1 };
  },
  'pipelines.watch': async (place) => ({ pipelineId: await makePipeline(world.server, place), clientId: 'test' }),
  'runs.start': async (place) => ({
    pipelineId: await makePipeline(world.server, place),
    brandId: place.brandId,
    version: 'draft',
    inputs: {},
  }),
  'runs.preview': async (place) => ({
    pipelineId: await makePipeline(world.server, place),
    brandId: place.brandId,
  }),
  'runs.previewRetry': run,
  'runs.cost': run,
  'runs.list': ({ brandId }) => ({ brandId }),
  'runs.get': run,
  'runs.latestFor': async (place) => ({
    pipelineId: (await makeRun(world.server, place)).pipelineId,
    brandId: place.brandId,
  }),
  'runs.steps': async (place) => ({ ...(await run(place)), nodeId: 'say' }),
  'runs.step': async (place) => ({ ...(await run(place)), nodeId: 'say', path: [] }),
  'runs.sample': async (place) => ({
    ...(await run(place)),
    nodeId: 'say',
    path: [],
    refs: [{ from: 'nodes', node: 'say', port: 'text', keys: [] }],
  }),
  'runs.value': async (place) => ({ ...(await run(place)), nodeId: 'say', path: [], port: 'text' }),
  'runs.cancel': run,
  'runs.retry': async (place) => ({ ...(await run(place)), nodeId: 'other' }),
  'runs.override': async (place) => ({
    ...(await run(place)),
    nodeId: 'say',
    path: [],
    port: 'text',
    value: 'changed',
  }),
  'runs.clearOverride': async (place) => ({ ...(await run(place)), nodeId: 'say', path: [], port: 'text' }),
  'runs.watch': run,
  'triggers.get': async (place) => ({
    pipelineId: await makePublished(world.server, place),
    brandId: place.brandId,
  }),
  'triggers.turnOn': async (place) => ({
    pipelineId: await makePublished(world.server, place),
    brandId: place.brandId,
  }),
  'triggers.turnOff': async (place) => ({
    pipelineId: await makePublished(world.server, place),
    brandId: place.brandId,
  }),
  'triggers.setSecret': async (place) => ({ triggerId: await makeTrigger(world.server, place) }),
  'triggers.renewAddress': async (place) => ({ triggerId: await makeTrigger(world.server, place) }),
  'assets.list': () => ({}),
  'assets.get': async (place) => ({ asset: await makeAsset(world.server, place) }),
  'assets.remove': async (place) => ({ asset: await makeAsset(world.server, place) }),
  'engines.list': () => ({}),
  'speech.install': () => ({ engine: 'draft' }),
  'settings.keys': () => ({}),
  'settings.setRate': () => ({ name: 'openai', perMinute: 60 }),
  'settings.setKey': () => ({ name: 'assemblyai', value: 'a-new-key-of-the-service' }),
  'settings.removeKey': async ({ workspaceId }) => {
    await world.server.database.admin.query(
      `insert into service_key (workspace_id, name, sealed) values ($1, 'assemblyai', 'x') on conflict do nothing`,
      [workspaceId],
    );
    return { name: 'assemblyai' };
  },
  'showcase.pages': ({ brandId }) => ({ brandId }),
  'showcase.unpublish': async (place) => ({
    brandId: place.brandId,
    pageId: (await makePage(world.server, place)).pageId,
  }),
  'showcase.republish': async (place) => ({
    brandId: place.brandId,
    pageId: (await makePage(world.server, place)).pageId,
  }),
  'effects.list': ({ brandId }) => ({ brandId }),
  'effects.decide': async (place) => ({ ...(await makeEffect(world.server, place)), decision: 'leave' }),
  'failures.list': ({ brandId }) => ({ brandId }),
  'failures.count': ({ brandId }) => ({ brandId }),
  'failures.retry': async (place) => ({
    brandId: place.brandId,
    items: [{ runId: (await makeRun(world.server, place)).runId, nodeId: 'other' }],
  }),
  'failures.putAside': async (place) => ({
    brandId: place.brandId,
    runIds: [(await makeRun(world.server, place)).runId],
  }),
  'waits.list': ({ brandId }) => ({ brandId }),
  'waits.get': question,
  'waits.decide': async (place) => ({
    ...(await question(place)),
    decision: { outcome: 'approved', edits: {}, comment: '' },
  }),
  'waits.link': async (place) => ({ ...(await question(place)), kind: 'person' }),
  'mail.get': () => ({}),
  'mail.set': () => ({ isWanted: false }),
  'mail.test': () => ({}),
  'plugins.list': () => ({}),
  'plugins.get': async (place) => ({ name: (await makePlugin(world.server, place)).name }),
  'connections.list': ({ brandId }) => ({ brandId }),
  'connections.posts': ({ brandId }) => ({ brandId }),
  'connections.refresh': ({ brandId }) => ({ brandId }),
  'connections.begin': async (place) => ({
    brandId: place.brandId,
    type: (await makeAccount(world.server, place)).type,
  }),
  'connections.get': async (place) => ({ id: (await makeAccount(world.server, place)).connecting }),
  'connections.setApp': async (place) => ({
    type: (await makeAccount(world.server, place)).type,
    clientId: 'client',
    clientSecret: 'secret',
  }),
  'connections.hook': async (place) => ({ id: (await makeAccount(world.server, place)).connection }),
  'connections.disconnect': async (place) => ({ id: (await makeAccount(world.server, place)).connection }),
  'connections.removePost': async (place) => ({ id: (await makeAccount(world.server, place)).post }),
  'plugins.trials': async (place) => ({ name: (await makePlugin(world.server, place)).name, after: null }),
  'plugins.look': async (place) => ({ digest: (await makePlugin(world.server, place)).digest }),
  'plugins.fetch': () => ({ name: 'some-plugin', version: null }),
  'plugins.fetched': (place) => makeFetch(world.server, place),
  'plugins.registry': () => ({}),
  'plugins.setRegistry': () => ({ url: 'https://registry.example', token: null }),
  'plugins.install': async (place) => ({ digest: (await makePlugin(world.server, place)).digest, rights: ['store'] }),
  'plugins.setRights': async (place) => ({ name: (await makePlugin(world.server, place)).name, rights: [] }),
  'plugins.goBack': async (place) => ({ name: (await makePlugin(world.server, place)).name }),
  'plugins.deprecate': async (place) => ({ name: (await makePlugin(world.server, place)).name, note: 'Old.' }),
  'plugins.remove': async (place) => ({ name: (await makePlugin(world.server, place)).name }),
  'operations.get': () => ({}),
  'storage.get': () => ({}),
  'storage.setRetention': () => ({ runDays: 100, runsPerPipeline: null }),
  'storage.remove': async (place) => ({ asset: await makeAsset(world.server, place) }),
  'storage.room': () => ({}),
  'health.doctor': () => ({}),
};

async function run(place: Place): Promise<{ runId: string }> {
  return { runId: (await makeRun(world.server, place)).runId };
}
async function question(place: Place) {
  return { ...(await makeWait(world.server, place)), nodeId: 'other', path: [], name: 'review' };
}
const member = (workspaceId: string) => world.server.member(workspaceId, 'analyst');
const editorOf = (place: Place) => (place.workspaceId === world.alpha.id ? world.alpha : world.beta).people.editor;

const guarded = PROCEDURES.filter(({ name }) => !(name in EXEMPT));
/** About one brand: by its id, or by something that belongs to one. */
const isOfBrand = (input: Record<string, unknown>) => 'brandId' in input || 'runId' in input || 'triggerId' in input;
const inputOf = async ({ name }: Procedure, place: Place) => ({
  ...(await INPUTS[name]!(place)),
  workspaceId: place.workspaceId,
});

test('every procedure states who may call it, and is in this test or exempt with a reason', () => {
  expect(PROCEDURES.filter(({ access }) => access === undefined).map(({ name }) => name)).toEqual([]);
  expect(guarded.map(({ name }) => name).sort()).toEqual(Object.keys(INPUTS).sort());
  expect(Object.keys(EXEMPT).sort()).toEqual(
    PROCEDURES.filter(({ access }) => access === 'public' || access === 'user')
      .map(({ name }) => name)
      .sort(),
  );
});

describe.each(guarded)('$name', (procedure) => {
  const { name, type, access } = procedure;
  const needed = access as MemberRole;

  test('refuses nobody, weaker roles and other workspaces, and changes nothing', async () => {
    const input = await inputOf(procedure, world.alpha.brands[0]);
    const before = await rowsOf(world.server, world.alpha.id);
    for (const person of [undefined, { token: `sb_${'x'.repeat(43)}` }]) {
      expect(await call(world.server, name, type, input, person)).toMatchObject({ code: 'SIGN_IN' });
    }
    for (const role of WEAKEST_LAST.slice(WEAKEST_LAST.indexOf(needed) + 1)) {
      const answer = await call(world.server, name, type, input, world.alpha.people[role]);
      expect([role, answer.code]).toEqual([role, 'ROLE_TOO_LOW']);
    }
    const stranger = await call(world.server, name, type, input, world.beta.people.owner);
    expect(stranger.code).toBe('NOT_FOUND');
    expect(stranger.text).not.toContain(world.alpha.mark);
    expect(await rowsOf(world.server, world.alpha.id)).toBe(before);
  });

  test('ids of another workspace, asked for in one’s own, lead nowhere and leave it as it was', async () => {
    const place = world.alpha.brands[0];
    const input = { ...(await inputOf(procedure, place)), workspaceId: world.beta.id };
    const before = await rowsOf(world.server, world.alpha.id);
    const answer = await call(world.server, name, type, input, world.beta.people.owner);
    expect(answer.text).not.toContain(world.alpha.mark);
    const names = Object.keys(input).some(
      (field) => /Id$|^id$|^asset$/.test(field) && field !== 'workspaceId' && field !== 'clientId',
    );
    if (names) expect(answer.code).toBe('NOT_FOUND');
    expect(await rowsOf(world.server, world.alpha.id)).toBe(before);
  });

  test('a member of one brand neither sees nor changes the other', async () => {
    const other = world.alpha.brands[1];
    const input = await inputOf(procedure, other);
    const before = isOfBrand(input) ? await rowsOf(world.server, world.alpha.id) : '';
    const { token } = world.alpha.partial;
    const answer = await call(world.server, name, type, input, { token });
    if (isOfBrand(input)) {
      expect(['NOT_FOUND', 'ROLE_TOO_LOW']).toContain(answer.code);
      expect(await rowsOf(world.server, world.alpha.id)).toBe(before);
      expect(answer.text).not.toContain(other.mark);
    }
    expect(answer.text).not.toContain(other.brandId);
    // the same without naming the brand: a list leaves the other brand's things out
    if (
      'brandId' in input &&
      !('pageId' in input) &&
      type === 'query' &&
      name !== 'runs.latestFor' &&
      name !== 'runs.preview' &&
      name !== 'triggers.get' &&
      name !== 'showcase.pages'
    ) {
      const { brandId: _, ...open } = input as Record<string, unknown>;
      const all = await call(world.server, name, type, open, { token });
      expect(all.code).toBeNull();
      expect(all.text).not.toContain(other.brandId);
      for (const id of await idsOf(other.brandId)) expect(all.text).not.toContain(id);
    }
  });

  test('a member with the role it needs gets an answer', async () => {
    const input = await inputOf(procedure, world.alpha.brands[0]);
    const answer = await call(world.server, name, type, input, world.alpha.people[needed]);
    expect({ status: answer.status, code: answer.code, text: answer.code ? answer.text : '' }).toEqual({
      status: 200,
      code: null,
      text: '',
    });
  });
});

/** Runs and pages of a brand. */
async function idsOf(brandId: string): Promise<string[]> {
  const { rows } = await world.server.database.admin.query<{ id: string }>(
    'select id::text from run where brand_id = $1 union all select id::text from showcase_page where brand_id = $1',
    [brandId],
  );
  return rows.map(({ id }) => id);
}

test('session.me names only the workspaces one is a member of, and a token only its own', async () => {
  const { alpha, beta, server } = world;
  for (const person of [alpha.people.owner, alpha.partial, beta.people['sponsor-viewer']]) {
    const answer = await call(server, 'session.me', 'query', {}, person);
    const [own, other] = person === beta.people['sponsor-viewer'] ? [beta, alpha] : [alpha, beta];
    expect(answer.text).toContain(own.id);
    expect(answer.text).not.toContain(other.id);
    expect(answer.text).not.toContain(other.mark);
  }
  expect((await call(server, 'session.me', 'query', {}, undefined)).code).toBe('SIGN_IN');
});

test('a new workspace belongs to who made it and to nobody else; a token makes none', async () => {
  const { server, alpha } = world;
  const answer = await call(server, 'workspaces.create', 'mutation', { name: 'New' }, alpha.people.owner);
  expect(answer.code).toBe('SESSION_NEEDED');
  expect((await call(server, 'workspaces.create', 'mutation', { name: 'New' }, undefined)).code).toBe('SIGN_IN');
});

test('an invitation opens with its secret, once, for the invited role and brands only', async () => {
  const { server, alpha } = world;
  const invite = await call(
    server,
    'members.invite',
    'mutation',
    { workspaceId: alpha.id, email: 'invited@example.org', role: 'analyst', brands: [alpha.brands[0].brandId] },
    alpha.people.admin,
  );
  const token = /invitation\/(sbi_[A-Za-z0-9_-]+)/.exec(invite.text)![1]!;
  const wrong = await call(
    server,
    'invitations.accept',
    'mutation',
    { token: `${token}x`, name: 'X', password: 'long enough 1' },
    undefined,
  );
  expect(wrong.code).toBe('INVITATION_GONE');
  const accept = { token, name: 'Invited', password: 'long enough 1' };
  expect((await call(server, 'invitations.accept', 'mutation', accept, undefined)).code).toBeNull();
  expect((await call(server, 'invitations.accept', 'mutation', accept, undefined)).code).toBe('INVITATION_GONE');
  expect((await call(server, 'invitations.look', 'query', { token }, undefined)).code).toBe('INVITATION_GONE');
  const { rows } = await server.database.admin.query(
    `select m.role, m.brands from member m join auth."user" u on u.id = m.user_id where u.email = 'invited@example.org'`,
  );
  expect(rows).toEqual([{ role: 'analyst', brands: [alpha.brands[0].brandId] }]);
});

test('an admin of some brands cannot give anybody, or himself, another one', async () => {
  const { server, alpha } = world;
  const [first, second] = alpha.brands;
  const admin = await server.member(alpha.id, 'admin', [first.brandId]);
  const someone = await server.member(alpha.id, 'editor', [first.brandId]);
  const before = await rowsOf(server, alpha.id);
  for (const [name, input] of [
    ['members.update', { userId: admin.userId, role: 'admin', brands: 'all' }],
    ['members.update', { userId: someone.userId, role: 'editor', brands: [first.brandId, second.brandId] }],
    ['members.invite', { email: 'x@example.org', role: 'editor', brands: 'all' }],
    ['members.invite', { email: 'x@example.org', role: 'editor', brands: [second.brandId] }],
  ] as const) {
    const answer = await call(server, name, 'mutation', { workspaceId: alpha.id, ...input }, admin);
    expect([name, ['BRAND_TOO_WIDE', 'NOT_FOUND', 'ROLE_TOO_LOW'].includes(answer.code ?? '')]).toEqual([name, true]);
  }
  expect(await rowsOf(server, alpha.id)).toBe(before);
});

test('an admin can make nobody an owner and cannot touch one', async () => {
  const { server, alpha } = world;
  const before = await rowsOf(server, alpha.id);
  const on = (userId: string, role: string) => ({ workspaceId: alpha.id, userId, role, brands: 'all' });
  const { admin, editor, owner } = alpha.people;
  for (const input of [on(editor.userId, 'owner'), on(admin.userId, 'owner'), on(owner.userId, 'analyst')]) {
    expect((await call(server, 'members.update', 'mutation', input, admin)).code).toBe('ROLE_TOO_LOW');
  }
  const remove = { workspaceId: alpha.id, userId: owner.userId };
  expect((await call(server, 'members.remove', 'mutation', remove, admin)).code).toBe('ROLE_TOO_LOW');
  const token = { workspaceId: alpha.id, name: 'x', role: 'owner' };
  expect((await call(server, 'tokens.create', 'mutation', token, admin)).code).toBe('ROLE_TOO_LOW');
  expect(await rowsOf(server, alpha.id)).toBe(before);
});

test('a token does no more than its own role, and nothing once its maker is gone or it is revoked', async () => {
  const { server, alpha } = world;
  const weak = await server.member(alpha.id, 'owner');
  await server.database.admin.query(`update api_token set role = 'analyst' where id = $1`, [weak.tokenId]);
  const rename = { workspaceId: alpha.id, name: 'Taken' };
  expect((await call(server, 'workspaces.rename', 'mutation', rename, weak)).code).toBe('ROLE_TOO_LOW');
  const revoked = await server.member(alpha.id, 'owner');
  await server.database.admin.query(`update api_token set revoked_at = now() where id = $1`, [revoked.tokenId]);
  expect((await call(server, 'workspaces.rename', 'mutation', rename, revoked)).code).toBe('SIGN_IN');
  const gone = await server.member(alpha.id, 'owner');
  await server.database.admin.query(`delete from member where user_id = $1`, [gone.userId]);
  expect((await call(server, 'workspaces.rename', 'mutation', rename, gone)).code).toBe('NOT_FOUND');
});

test('no answer holds a sealed key, a password or the digest of a token', async () => {
  const { server, alpha } = world;
  const { rows } = await server.database.admin.query<{ secret: string }>(
    `select sealed as secret from service_key union all select path_sealed from pipeline_trigger where path_sealed is not null
     union all select sha256 from api_token union all select sha256 from invitation`,
  );
  for (const procedure of guarded.filter(({ type }) => type === 'query')) {
    const input = await inputOf(procedure, alpha.brands[0]);
    const { text } = await call(server, procedure.name, 'query', input, alpha.people.owner);
    for (const { secret } of rows) expect(text.includes(secret), procedure.name).toBe(false);
    expect(text, procedure.name).not.toMatch(/"(password|sealed|sha256)"/);
  }
});
