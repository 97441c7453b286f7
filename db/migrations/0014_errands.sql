-- Errands: what a workspace asks a worker to do outside of runs, and the waves that come of it.

-- kind `inspect`: { asset } → facts and wave of a recording.
create table errand (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  kind text not null check (kind in ('inspect')),
  input jsonb not null,
  state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed')),
  error jsonb,
  by_user text,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (workspace_id, id)
);
create index errand_newest on errand (workspace_id, kind, created_at desc);

-- The envelope of a recording's sound in [0, 1], for drawing.
create table asset_wave (
  workspace_id uuid not null default app_workspace_id(),
  sha256 text not null,
  peaks real[] not null,
  primary key (workspace_id, sha256),
  foreign key (workspace_id, sha256) references asset (workspace_id, sha256) on delete cascade
);

do $$
declare
  t text;
begin
  foreach t in array array['errand', 'asset_wave'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
    execute format('grant select, insert, update, delete on %I to app', t);
  end loop;
end $$;

-- Queues an errand: ids only, the rest is read inside its workspace. As the queue's owner, like door.wake.
create function door.send_errand(workspace uuid, errand uuid) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform graphile_worker.add_job('errand', json_build_object('workspaceId', workspace, 'errandId', errand), max_attempts := 3);
end
$$;
grant execute on function door.send_errand(uuid, uuid) to app;
