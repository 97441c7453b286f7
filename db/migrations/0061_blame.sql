-- What a step is given up for. A worker that ends says little of the steps it held: each of them is laid only its share of
-- the death, and none where it was the database that ended. `deaths` is the sum of these shares; at three the step is given up
-- (runtime/step.ts). An attempt that its worker did not survive does not count as one of the node's.
alter table strand alter column deaths type real, alter column deaths set default 0;

grant create on schema door to router;
set local role router; -- whose it is

-- As in 0005, but for what it counts; and leases of workers that are not known any more are found too. A claim, or a step that
-- follows another, may be written in the moment in which its worker is taken for dead.
create or replace function door.reap() returns table (workspace_id uuid, run_id uuid, lane text)
  language plpgsql volatile security definer set search_path = public, pg_temp
as $$
declare
  -- those that ended by themselves: their last beat is younger than this start of the database
  blamed uuid[];
begin
  with dead as (
    select w.id from worker w
     where w.beat_at < clock_timestamp() - interval '4 seconds'
        or not exists (
          select from pg_locks l
           where l.locktype = 'advisory' and l.classid = 7268412 and l.objid = w.lock_id::oid and l.granted
             and l.database = (select oid from pg_database where datname = current_database()))
       for update skip locked),
  removed as (delete from worker w using dead where w.id = dead.id returning w.id, w.beat_at)
  select array_agg(r.id) into blamed from removed r where r.beat_at >= pg_postmaster_start_time();
  return query
    update strand s
       set state = 'ready', worker = null, attempts = greatest(0, s.attempts - 1),
           deaths = s.deaths + case when s.worker = any (coalesce(blamed, '{}')) then h.share else 0 end,
           fair_at = clock_timestamp(), not_before = '-infinity',
           reason = 'Its worker ended; going on.', progress = null, note = null
      -- whoever always has company is found out as well
      from (select o.worker, 1.0 / least(8, count(*)) as share
              from strand o
             where o.state = 'leased' and not exists (select from worker w where w.id = o.worker)
             group by o.worker) h
     where s.worker = h.worker
    returning s.workspace_id, s.run_id, s.lane;
end $$;

reset role;
revoke create on schema door from router;
