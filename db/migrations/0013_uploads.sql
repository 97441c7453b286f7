-- Uploads under way. The bytes lie in the data folder under the same id; an upload belongs to a user and a workspace.
create table upload (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  id text not null check (id ~ '^[0-9a-f]{32}$'),
  user_id text not null,
  name text not null,
  bytes bigint not null check (bytes >= 0),
  -- the finished asset: finishing twice gives it again
  asset text,
  created_at timestamptz not null default now(),
  primary key (workspace_id, id)
);
create unique index upload_by_id on upload (id);
alter table upload enable row level security;
alter table upload force row level security;
create policy upload_in_workspace on upload
  using (workspace_id = (select app_workspace_id()))
  with check (workspace_id = (select app_workspace_id()));
grant select, insert, update, delete on upload to app;
create policy upload_for_routing on upload for select to router using (true);
grant select (workspace_id, id, user_id) on upload to router;

-- Which workspace and user an upload's id belongs to.
create function door.upload(wanted text) returns table (workspace_id uuid, user_id text)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select u.workspace_id, u.user_id from upload u where u.id = wanted
$$;
grant execute on function door.upload(text) to app;
grant create on schema door to router;
alter function door.upload(text) owner to router;
revoke create on schema door from router;
