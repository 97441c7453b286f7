-- Plugins that a workspace has put in: what was packed, which node types are in it, and what each may do.
--
--   plugin_package  one packed file, never changed: checking → ready | refused. What runs is read from here
--   plugin_type     a node type in a ready package; `behaviour` (sha-256 of its manifest and script) is what versions and runs are
--                   pinned to
--   plugin          which package of a name is in use now; `previous` is what an upgrade can go back to. `revision` moves
--                   with each change of what it may do, so that workers notice
--   plugin_grant    one right (runtime/graph/rights.ts) that a person allowed, until it is taken back
--   plugin_use      what a plugin did, by right and day
--   plugin_trial    what one in the making did, execution by execution

create table plugin_package (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  digest text not null check (digest ~ '^[0-9a-f]{64}$'),
  name text not null,
  version text not null,
  -- { kind: file } | { kind: folder } | { kind: npm, registry, integrity }
  source jsonb not null,
  file text not null,
  state text not null default 'checking' check (state in ('checking', 'ready', 'refused')),
  -- { code, message, hint, retry } where refused
  error jsonb,
  by_user text,
  created_at timestamptz not null default now(),
  primary key (workspace_id, digest)
);

create table plugin_type (
  workspace_id uuid not null default app_workspace_id(),
  digest text not null,
  type text not null,
  version text not null,
  behaviour text not null,
  -- which of the package's nodes
  place int not null,
  -- json, not jsonb: ports and settings are shown in the order of their author
  manifest json not null,
  primary key (workspace_id, digest, type),
  foreign key (workspace_id, digest) references plugin_package (workspace_id, digest) on delete cascade
);
create index plugin_type_pinned on plugin_type (workspace_id, type, behaviour);

create table plugin (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  name text not null,
  digest text not null,
  previous text,
  state text not null default 'on' check (state in ('on', 'deprecated', 'removed')),
  -- why it should not be used any more
  note text,
  -- re-packed while its author works on it: no questions are asked for what it had already
  is_dev boolean not null default false,
  revision bigint not null default 1,
  by_user text,
  installed_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  primary key (workspace_id, name),
  foreign key (workspace_id, digest) references plugin_package (workspace_id, digest),
  foreign key (workspace_id, previous) references plugin_package (workspace_id, digest)
);

create table plugin_grant (
  workspace_id uuid not null default app_workspace_id(),
  plugin text not null,
  right_id text not null,
  granted_by text,
  granted_at timestamptz not null default now(),
  revoked_by text,
  revoked_at timestamptz,
  primary key (workspace_id, plugin, right_id),
  foreign key (workspace_id, plugin) references plugin (workspace_id, name) on delete cascade
);

create table plugin_use (
  workspace_id uuid not null default app_workspace_id(),
  plugin text not null,
  day date not null,
  right_id text not null,
  calls bigint not null default 0,
  refused bigint not null default 0,
  sent_bytes bigint not null default 0,
  received_bytes bigint not null default 0,
  primary key (workspace_id, plugin, day, right_id),
  foreign key (workspace_id, plugin) references plugin (workspace_id, name) on delete cascade
);

create table plugin_trial (
  workspace_id uuid not null default app_workspace_id(),
  id bigint generated always as identity,
  plugin text not null,
  run_id uuid not null,
  type text not null,
  step text not null,
  entry text not null,
  attempt int not null,
  items int not null,
  began_at timestamptz not null,
  ms float8 not null,
  cpu_ms float8,
  heap_bytes bigint,
  -- json, not jsonb: a node may write characters that jsonb does not hold
  error json,
  -- [{ at, kind: 'log', line } | { at, kind: 'call', what, ms, sentBytes, receivedBytes, status, code, request, reply }]
  said json not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, plugin) references plugin (workspace_id, name) on delete cascade,
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade
);
create index plugin_trial_newest on plugin_trial (workspace_id, plugin, id);
create index plugin_trial_run on plugin_trial (workspace_id, run_id);

-- Where plugins are fetched from by name; its token is sealed.
create table plugin_registry (
  workspace_id uuid primary key default app_workspace_id() references workspace (id) on delete cascade,
  url text not null,
  sealed text,
  updated_at timestamptz not null default now()
);

-- What putting a package in use would change in a draft: worked out when it is checked, read by a person, done with the upgrade
-- and undone with going back.
create table plugin_carry (
  workspace_id uuid not null default app_workspace_id(),
  digest text not null,
  pipeline_id uuid not null,
  -- of the draft that it was worked out for
  revision int not null,
  operations jsonb not null,
  inverse jsonb not null,
  -- [{ node, name, from, to, fields: [{ field, was, is }], problem }]
  review jsonb not null,
  -- of the draft once it was done
  done_revision int,
  primary key (workspace_id, digest, pipeline_id),
  foreign key (workspace_id, digest) references plugin_package (workspace_id, digest) on delete cascade,
  foreign key (workspace_id, pipeline_id) references pipeline (workspace_id, id) on delete cascade
);

do $$
declare
  t text;
begin
  foreach t in array array['plugin_package', 'plugin_type', 'plugin', 'plugin_grant', 'plugin_use', 'plugin_trial', 'plugin_carry', 'plugin_registry'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
    execute format('grant select, insert, update, delete on %I to app', t);
  end loop;
end $$;

-- kind `plugin`: { digest } → a package is checked; { npm: { name, version } } → it is fetched first, and `result` has its digest.
alter table errand add column result jsonb;
alter table errand drop constraint errand_kind_check;
alter table errand add constraint errand_kind_check check (kind in ('inspect', 'plugin'));
grant select (kind) on errand to router;

grant create on schema door to router;
set local role router; -- whose these are
-- Of these kinds, the oldest that waits, or whose holder is gone. A worker of before knows inspections only.
create function door.take_errand(kinds text[]) returns table (workspace_id uuid, errand_id uuid, attempt int)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  update errand e
     set state = 'running', attempts = e.attempts + 1, touched_at = clock_timestamp()
    from (select c.workspace_id, c.id from errand c
           where c.kind = any (kinds)
             and (c.state = 'queued'
                  or (c.state = 'running'
                      and coalesce(c.touched_at, c.created_at + interval '20 minutes') < clock_timestamp() - interval '5 seconds'))
           order by c.created_at
           limit 1
             for update skip locked) chosen
   where e.workspace_id = chosen.workspace_id and e.id = chosen.id
  returning e.workspace_id, e.id, e.attempts
$$;
create or replace function door.take_errand() returns table (workspace_id uuid, errand_id uuid, attempt int)
  language sql volatile security definer set search_path = public, pg_temp
as $$ select * from door.take_errand(array['inspect']) $$;
grant execute on function door.take_errand(text[]) to app;
reset role;
revoke create on schema door from router;
