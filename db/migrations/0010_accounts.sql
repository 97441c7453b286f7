-- Sign-in (schema `auth`, better-auth's own tables), API tokens, invitations, keys of outside services, the record of
-- what people did, and the catalogue of node types that workers found.

-- better-auth 1.7, emailAndPassword; a test asserts that its own migrations want nothing more.
create table auth."user" (
  "id" text not null primary key, "name" text not null, "email" text not null unique, "emailVerified" boolean not null,
  "image" text, "createdAt" timestamptz default current_timestamp not null, "updatedAt" timestamptz default current_timestamp not null
);
create table auth."session" (
  "id" text not null primary key, "expiresAt" timestamptz not null, "token" text not null unique,
  "createdAt" timestamptz default current_timestamp not null, "updatedAt" timestamptz not null, "ipAddress" text, "userAgent" text,
  "userId" text not null references auth."user" ("id") on delete cascade
);
create table auth."account" (
  "id" text not null primary key, "accountId" text not null, "providerId" text not null,
  "userId" text not null references auth."user" ("id") on delete cascade, "accessToken" text, "refreshToken" text, "idToken" text,
  "accessTokenExpiresAt" timestamptz, "refreshTokenExpiresAt" timestamptz, "scope" text, "password" text,
  "createdAt" timestamptz default current_timestamp not null, "updatedAt" timestamptz not null
);
create table auth."verification" (
  "id" text not null primary key, "identifier" text not null, "value" text not null, "expiresAt" timestamptz not null,
  "createdAt" timestamptz default current_timestamp not null, "updatedAt" timestamptz default current_timestamp not null
);
create table auth."rateLimit" ("id" text not null primary key, "key" text not null unique, "count" integer not null, "lastRequest" bigint not null);
create index "session_userId_idx" on auth."session" ("userId");
create index "account_userId_idx" on auth."account" ("userId");
create index "verification_identifier_idx" on auth."verification" ("identifier");

-- A token is stored as its sha-256. It acts as its maker, with at most its own role.
create table api_token (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  name text not null check (length(name) between 1 and 80),
  sha256 text not null unique,
  role text not null check (role in ('owner', 'admin', 'editor', 'analyst', 'sponsor-viewer')),
  user_id text not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz,
  primary key (workspace_id, id)
);

create table invitation (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  sha256 text not null unique,
  email text not null check (length(email) between 3 and 320),
  role text not null check (role in ('admin', 'editor', 'analyst', 'sponsor-viewer')),
  brands uuid[],
  by_user text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz,
  primary key (workspace_id, id)
);

-- Keys of outside services, sealed with workspace and name as associated data.
create table service_key (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  name text not null check (name in ('openai', 'assemblyai')),
  sealed text not null,
  base_url text,
  updated_at timestamptz not null default now(),
  primary key (workspace_id, name)
);

-- What people did. Append-only; each row holds the digest of the one before it, in its own workspace.
create table audit (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  number bigint not null,
  at timestamptz not null default clock_timestamp(),
  by_user text,
  act text not null check (length(act) between 1 and 80),
  about jsonb not null,
  previous text not null,
  digest text not null,
  primary key (workspace_id, number)
);

create function audit_add(by_whom text, what text, details jsonb) returns void
  language plpgsql set search_path = public, pg_temp
as $$
declare
  before record;
  instant timestamptz := clock_timestamp();
  next_number bigint;
begin
  perform pg_advisory_xact_lock(7268414, hashtext(app_workspace_id()::text)); -- one writer per workspace
  select number, digest into before from audit order by number desc limit 1;
  next_number := coalesce(before.number, 0) + 1;
  insert into audit (number, at, by_user, act, about, previous, digest)
  values (next_number, instant, by_whom, what, details, coalesce(before.digest, ''),
          encode(sha256(convert_to(concat_ws('|', coalesce(before.digest, ''), app_workspace_id(), next_number,
                 extract(epoch from instant), coalesce(by_whom, ''), what, details::text), 'utf8')), 'hex'));
end
$$;
grant execute on function audit_add(text, text, jsonb) to app;

do $$
declare
  t text;
begin
  foreach t in array array['api_token', 'invitation', 'service_key', 'audit'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
  end loop;
end $$;
grant select, insert, update, delete on api_token, invitation, service_key to app;
grant select, insert on audit to app; -- never changed, never removed

create policy api_token_for_routing on api_token for select to router using (true);
grant select (workspace_id, id, sha256, role, user_id, revoked_at) on api_token to router;
create policy invitation_for_routing on invitation for select to router using (true);
grant select (workspace_id, id, sha256, expires_at, accepted_at, revoked_at) on invitation to router;

-- The token behind a digest, while it is not revoked.
create function door.api_token(wanted text) returns table (workspace_id uuid, token_id uuid, user_id text, role text)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select t.workspace_id, t.id, t.user_id, t.role from api_token t where t.sha256 = wanted and t.revoked_at is null
$$;
-- The invitation behind a digest, while it can be accepted.
create function door.invitation(wanted text) returns table (workspace_id uuid, invitation_id uuid)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select i.workspace_id, i.id from invitation i
   where i.sha256 = wanted and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()
$$;
-- Whether this installation has an owner: afterwards nobody signs up without an invitation.
create function door.has_owner() returns boolean
  language sql stable security definer set search_path = public, pg_temp
as $$
  select exists (select from member m where m.role = 'owner')
$$;
grant execute on function door.api_token(text), door.invitation(text), door.has_owner() to app;
grant create on schema door to router;
alter function door.api_token(text) owner to router;
alter function door.invitation(text) owner to router;
alter function door.has_owner() owner to router;
revoke create on schema door from router;

-- Node types as workers found them: manifest and digests, no code. Not a tenant's data.
create table node_type (
  id text primary key,
  version text not null,
  digest text not null,
  behaviour text not null,
  -- json, not jsonb: the order of ports and fields is the author's
  manifest json not null,
  seen_at timestamptz not null default now()
);
grant select, insert, update, delete on node_type to app;
