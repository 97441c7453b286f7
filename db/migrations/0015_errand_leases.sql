-- An errand is held by who touched it within the last 5 s; a queue job only wakes whoever takes it. `attempts` is also
-- the fence: what an earlier holder writes is refused.
alter table errand add column attempts int not null default 0;
alter table errand add column touched_at timestamptz;
create index errand_open on errand (created_at) where state in ('queued', 'running');

create policy errand_for_routing on errand to router using (true) with check (true);
grant select (workspace_id, id, state, attempts, touched_at, created_at) on errand to router;
grant update (state, attempts, touched_at) on errand to router;

-- The oldest that waits, or whose holder is gone. One without a touch is of a version that did not know of it.
create function door.take_errand() returns table (workspace_id uuid, errand_id uuid, attempt int)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  update errand e
     set state = 'running', attempts = e.attempts + 1, touched_at = clock_timestamp()
    from (select c.workspace_id, c.id from errand c
           where c.state = 'queued'
              or (c.state = 'running'
                  and coalesce(c.touched_at, c.created_at + interval '20 minutes') < clock_timestamp() - interval '5 seconds')
           order by c.created_at
           limit 1
             for update skip locked) chosen
   where e.workspace_id = chosen.workspace_id and e.id = chosen.id
  returning e.workspace_id, e.id, e.attempts
$$;
grant execute on function door.take_errand() to app;
grant create on schema door to router;
alter function door.take_errand() owner to router;
revoke create on schema door from router;
