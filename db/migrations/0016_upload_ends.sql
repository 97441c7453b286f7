-- Which uploads are still wanted, for whoever clears the folder of partial files: ids and times, no names.
grant select (created_at, asset) on upload to router;

create function door.uploads() returns table (workspace_id uuid, id text, created_at timestamptz, is_finished boolean)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select u.workspace_id, u.id, u.created_at, u.asset is not null from upload u
$$;
grant execute on function door.uploads() to app;
grant create on schema door to router;
alter function door.uploads() owner to router;
revoke create on schema door from router;
