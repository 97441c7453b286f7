/**
 * Tells people by mail what waits for their decision, and reminds them. What is due for one person goes out in one letter.
 * Any server sends any letter; one that was killed while sending is followed by another within a minute, which sends the letter
 * again under the same Message-ID.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { audit, ROLES, usersById, workspaceName } from '../db/accounts.ts';
import { getBrand } from '../db/brands.ts';
import {
  dropNotices,
  endLetter,
  isTold,
  type Letter,
  type LetterRow,
  letterRows,
  type NoticeError,
  peopleToTell,
  setWantsMail,
  takeLetter,
  tell,
  wantsMail,
  withDueWait,
} from '../db/notices.ts';
import { findWait } from '../db/waits.ts';
import { inWorkspace } from '../db/workspace.ts';
import type { Services } from './deps.ts';
import { log } from './log.ts';
import { canReceive, escaped, type Mail, MailError, type Mailer, oneLine } from './mail.ts';
import { Problem } from './problem.ts';
import { isAtLeast, memberProcedure, router } from './trpc.ts';
import { waitToken } from './wait-links.ts';
import { Asked, type Question, questionOf } from './waits.ts';

const LOOK_MS = 2_000;
/** Questions that a letter names one by one. */
const MOST_LISTED = 20;
const FIRST_PAUSE_SECONDS = 60;
const LONGEST_PAUSE_SECONDS = 6 * 3600;
/** What could not be sent for this long is given up. */
const GIVE_UP_MS = 5 * 86_400_000;

export function startNotices(services: Services, mailer: Mailer): { stop(): Promise<void> } {
  let isStopping = false;
  let current: Promise<void> = Promise.resolve();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    current = sendDue(services, mailer, () => isStopping)
      .catch((error: unknown) => log.error({ err: error }, 'Mail stood still.')) // looked at again soon
      .finally(() => {
        isBusy = false;
      });
  }, LOOK_MS);
  return {
    async stop() {
      isStopping = true;
      clearInterval(timer);
      await current;
      mailer.close();
    },
  };
}

/** Notes who is to be told, then sends what is due, one letter after the other. */
export async function sendDue(services: Services, mailer: Mailer, isStopping = () => false): Promise<void> {
  while (!isStopping() && (await tellOne(services)));
  while (!isStopping()) {
    const letter = await takeLetter(services.db);
    if (!letter) return;
    await sendLetter(services, mailer, letter);
  }
}

/** Notes who is to be told of the next wait. False: there is none. */
function tellOne({ db }: Pick<Services, 'db'>): Promise<boolean> {
  return withDueWait(db, async (tx, waitId) => {
    const wait = await findWait(tx, { id: waitId });
    const asked = Asked.safeParse(wait?.request);
    if (!wait || !asked.success || wait.state !== 'open' || wait.runState !== 'running') {
      return tell(tx, { waitId, kind: 'asked', people: [], again: null });
    }
    const { reviewers, remindAt } = asked.data;
    const roles = ROLES.filter((role) => isAtLeast(role, reviewers));
    const people = await peopleToTell(tx, { brandId: wait.brandId, roles });
    const isReminder = await isTold(tx, waitId);
    const remind = remindAt === undefined ? null : new Date(remindAt);
    const again = isReminder || remind === null || remind.getTime() <= Date.now() ? null : remind;
    await tell(tx, { waitId, kind: isReminder ? 'reminder' : 'asked', people, again });
  });
}

/** Composes and sends one letter, and writes down what became of it. */
async function sendLetter(services: Services, mailer: Mailer, letter: Letter): Promise<void> {
  const inside = <T>(work: Parameters<typeof inWorkspace<T>>[2]) => inWorkspace(services.db, letter.workspaceId, work);
  const composed = await inside(async (tx) => {
    const all = await letterRows(tx, letter.mail);
    await dropNotices(
      tx,
      all.flatMap((row) => (row.isOpen ? [] : [row.id])),
    );
    const open = all.filter(({ isOpen }) => isOpen);
    if (open.length === 0) return null;
    const questions: LetterQuestion[] = [];
    for (const row of open.slice(0, MOST_LISTED)) {
      const wait = await findWait(tx, { id: row.waitId });
      const question = wait && (await questionOf(services, tx, letter.workspaceId, wait));
      const brand = wait && (await getBrand(tx, wait.brandId));
      if (question) questions.push({ ...question, kind: row.kind, timeZone: brand?.timeZone ?? 'UTC' });
    }
    return { open, questions, workspace: (await workspaceName(tx)) ?? '' };
  });
  if (!composed) return;
  const [first] = composed.open as [LetterRow];
  const end = (how: Parameters<typeof endLetter>[2]) =>
    inside((tx) => endLetter(tx, { mail: letter.mail, attempt: first.attempt }, how));
  const address = (await usersById(services.authPool, [first.userId])).get(first.userId)?.email ?? '';
  if (!canReceive(address)) {
    const message = 'There is no address that mail can reach.';
    return end({ state: 'failed', error: { code: 'MAIL_NO_ADDRESS', message, hint: null, retry: 'person' } });
  }
  try {
    await mailer.send({
      to: address,
      messageId: messageIdOf(services, letter.mail),
      ...letterOf(services, letter.workspaceId, composed),
    });
    await end({ state: 'sent' });
  } catch (error) {
    if (!(error instanceof MailError)) throw error; // the lease runs out, and it is tried again
    const told: NoticeError = { code: error.code, message: error.message, hint: error.hint, retry: error.retry };
    const isTooLate = Date.now() - first.createdAt.getTime() > GIVE_UP_MS;
    if (error.retry === 'person' || isTooLate) return end({ state: 'failed', error: told });
    const inSeconds = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (first.attempt - 1));
    await end({ state: 'due', error: told, inSeconds });
  }
}

/** The same for every try of a letter. */
function messageIdOf({ publicUrl, url }: Services, mail: string): string {
  const { hostname } = new URL(publicUrl ?? url);
  return `<${createHash('sha256').update(`spliceboard letter ${mail}`).digest('hex').slice(0, 32)}@${hostname}>`;
}

type LetterQuestion = Question & { kind: LetterRow['kind']; timeZone: string };
type Composed = { open: LetterRow[]; questions: LetterQuestion[]; workspace: string };

function letterOf(
  { sealKey, publicUrl, url }: Services,
  workspaceId: string,
  { open, questions, workspace }: Composed,
): Pick<Mail, 'subject' | 'text' | 'html'> {
  const base = publicUrl ?? url;
  const [only] = questions as [LetterQuestion];
  const isReminder = open.every(({ kind }) => kind === 'reminder');
  const what =
    open.length === 1 && only
      ? `${only.title} (${only.pipelineName}, ${only.brandName})`
      : `${open.length} things wait for your decision (${workspace})`;
  const subject = oneLine(`${isReminder ? 'Reminder: ' : ''}${what}`);
  const parts = questions.map((question) => {
    const at = (instant: string) =>
      `${new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: question.timeZone }).format(new Date(instant))} (${question.timeZone})`;
    const item = question.path.length > 0 ? `, item ${question.path.map((index) => index + 1).join('.')}` : '';
    return {
      title: question.title,
      about: `${question.pipelineName}, run ${question.runNumber} for ${question.brandName}${item}`,
      message: question.message.slice(0, 2_000),
      times: [
        ...(question.kind === 'reminder' ? [`It has been waiting since ${at(question.createdAt)}.`] : []),
        ...(question.until ? [`Open until ${at(question.until)}.`] : []),
      ].join(' '),
      link: `${base}/approve/${waitToken(sealKey, question)}`,
    };
  });
  const more = open.length - questions.length;
  const list = `${base}/w/${workspaceId}/approvals`;
  const rest = more > 0 ? `And ${more} more, under Approvals:` : 'All that waits for you:';
  const foot = `You get this because you may decide this in ${workspace}. Mail can be turned off under Settings, Mail:`;
  const settings = `${base}/w/${workspaceId}/settings`;
  const text = [
    ...parts.map(({ title, about, message, times, link }) =>
      [title, about, message, times, `Look and decide: ${link}`].filter(Boolean).join('\n'),
    ),
    `${rest} ${list}`,
    `-- \n${foot} ${settings}`,
  ].join('\n\n');
  const html = [
    '<div style="font:15px/1.5 system-ui,sans-serif;color:#1c1b1a;max-width:36em">',
    ...parts.map(
      ({ title, about, message, times, link }) =>
        `<div style="border:1px solid #ddd;border-radius:8px;padding:16px;margin:0 0 16px">
<div style="font-weight:600;font-size:17px">${escaped(title)}</div>
<div style="color:#666">${escaped(about)}</div>
${message ? `<p style="margin:12px 0">${escaped(message)}</p>` : ''}
${times ? `<div style="color:#666">${escaped(times)}</div>` : ''}
<p style="margin:16px 0 0"><a href="${escaped(link)}" style="background:#2b45d4;color:#fff;padding:9px 16px;border-radius:6px;text-decoration:none;display:inline-block">Look and decide</a></p>
</div>`,
    ),
    `<p>${escaped(rest)} <a href="${escaped(list)}">Approvals</a></p>`,
    `<p style="color:#666;font-size:13px">${escaped(foot)} <a href="${escaped(settings)}">Settings</a></p></div>`,
  ].join('\n');
  return { subject, text, html };
}

// ---------------------------------------------------------------- what people set

const notSetUp = () =>
  new Problem('PRECONDITION_FAILED', 'MAIL_NOT_SET_UP', 'This installation has no mail server.', {
    hint: 'Whoever runs it sets SPLICEBOARD_SMTP_URL and SPLICEBOARD_MAIL_FROM.',
    retry: 'person',
  });

export const mail = router({
  /** Whether mail is sent here, and to oneself. */
  get: memberProcedure('editor')
    .output(
      z.object({ from: z.string().nullable(), address: z.string(), canReceive: z.boolean(), isWanted: z.boolean() }),
    )
    .query(({ ctx }) =>
      ctx.inWorkspace(async (tx) => {
        const { userId } = ctx.member;
        const address = (await usersById(ctx.services.authPool, [userId])).get(userId)?.email ?? '';
        return {
          from: ctx.services.mailer?.from ?? null,
          address,
          canReceive: canReceive(address),
          isWanted: await wantsMail(tx, userId),
        };
      }),
    ),

  set: memberProcedure('editor')
    .input(z.object({ isWanted: z.boolean() }))
    .output(z.object({}))
    .mutation(({ ctx, input }) =>
      ctx.inWorkspace(async (tx) => {
        await setWantsMail(tx, ctx.member.userId, input.isWanted);
        await audit(tx, ctx.member.userId, 'mail.set', { isWanted: input.isWanted });
        return {};
      }),
    ),

  /** Sends one to oneself, now. */
  test: memberProcedure('admin')
    .output(z.object({ to: z.string() }))
    .mutation(async ({ ctx }) => {
      const { mailer, authPool, publicUrl, url } = ctx.services;
      if (!mailer) throw notSetUp();
      const { userId } = ctx.member;
      const to = (await usersById(authPool, [userId])).get(userId)?.email ?? '';
      const text = `Mail from ${publicUrl ?? url} arrives.`;
      const html = `<p>${escaped(text)}</p>`;
      const messageId = messageIdOf(ctx.services, `test ${Date.now()} ${userId}`);
      await sendNow(mailer, { to, subject: 'A test from Spliceboard', text, html, messageId });
      return { to };
    }),
});

/** Sends at once, for somebody who waits for it. */
export async function sendNow(mailer: Mailer, letter: Mail): Promise<void> {
  if (!canReceive(letter.to)) {
    throw new Problem('PRECONDITION_FAILED', 'MAIL_NO_ADDRESS', 'There is no address that mail can reach.', {
      retry: 'person',
    });
  }
  try {
    await mailer.send(letter);
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    throw new Problem('PRECONDITION_FAILED', error.code, error.message, { hint: error.hint, retry: error.retry });
  }
}

/** The letter with an invitation. */
export function invitationOf(services: Services, to: string, workspace: string, link: string): Mail {
  const lead = `You are invited to work in ${workspace} on Spliceboard.`;
  const left = 'The link works once, within a week.';
  return {
    to,
    subject: oneLine(`Invitation to ${workspace}`),
    text: `${lead}\n\nCome in: ${link}\n\n${left}`,
    html: `<p>${escaped(lead)}</p><p><a href="${escaped(link)}">Come in</a></p><p>${escaped(left)}</p>`,
    messageId: messageIdOf(services, `invitation ${link}`),
  };
}
