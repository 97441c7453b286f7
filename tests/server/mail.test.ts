/** Mail on the wire: who is told what, reminders, tries and ends, and what is never sent. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { inWorkspace } from '../../db/workspace.ts';
import { type SmtpEmulator, startSmtp } from '../../emulators/smtp.ts';
import { type Mailer, mailerFrom } from '../../server/mail.ts';
import { sendDue } from '../../server/notices.ts';
import { startTestServer } from '../support/server.ts';
import { call, makeRun, makeWorld, type Place, type World } from '../tenancy/world.ts';

const FROM = 'Spliceboard <post@example.com>';
let smtp: SmtpEmulator;
let mailer: Mailer;
let world: World;
let place: Place;
beforeAll(async () => {
  smtp = await startSmtp();
  mailer = mailerFrom({ SPLICEBOARD_SMTP_URL: smtp.url, SPLICEBOARD_MAIL_FROM: FROM }, { silentMs: 300 })!;
  world = await makeWorld({ publicUrl: 'https://board.example.com' });
  world.server.services.mailer = mailer;
  await admin('delete from notice');
  place = world.alpha.brands[0];
});
afterEach(async () => {
  await admin(`delete from notice`);
  await admin(`update wait set notify_at = null`);
  await admin('update member set mail = true');
  smtp.reset();
});
afterAll(async () => {
  await world?.server.close();
  mailer?.close();
  await smtp?.close();
});

const admin = (text: string, values: unknown[] = []) => world.server.database.admin.query(text, values);
const email = (person: 'owner' | 'admin' | 'editor') => world.alpha.people[person].email;
const drain = () => sendDue(world.server.services, mailer);
/** Everything that waits for an instant has waited long enough. */
async function later(): Promise<void> {
  await drain();
  await admin(`update notice set next_at = now() - interval '1 second' where state in ('due', 'sending')`);
  await drain();
}
const told = () => smtp.letters.map(({ to }) => to).sort();
const text = (raw: string) => raw.replace(/=\r\n/g, '').replace(/=3D/g, '=');

/** A question that waits now. */
async function ask(where: Place, more: Record<string, unknown> = {}, count = 1): Promise<string> {
  const { runId } = await makeRun(world.server, where);
  const request = {
    title: 'May this go out?',
    message: 'Look at the <b>captions</b>.',
    outcomes: [{ name: 'approved', title: 'Approve' }],
    fields: [],
    reviewers: 'editor',
    item: {},
    ...more,
  };
  await inWorkspace(world.server.services.db, where.workspaceId, (tx) =>
    sql`insert into wait (run_id, node, path, name, kind, request, notify_at)
        select ${runId}, 'other', case when ${count} = 1 then '{}'::int[] else array[at] end, 'review', 'person',
               ${JSON.stringify(request)}::jsonb, now() - interval '1 second'
          from generate_series(0, ${count - 1}) at`.execute(tx),
  );
  return runId;
}

test('who may decide is told once, with a link that opens the question; others and other workspaces are not', async () => {
  await ask(place);
  await drain();
  expect(smtp.letters).toEqual([]); // gathered for a moment
  await later();
  const { owner, admin: administrator, editor } = world.alpha.people;
  expect(told()).toEqual([owner, administrator, editor, world.alpha.partial].map((person) => person.email).sort());
  const letter = smtp.letters.find(({ to }) => to === editor.email)!;
  expect(letter.headers).toMatchObject({ 'auto-submitted': 'auto-generated', from: FROM });
  expect(letter.headers.subject).toContain('May this go out?');
  const raw = text(letter.raw);
  expect(raw).toContain('Content-Type: text/plain');
  expect(raw).toContain('Content-Type: text/html');
  expect(raw).toContain('&#60;b&#62;captions');
  const link = /https:\/\/board\.example\.com\/approve\/([\w.-]+)/.exec(raw)!;
  const seen = await call(world.server, 'waits.byLink', 'query', { token: link[1] }, undefined);
  expect(seen.text).toContain('May this go out?');
  await later();
  expect(smtp.letters).toHaveLength(4);
});

test('only roles that may decide, only for their brands, and only who wants it', async () => {
  await ask(place, { reviewers: 'admin' });
  await later();
  expect(told()).toEqual([email('admin'), email('owner')].sort());
  smtp.reset();
  await admin('delete from notice');
  await call(
    world.server,
    'mail.set',
    'mutation',
    { workspaceId: world.alpha.id, isWanted: false },
    world.alpha.people.editor,
  );
  await ask(world.alpha.brands[1]);
  await later();
  expect(told()).toEqual([email('admin'), email('owner')].sort()); // the partial editor has the first brand alone
});

test('a thousand questions of one run are one letter', async () => {
  await ask(place, { reviewers: 'owner' }, 1_000);
  await later();
  expect(told()).toEqual([email('owner')]);
  const raw = text(smtp.letters[0]!.raw);
  expect(smtp.letters[0]!.headers.subject).toContain('1000 things wait for your decision');
  expect(raw.match(/Look and decide: https/g)).toHaveLength(20);
  expect(raw).toContain('And 980 more, under Approvals');
  // and who was just written to is left alone for a while
  await ask(place, { reviewers: 'owner' });
  await drain();
  const { rows } = await admin(
    `select extract(epoch from next_at - now())::int as wait from notice where state = 'due'`,
  );
  expect(rows).toEqual([{ wait: expect.closeTo(595, -2) }]);
});

test('who has not answered is reminded once; what is answered meanwhile is never sent', async () => {
  const remindAt = new Date(Date.now() + 3_600_000).toISOString();
  const runId = await ask(place, { reviewers: 'owner', remindAt });
  await later();
  const { rows } = await admin('select notify_at from wait where run_id = $1', [runId]);
  expect(rows[0].notify_at.toISOString()).toBe(remindAt);
  await admin(`update wait set notify_at = now() - interval '1 second' where run_id = $1`, [runId]);
  await later();
  expect(told()).toEqual([email('owner'), email('owner')]);
  expect(smtp.letters[1]!.headers.subject).toMatch(/^Reminder: May this go out\?/);
  expect(text(smtp.letters[1]!.raw)).toContain('It has been waiting since');
  expect((await admin('select notify_at from wait where run_id = $1', [runId])).rows).toEqual([{ notify_at: null }]);

  smtp.reset();
  const answered = await ask(place, { reviewers: 'owner', remindAt });
  await drain();
  await admin(`update wait set state = 'answered', answer = '{}' where run_id = $1`, [answered]);
  await later();
  expect(smtp.letters).toEqual([]);
  const states = await admin('select n.state from notice n join wait w on w.id = n.wait_id where w.run_id = $1', [
    answered,
  ]);
  expect(states.rows).toEqual([{ state: 'dropped' }]);
});

test('a server that asks to wait is asked again with the same letter; one that refuses is not, and the others get theirs', async () => {
  const runId = await ask(place, { reviewers: 'admin' });
  smtp.plan('greylist', { to: email('owner') });
  smtp.plan('reject', { to: email('admin') });
  await later();
  expect(told()).toEqual([]);
  const { rows } = await admin(`select user_id, state, mail, error ->> 'code' as code from notice order by code`);
  expect(rows).toMatchObject([
    { state: 'due', code: 'MAIL_LATER', user_id: world.alpha.people.owner.userId },
    { state: 'failed', code: 'MAIL_REFUSED', user_id: world.alpha.people.admin.userId },
  ]);
  const where = { workspaceId: world.alpha.id, runId, nodeId: 'other', path: [], name: 'review' };
  const seen = await call(world.server, 'waits.get', 'query', where, world.alpha.people.editor);
  expect(seen.text).toContain('The mail server refused it: 550 5.1.1 Mailbox unavailable');
  await later();
  expect(told()).toEqual([email('owner')]);
  expect(smtp.asked.map(({ to }) => to).filter((to) => to === email('admin'))).toHaveLength(1);
});

test('a letter whose sender was killed before it could say so is sent again under the same name', async () => {
  await ask(place, { reviewers: 'owner' });
  const killed: Mailer = {
    ...mailer,
    async send(mail) {
      await mailer.send(mail);
      throw new Error('killed');
    },
  };
  await drain();
  await admin('update notice set next_at = now()');
  await expect(sendDue(world.server.services, killed)).rejects.toThrow('killed');
  await drain();
  expect(smtp.letters).toHaveLength(1); // it may still be at it
  await later();
  expect(smtp.letters).toHaveLength(2);
  expect(new Set(smtp.letters.map(({ headers }) => headers['message-id'])).size).toBe(1);
  expect((await admin('select state from notice')).rows).toEqual([{ state: 'sent' }]);
});

test('what people write cannot become a header or a recipient', async () => {
  await ask(place, { reviewers: 'owner', title: 'Hello\r\nBcc: thief@example.net\r\n\r\n<script>alert(1)</script>' });
  await later();
  expect(told()).toEqual([email('owner')]);
  expect(smtp.asked.map(({ to }) => to)).toEqual([email('owner')]);
  expect(smtp.letters[0]!.headers).not.toHaveProperty('bcc');
  const html = text(smtp.letters[0]!.raw).split('Content-Type: text/html')[1]!;
  expect(html).toContain('&#60;script&#62;');
  expect(html).not.toContain('<script');
});

test('a silent server, one that wants TLS and a wrong password are told as what they are, and tried again', async () => {
  await ask(place, { reviewers: 'owner' });
  await drain();
  await admin('update notice set next_at = now()');
  smtp.plan('silence');
  await drain();
  const problem = async () =>
    (await admin(`select state, error ->> 'code' as code from notice order by created_at`)).rows as unknown[];
  expect(await problem()).toEqual([{ state: 'due', code: 'MAIL_UNREACHABLE' }]);
  for (const [url, code] of [
    [`${smtp.url}?requireTLS=true`, 'MAIL_UNREACHABLE'],
    [smtp.url.replace('secret', 'wrong'), 'MAIL_SIGN_IN'],
  ]) {
    const other = mailerFrom({ SPLICEBOARD_SMTP_URL: url, SPLICEBOARD_MAIL_FROM: FROM })!;
    await admin('update notice set next_at = now()');
    await sendDue(world.server.services, other);
    expect(await problem()).toEqual([{ state: 'due', code }]);
    other.close();
  }
  expect(smtp.letters).toEqual([]);
});

test('an invitation goes out where that is wanted, and a test tells what the server says', async () => {
  const invite = { workspaceId: world.alpha.id, email: 'new@example.org', role: 'editor', send: true };
  const made = await call(world.server, 'members.invite', 'mutation', invite, world.alpha.people.admin);
  expect(made.text).toContain('"mail":{"problem":null}');
  expect(told()).toEqual(['new@example.org']);
  expect(text(smtp.letters[0]!.raw)).toMatch(/https:\/\/board\.example\.com\/invitation\/\S+/);
  smtp.plan('reject');
  const refused = await call(
    world.server,
    'mail.test',
    'mutation',
    { workspaceId: world.alpha.id },
    world.alpha.people.admin,
  );
  expect(refused.code).toBe('MAIL_REFUSED');
  const sent = await call(
    world.server,
    'mail.test',
    'mutation',
    { workspaceId: world.alpha.id },
    world.alpha.people.admin,
  );
  expect(sent.text).toContain(email('admin'));
});

test('a server that has a mail server set up sends by itself; settings that cannot work are refused in a sentence', async () => {
  expect(mailerFrom({})).toBeNull();
  expect(() => mailerFrom({ SPLICEBOARD_SMTP_URL: 'mail.example.com' })).toThrow(/is not an address such as smtp:/);
  expect(() => mailerFrom({ SPLICEBOARD_SMTP_URL: smtp.url })).toThrow(/SPLICEBOARD_MAIL_FROM must say/);
  Object.assign(process.env, { SPLICEBOARD_SMTP_URL: smtp.url, SPLICEBOARD_MAIL_FROM: FROM });
  try {
    await using other = await startTestServer({ database: world.server.database });
    expect(other.services.mailer?.from).toBe(FROM);
    await ask(place, { reviewers: 'owner' });
    for (const deadline = Date.now() + 10_000; smtp.letters.length === 0 && Date.now() < deadline; ) {
      await admin(`update notice set next_at = now() where state = 'due'`);
      await new Promise((done) => setTimeout(done, 100));
    }
    expect(told()).toEqual([email('owner')]);
  } finally {
    delete process.env.SPLICEBOARD_SMTP_URL;
    delete process.env.SPLICEBOARD_MAIL_FROM;
  }
});
