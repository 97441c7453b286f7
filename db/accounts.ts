/**
 * Who may come in: better-auth's pool and users (schema `auth`), members, API tokens, invitations.
 * Tokens and links are looked up by their SHA-256; the texts themselves are never stored.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { clientConfig, type Database, forgiving } from './connect.ts';
import { inWorkspace, type WorkspaceTx } from './workspace.ts';

export const ROLES = ['owner', 'admin', 'editor', 'analyst', 'sponsor-viewer'] as const;
export type MemberRole = (typeof ROLES)[number];

/** better-auth's own connections: the role `auth`, whose tables lie in the schema of the same name. */
export function authPool(url: string): pg.Pool {
  return forgiving(new pg.Pool({ ...clientConfig(url, 'auth'), options: '-c role=auth -c search_path=auth', max: 4 }));
}

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
/** 32 random bytes; `prefix` says what kind of secret it is, for people and for secret scanners. */
export const newSecret = (prefix: string) => `${prefix}_${randomBytes(32).toString('base64url')}`;

// ---------------------------------------------------------------- doors

export async function workspacesOf(db: Database, userId: string): Promise<{ workspaceId: string; role: MemberRole }[]> {
  const { rows } = await sql<{ workspace_id: string; role: MemberRole }>`
    select workspace_id, role from door.workspaces_of(${userId})`.execute(db);
  return rows.map((row) => ({ workspaceId: row.workspace_id, role: row.role }));
}

export async function tokenBehind(
  db: Database,
  token: string,
): Promise<{ workspaceId: string; tokenId: string; userId: string; role: MemberRole } | undefined> {
  const { rows } = await sql<{ workspace_id: string; token_id: string; user_id: string; role: MemberRole }>`
    select * from door.api_token(${sha256(token)})`.execute(db);
  const row = rows[0];
  return row && { workspaceId: row.workspace_id, tokenId: row.token_id, userId: row.user_id, role: row.role };
}

export async function invitationBehind(
  db: Database,
  token: string,
): Promise<{ workspaceId: string; invitationId: string } | undefined> {
  const { rows } = await sql<{ workspace_id: string; invitation_id: string }>`
    select * from door.invitation(${sha256(token)})`.execute(db);
  const row = rows[0];
  return row && { workspaceId: row.workspace_id, invitationId: row.invitation_id };
}

export async function hasOwner(db: Database): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`select door.has_owner() as has`.execute(db);
  return rows[0]!.has;
}

// ---------------------------------------------------------------- users (role auth)

export type UserRow = { id: string; name: string; email: string };

/** Names for screens. Only ids that were found as members of a workspace are asked for. */
export async function usersById(auth: pg.Pool, ids: readonly string[]): Promise<Map<string, UserRow>> {
  if (ids.length === 0) return new Map();
  const { rows } = await auth.query<UserRow>('select id, name, email from "user" where id = any($1)', [[...ids]]);
  return new Map(rows.map((row) => [row.id, row]));
}

export async function userByEmail(auth: pg.Pool, email: string): Promise<UserRow | undefined> {
  const { rows } = await auth.query<UserRow>('select id, name, email from "user" where lower(email) = lower($1)', [
    email,
  ]);
  return rows[0];
}

// ---------------------------------------------------------------- workspaces and members

/** A workspace and its first member, in one transaction. */
export async function createWorkspace(db: Database, name: string, ownerId: string): Promise<string> {
  const { rows } = await sql<{ id: string }>`select gen_random_uuid() as id`.execute(db);
  const id = rows[0]!.id;
  await inWorkspace(db, id, async (tx) => {
    await tx.insertInto('workspace').values({ id, name }).execute();
    await tx.insertInto('member').values({ user_id: ownerId, role: 'owner', brands: null }).execute();
    await audit(tx, ownerId, 'workspace.create', { name });
  });
  return id;
}

export async function workspaceName(tx: WorkspaceTx): Promise<string | undefined> {
  return (await tx.selectFrom('workspace').select('name').executeTakeFirst())?.name;
}

export async function renameWorkspace(tx: WorkspaceTx, name: string): Promise<void> {
  await tx.updateTable('workspace').set({ name }).execute();
}

export type Membership = { userId: string; role: MemberRole; brands: string[] | null };

/** Undefined where the user is no member here. `brands` null means all. */
export async function membershipOf(tx: WorkspaceTx, userId: string): Promise<Membership | undefined> {
  const row = await tx
    .selectFrom('member')
    .select(['user_id', 'role', 'brands'])
    .where('user_id', '=', userId)
    .executeTakeFirst();
  return row && { userId: row.user_id, role: row.role as MemberRole, brands: row.brands };
}

export async function listMembers(tx: WorkspaceTx): Promise<(Membership & { since: string })[]> {
  const rows = await tx
    .selectFrom('member')
    .select(['user_id', 'role', 'brands', 'created_at'])
    .orderBy('created_at')
    .execute();
  return rows.map((row) => ({
    userId: row.user_id,
    role: row.role as MemberRole,
    brands: row.brands,
    since: row.created_at.toISOString(),
  }));
}

/** False where that would leave the workspace without an owner, or there is no such member. */
export async function changeMember(
  tx: WorkspaceTx,
  userId: string,
  change: { role: MemberRole; brands: string[] | null } | 'remove',
): Promise<boolean> {
  const owners = await tx.selectFrom('member').select('user_id').where('role', '=', 'owner').forUpdate().execute();
  const isLastOwner = owners.length === 1 && owners[0]!.user_id === userId;
  if (isLastOwner && (change === 'remove' || change.role !== 'owner')) return false;
  const { count } =
    change === 'remove'
      ? { count: (await tx.deleteFrom('member').where('user_id', '=', userId).executeTakeFirst()).numDeletedRows }
      : {
          count: (
            await tx
              .updateTable('member')
              .set({ role: change.role, brands: change.brands })
              .where('user_id', '=', userId)
              .executeTakeFirst()
          ).numUpdatedRows,
        };
  return count > 0n;
}

// ---------------------------------------------------------------- tokens

export async function createToken(
  tx: WorkspaceTx,
  token: { name: string; role: MemberRole; userId: string },
): Promise<{ id: string; token: string }> {
  const secret = newSecret('sb');
  const { id } = await tx
    .insertInto('api_token')
    .values({ name: token.name, sha256: sha256(secret), role: token.role, user_id: token.userId })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id, token: secret };
}

export async function listTokens(tx: WorkspaceTx) {
  const rows = await tx
    .selectFrom('api_token')
    .select(['id', 'name', 'role', 'user_id', 'created_at', 'last_used_at'])
    .where('revoked_at', 'is', null)
    .orderBy('created_at', 'desc')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    role: row.role as MemberRole,
    userId: row.user_id,
    createdAt: row.created_at.toISOString(),
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
  }));
}

export async function revokeToken(tx: WorkspaceTx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('api_token')
    .set({ revoked_at: new Date() })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** At most once a minute: a busy token is not a busy row. */
export async function touchToken(tx: WorkspaceTx, id: string): Promise<void> {
  await tx
    .updateTable('api_token')
    .set({ last_used_at: new Date() })
    .where('id', '=', id)
    .where(sql<boolean>`last_used_at is null or last_used_at < now() - interval '1 minute'`)
    .execute();
}

// ---------------------------------------------------------------- invitations

const INVITATION_DAYS = 14;

export async function createInvitation(
  tx: WorkspaceTx,
  invitation: { email: string; role: MemberRole; brands: string[] | null; by: string },
): Promise<{ id: string; token: string }> {
  const token = newSecret('sbi');
  const { id } = await tx
    .insertInto('invitation')
    .values({
      sha256: sha256(token),
      email: invitation.email,
      role: invitation.role,
      brands: invitation.brands,
      by_user: invitation.by,
      expires_at: new Date(Date.now() + INVITATION_DAYS * 86_400_000),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id, token };
}

export async function listInvitations(tx: WorkspaceTx) {
  const rows = await tx
    .selectFrom('invitation')
    .select(['id', 'email', 'role', 'brands', 'created_at', 'expires_at'])
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', new Date())
    .orderBy('created_at', 'desc')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    email: row.email,
    role: row.role as MemberRole,
    brands: row.brands,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  }));
}

export async function revokeInvitation(tx: WorkspaceTx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('invitation')
    .set({ revoked_at: new Date() })
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function getInvitation(
  tx: WorkspaceTx,
  id: string,
): Promise<{ email: string; role: MemberRole; brands: string[] | null } | undefined> {
  const row = await tx
    .selectFrom('invitation')
    .select(['email', 'role', 'brands'])
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  return row && { email: row.email, role: row.role as MemberRole, brands: row.brands };
}

/** Makes the user a member, once. An existing membership is kept as it is. */
export async function acceptInvitation(tx: WorkspaceTx, id: string, userId: string): Promise<boolean> {
  const invitation = await getInvitation(tx, id);
  if (!invitation) return false;
  await tx.updateTable('invitation').set({ accepted_at: new Date() }).where('id', '=', id).execute();
  await tx
    .insertInto('member')
    .values({ user_id: userId, role: invitation.role, brands: invitation.brands })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'user_id']).doNothing())
    .execute();
  return true;
}

// ---------------------------------------------------------------- keys of services

export async function listKeys(tx: WorkspaceTx) {
  const rows = await tx.selectFrom('service_key').select(['name', 'sealed', 'base_url', 'updated_at']).execute();
  return rows.map((row) => ({
    name: row.name as 'openai' | 'assemblyai',
    sealed: row.sealed,
    baseUrl: row.base_url,
    updatedAt: row.updated_at.toISOString(),
  }));
}

export async function setKey(
  tx: WorkspaceTx,
  key: { name: 'openai' | 'assemblyai'; sealed: string; baseUrl: string | null },
): Promise<void> {
  const row = { sealed: key.sealed, base_url: key.baseUrl, updated_at: new Date() };
  await tx
    .insertInto('service_key')
    .values({ name: key.name, ...row })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'name']).doUpdateSet(row))
    .execute();
}

export async function removeKey(tx: WorkspaceTx, name: string): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('service_key').where('name', '=', name).executeTakeFirst();
  return numDeletedRows > 0n;
}

// ---------------------------------------------------------------- the record

/** Adds one act to the workspace's chain. Names and ids only, no secrets and no payloads. */
export async function audit(tx: WorkspaceTx, by: string | null, act: string, about: object): Promise<void> {
  await sql`select audit_add(${by}, ${act}, ${JSON.stringify(about)}::jsonb)`.execute(tx);
}
