-- Several events of one workspace in one commit: what each waits for is the one before it, as numbers are given one by one, and that
-- waited for the disk. Each as in accept_event; gives back one answer for each, in their order.
create function accept_events(workspace uuid, triggers uuid[], versions int[], event_keys text[], guards text[], bodies bytea[], runs text[])
  returns setof jsonb
  language plpgsql volatile
as $$
begin
  for i in 1 .. cardinality(triggers) loop
    return next coalesce(
      accept_event(workspace, triggers[i], versions[i], event_keys[i], guards[i], bodies[i], runs[i]::jsonb), 'null'::jsonb);
  end loop;
end $$;
grant execute on function accept_events(uuid, uuid[], int[], text[], text[], bytea[], text[]) to app;
