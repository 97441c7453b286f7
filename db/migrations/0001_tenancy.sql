-- Workspaces, their brands and members; who may see which rows.
--
-- Every tenant table has workspace_id, a composite key (workspace_id, id), and row-level security that is forced, so
-- that the owner of the tables is bound too. `app` works inside one workspace at a time. `router` reads the few columns
-- by which something is found before its workspace is known, in functions of the schema `door`, and nothing else.

revoke create on schema public from public;
grant usage on schema public to app, router, metrics;

create schema door;
grant usage on schema door to app, router;
create schema auth;
grant usage on schema auth to auth;
alter default privileges in schema auth grant select, insert, update, delete on tables to auth;
alter default privileges in schema auth grant usage, select on sequences to auth;
alter default privileges revoke execute on functions from public;

-- The workspace of this transaction; null (so: no rows) where none is set.
create function app_workspace_id() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.workspace_id', true), '')::uuid;
grant execute on function app_workspace_id() to public;

create table workspace (
  id uuid primary key default gen_random_uuid(),
  name text not null check (length(name) between 1 and 120),
  created_at timestamptz not null default now()
);
alter table workspace enable row level security;
alter table workspace force row level security;
create policy workspace_is_current on workspace
  using (id = (select app_workspace_id()))
  with check (id = (select app_workspace_id()));
grant select, insert, update, delete on workspace to app;

create table brand (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  name text not null check (length(name) between 1 and 120),
  -- the brand's public page is /b/<slug>, for all workspaces of this installation
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,59}$'),
  kit jsonb not null,
  time_zone text not null default 'UTC',
  created_at timestamptz not null default now(),
  removed_at timestamptz,
  unique (workspace_id, id)
);
alter table brand enable row level security;
alter table brand force row level security;
create policy brand_in_workspace on brand
  using (workspace_id = (select app_workspace_id()))
  with check (workspace_id = (select app_workspace_id()));
create policy brand_for_routing on brand for select to router using (true);
grant select, insert, update, delete on brand to app;
grant select (id, workspace_id, slug, removed_at) on brand to router;

create table member (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  -- a user of the schema `auth`; users are global, membership is ours
  user_id text not null check (length(user_id) between 1 and 100),
  role text not null check (role in ('owner', 'admin', 'editor', 'analyst', 'sponsor-viewer')),
  -- null: all brands
  brands uuid[],
  created_at timestamptz not null default now(),
  primary key (workspace_id, user_id)
);
create index member_user on member (user_id);
alter table member enable row level security;
alter table member force row level security;
create policy member_in_workspace on member
  using (workspace_id = (select app_workspace_id()))
  with check (workspace_id = (select app_workspace_id()));
create policy member_for_routing on member for select to router using (true);
grant select, insert, update, delete on member to app;
grant select (workspace_id, user_id, role, created_at) on member to router;

-- The workspaces of a signed-in user, oldest first. Ids only: what they contain is read inside each workspace.
create function door.workspaces_of(member_user text) returns table (workspace_id uuid, role text)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select m.workspace_id, m.role from member m where m.user_id = member_user order by m.created_at, m.workspace_id
$$;

-- Which brand a public page belongs to.
create function door.brand_of_slug(wanted text) returns table (workspace_id uuid, brand_id uuid)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select b.workspace_id, b.id from brand b where b.slug = wanted and b.removed_at is null
$$;

grant execute on function door.workspaces_of(text), door.brand_of_slug(text) to app;
grant create on schema door to router;
alter function door.workspaces_of(text) owner to router;
alter function door.brand_of_slug(text) owner to router;
revoke create on schema door from router;
