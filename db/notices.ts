/**
 * Mail to people whom something waits for (migrations/0067_notices.sql): who is to be told, what goes out in one letter, and
 * what became of it. A letter that may have been sent is sent again under the same name.
 */
import { sql } from 'kysely';
import type { MemberRole } from './accounts.ts';
import type { Database } from './connect.ts';
import type { WorkspaceTx } from './workspace.ts';
import { withHeld } from './workspace.ts';

export type NoticeKind = 'asked' | 'reminder';

/** Questions that come close together go into one letter. */
const GATHER_SECONDS = 20;
/** After a letter the next questions wait this long. */
const APART_SECONDS = 600;

/** One wait whose people are to be told. False: there is none. */
export function withDueWait(db: Database, work: (tx: WorkspaceTx, waitId: string) => Promise<void>): Promise<boolean> {
  const door = sql<{ workspace_id: string; wait_id: string }>`select * from door.due_notice()`;
  return withHeld(db, door, (tx, row) => work(tx, row.wait_id));
}

/** Members of these roles who see the brand and want mail. */
export async function peopleToTell(
  tx: WorkspaceTx,
  of: { brandId: string; roles: readonly MemberRole[] },
): Promise<string[]> {
  const { rows } = await sql<{ user_id: string }>`
    select user_id from member
     where mail and role = any (${[...of.roles]}) and (brands is null or ${of.brandId}::uuid = any (brands))`.execute(
    tx,
  );
  return rows.map((row) => row.user_id);
}

export async function isTold(tx: WorkspaceTx, waitId: string): Promise<boolean> {
  return (await tx.selectFrom('notice').select('id').where('wait_id', '=', waitId).executeTakeFirst()) !== undefined;
}

/** Notes who is to be told, and when they are told again. */
export async function tell(
  tx: WorkspaceTx,
  about: { waitId: string; kind: NoticeKind; people: readonly string[]; again: Date | null },
): Promise<void> {
  const { waitId, kind, people, again } = about;
  if (people.length > 0) {
    const gather = kind === 'asked' ? GATHER_SECONDS : 0;
    const apart = kind === 'asked' ? APART_SECONDS : 0;
    await sql`
      insert into notice (wait_id, user_id, kind, next_at)
      select ${waitId}, p.user_id, ${kind},
             greatest(clock_timestamp() + make_interval(secs => ${gather}),
                      coalesce((select max(n.sent_at) from notice n where n.user_id = p.user_id and n.sent_at is not null)
                               + make_interval(secs => ${apart}), '-infinity'))
        from unnest(${[...people]}::text[]) p (user_id)
      on conflict (wait_id, user_id, kind) do nothing`.execute(tx);
  }
  await tx.updateTable('wait').set({ notify_at: again }).where('id', '=', waitId).execute();
}

export type Letter = { workspaceId: string; mail: string };

/** The next letter; for a minute it is the caller's to send. */
export async function takeLetter(db: Database): Promise<Letter | undefined> {
  const { rows } = await sql<{ workspace_id: string | null; mail_id: string | null }>`
    select * from door.take_mail()`.execute(db);
  const row = rows[0];
  return row?.workspace_id && row.mail_id ? { workspaceId: row.workspace_id, mail: row.mail_id } : undefined;
}

export type LetterRow = {
  id: string;
  waitId: string;
  userId: string;
  kind: NoticeKind;
  attempt: number;
  createdAt: Date;
  /** Whether somebody can still answer, and this person still wants to be told. */
  isOpen: boolean;
};

/** What stands in it, oldest question first. */
export async function letterRows(tx: WorkspaceTx, mail: string): Promise<LetterRow[]> {
  const { rows } = await sql<LetterRow>`
    select n.id, n.wait_id as "waitId", n.user_id as "userId", n.kind, n.attempt, n.created_at as "createdAt",
           w.state = 'open' and coalesce(w.until > clock_timestamp(), true) and r.state = 'running'
           and exists (select from member m where m.user_id = n.user_id and m.mail
                          and (m.brands is null or r.brand_id = any (m.brands))) as "isOpen"
      from notice n join wait w on w.id = n.wait_id join run r on r.id = w.run_id
     where n.mail = ${mail} and n.state = 'sending' order by w.created_at`.execute(tx);
  return rows;
}

export async function dropNotices(tx: WorkspaceTx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .updateTable('notice')
    .set({ state: 'dropped' })
    .where('id', 'in', [...ids])
    .execute();
}

export type NoticeError = { code: string; message: string; hint: string | null; retry: 'later' | 'person' };

/** Writes down what became of a letter; nothing where somebody else has taken it since. */
export async function endLetter(
  tx: WorkspaceTx,
  letter: { mail: string; attempt: number },
  end:
    | { state: 'sent' }
    | { state: 'failed'; error: NoticeError }
    | { state: 'due'; error: NoticeError; inSeconds: number },
): Promise<void> {
  const error = end.state === 'sent' ? null : JSON.stringify(end.error);
  await sql`
    update notice set state = ${end.state}, error = ${error}::jsonb,
           sent_at = case when ${end.state} = 'sent' then clock_timestamp() end,
           next_at = clock_timestamp() + make_interval(secs => ${end.state === 'due' ? end.inSeconds : 0})
     where mail = ${letter.mail} and state = 'sending' and attempt = ${letter.attempt}`.execute(tx);
}

export type NoticeRow = {
  userId: string;
  kind: NoticeKind;
  state: 'due' | 'sending' | 'sent' | 'failed' | 'dropped';
  error: NoticeError | null;
  at: string | null;
};

/** Who was told of a wait, and how that went. */
export async function noticesOf(tx: WorkspaceTx, waitId: string): Promise<NoticeRow[]> {
  const rows = await tx
    .selectFrom('notice')
    .select(['user_id', 'kind', 'state', 'error', 'sent_at'])
    .where('wait_id', '=', waitId)
    .orderBy('created_at')
    .execute();
  return rows.map((row) => ({
    userId: row.user_id,
    kind: row.kind as NoticeKind,
    state: row.state as NoticeRow['state'],
    error: row.error as NoticeError | null,
    at: row.sent_at?.toISOString() ?? null,
  }));
}

/** Whether this member is told by mail. */
export async function wantsMail(tx: WorkspaceTx, userId: string): Promise<boolean> {
  return (await tx.selectFrom('member').select('mail').where('user_id', '=', userId).executeTakeFirst())?.mail ?? false;
}

export async function setWantsMail(tx: WorkspaceTx, userId: string, mail: boolean): Promise<void> {
  await tx.updateTable('member').set({ mail }).where('user_id', '=', userId).execute();
}
