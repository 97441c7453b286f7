-- Who looks after the installation: an owner of the workspace that had an owner first. Others see figures of their own
-- workspaces only.
grant create on schema door to router;
set local role router;
create function door.is_operator(who text) returns boolean
  language sql stable security definer set search_path = public, pg_temp
as $$
  select exists (
    select from member m
     where m.user_id = who and m.role = 'owner'
       and m.workspace_id = (select o.workspace_id from member o where o.role = 'owner' order by o.created_at, o.workspace_id limit 1))
$$;
grant execute on function door.is_operator(text) to app;
reset role;
revoke create on schema door from router;
