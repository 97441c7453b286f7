-- What is to be taken is chosen once. As a subquery of the update, the limited choice could be the inner side of a nested
-- loop (PostgreSQL plans it so where it believes the table to be empty): then it was made again for each row outside, and
-- each time it chose the next, so that more was taken than was asked for. A common table expression that locks rows is
-- evaluated once, whatever the plan.

grant create on schema door to router;
set local role router; -- whose these are

create or replace function door.claim(wanted text, claimer uuid, most int) returns table (strand_id bigint, workspace_id uuid)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  with chosen as materialized (
    select c.id from strand c
     where c.lane = wanted and c.state in ('ready', 'waiting') and c.not_before <= clock_timestamp()
       and exists (select from worker w where w.id = claimer)
     order by c.fair_at
     limit most
       for update skip locked)
  update strand s
     set state = 'leased', worker = claimer, token = s.token + 1, attempts = s.attempts + 1, waits_for = null,
         reason = null, progress = null, note = null, leased_at = clock_timestamp(),
         began_at = coalesce(s.began_at, clock_timestamp())
    from chosen
   where s.id = chosen.id
  returning s.id, s.workspace_id
$$;

create or replace function door.take_errand() returns table (workspace_id uuid, errand_id uuid, attempt int)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  with chosen as materialized (
    select c.workspace_id, c.id from errand c
     where c.state = 'queued'
        or (c.state = 'running'
            and coalesce(c.touched_at, c.created_at + interval '20 minutes') < clock_timestamp() - interval '5 seconds')
     order by c.created_at
     limit 1
       for update skip locked)
  update errand e
     set state = 'running', attempts = e.attempts + 1, touched_at = clock_timestamp()
    from chosen
   where e.workspace_id = chosen.workspace_id and e.id = chosen.id
  returning e.workspace_id, e.id, e.attempts
$$;

create or replace function door.due_feed(now timestamptz, looker uuid) returns table (workspace_id uuid, trigger_id uuid)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  with chosen as materialized (
    select c.id from pipeline_trigger c
     where c.is_on and c.kind = 'feed' and c.next_at <= now
       and (c.held_until is null or c.held_until < clock_timestamp())
     order by c.next_at
     limit 1
       for update skip locked)
  update pipeline_trigger t set held_by = looker, held_until = clock_timestamp() + interval '2 minutes'
    from chosen
   where t.id = chosen.id
  returning t.workspace_id, t.id
$$;

reset role;
revoke create on schema door from router;
