-- Pipelines: one draft, saved as operations on a numbered revision, and any number of published, immutable versions.

create table pipeline (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  name text not null check (length(name) between 1 and 120),
  description text not null default '',
  -- the draft after operation `revision`
  draft jsonb not null,
  revision int not null default 0,
  published_version int,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  removed_at timestamptz,
  unique (workspace_id, id)
);

-- What led from revision - 1 to revision: for rebasing what another tab sends late, and for the history.
create table pipeline_operation (
  workspace_id uuid not null default app_workspace_id(),
  pipeline_id uuid not null,
  revision int not null check (revision > 0),
  operations jsonb not null,
  by_user text,
  client_id text not null,
  at timestamptz not null default now(),
  primary key (pipeline_id, revision),
  foreign key (workspace_id, pipeline_id) references pipeline (workspace_id, id) on delete cascade
);

create table pipeline_version (
  workspace_id uuid not null default app_workspace_id(),
  pipeline_id uuid not null,
  number int not null check (number > 0),
  graph jsonb not null,
  -- node type → behaviour digest at the time
  pins jsonb not null,
  by_user text,
  note text,
  published_at timestamptz not null default now(),
  primary key (pipeline_id, number),
  foreign key (workspace_id, pipeline_id) references pipeline (workspace_id, id) on delete cascade
);

do $$
declare
  t text;
begin
  foreach t in array array['pipeline', 'pipeline_operation', 'pipeline_version'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
  end loop;
end $$;
grant select, insert, update, delete on pipeline to app;
grant select, insert on pipeline_operation, pipeline_version to app; -- what was saved or published stays as it was
