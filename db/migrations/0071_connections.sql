-- Accounts of brands at services that plugins connect to, and what was published there.
--
--   connection      one account. `plugin` says whose secrets these are: only its node types use them; null: the product's own.
--                   `sealed` holds tokens or keys; `renewing_until` is held by who renews them, one at a time. ready → reconnect
--                   where the service refuses them → ready; removed for good, its secrets gone
--   connecting      an attempt: made, the person is sent to the service, they come back with the state whose sha-256 this is
--   platform_app    the client of a service at a server, of a whole workspace
--   platform_post   what was published, with its figures
--   platform_event  a webhook that came, once
--   quota_use       units taken since `starts_at`

create table connection (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  brand_id uuid not null,
  plugin text,
  platform text not null check (length(platform) between 1 and 40),
  title text not null,
  server text not null check (length(server) between 1 and 300),
  account text not null,
  name text not null,
  url text,
  scopes text[] not null default '{}',
  state text not null default 'ready' check (state in ('ready', 'reconnect', 'removed')),
  -- { code, message, hint, retry } where it has to be connected anew
  error jsonb,
  sealed text,
  expires_at timestamptz,
  renewing_until timestamptz,
  -- how often its secrets were replaced: whoever was refused with older ones tries again with these
  revision int not null default 1,
  hook_sha256 text unique,
  hook_sealed text,
  by_user text,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  unique (workspace_id, id),
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade,
  check ((state = 'removed') = (sealed is null))
);
create unique index connection_once on connection (workspace_id, brand_id, coalesce(plugin, ''), platform, server, account)
  where state <> 'removed';

create table connecting (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  brand_id uuid not null,
  type text not null,
  server text not null,
  state_sha256 text unique,
  -- the state, the verifier of PKCE, keys that a person pasted, the code they came back with: sealed
  sealed text,
  redirect_uri text not null,
  stage text not null default 'begun' check (stage in ('begun', 'away', 'back', 'done', 'failed')),
  -- where the person is sent
  url text,
  error jsonb,
  connection_id uuid,
  by_user text not null,
  created_at timestamptz not null default now(),
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade,
  foreign key (workspace_id, connection_id) references connection (workspace_id, id) on delete cascade
);

create table platform_app (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  plugin text not null default '',
  platform text not null,
  server text not null,
  -- it was registered for
  redirect_uri text not null default '',
  client_id text not null,
  sealed text not null,
  by_user text,
  created_at timestamptz not null default now(),
  primary key (workspace_id, plugin, platform, server, redirect_uri)
);

create table platform_post (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  brand_id uuid not null,
  connection_id uuid not null,
  run_id uuid,
  node text not null,
  type text not null,
  post_id text not null,
  -- as it travels on wires
  post jsonb not null,
  state text not null default 'live' check (state in ('live', 'removing', 'removed')),
  note text,
  error jsonb,
  metrics jsonb,
  metrics_at timestamptz,
  created_at timestamptz not null default now(),
  unique (workspace_id, connection_id, post_id),
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade,
  foreign key (workspace_id, connection_id) references connection (workspace_id, id) on delete cascade
);
create index platform_post_newest on platform_post (workspace_id, brand_id, created_at desc);

create table platform_event (
  workspace_id uuid not null default app_workspace_id(),
  connection_id uuid not null,
  -- the service's own name for it
  event text not null,
  headers jsonb not null,
  -- json, not jsonb: it may hold characters that jsonb does not
  body json,
  state text not null default 'waiting' check (state in ('waiting', 'read', 'failed')),
  error jsonb,
  received_at timestamptz not null default now(),
  primary key (workspace_id, connection_id, event),
  foreign key (workspace_id, connection_id) references connection (workspace_id, id) on delete cascade
);

create table quota_use (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  -- an account, or an app
  of text not null,
  name text not null,
  starts_at timestamptz not null,
  used bigint not null check (used >= 0),
  primary key (workspace_id, of, name, starts_at)
);

do $$
declare
  t text;
begin
  foreach t in array array['connection', 'connecting', 'platform_app', 'platform_post', 'platform_event', 'quota_use'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
    execute format('grant select, insert, update, delete on %I to app', t);
  end loop;
end $$;

-- kind `connection`: what a worker does with an account (runtime/connections/errand.ts).
alter table errand drop constraint errand_kind_check;
alter table errand add constraint errand_kind_check check (kind in ('inspect', 'plugin', 'connection'));

create policy connection_for_routing on connection to router using (true);
grant select (workspace_id, id, hook_sha256, state) on connection to router;
create policy connecting_for_routing on connecting to router using (true);
grant select (workspace_id, id, state_sha256, stage, created_at) on connecting to router;

grant create on schema door to router;
set local role router; -- whose these are
-- The account whose webhooks come to this address.
create function door.connection_hook(sha256 text) returns table (workspace_id uuid, connection_id uuid)
  language sql stable security definer set search_path = public, pg_temp
as $$ select c.workspace_id, c.id from connection c where c.hook_sha256 = sha256 and c.state <> 'removed' $$;
-- The attempt that somebody comes back from, within the hour.
create function door.connecting(sha256 text) returns table (workspace_id uuid, connecting_id uuid)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select c.workspace_id, c.id from connecting c
   where c.state_sha256 = sha256 and c.stage = 'away' and c.created_at > now() - interval '1 hour'
$$;
grant execute on function door.connection_hook(text), door.connecting(text) to app;
reset role;
revoke create on schema door from router;
