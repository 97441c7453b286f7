-- Runs that a step of another run has started. The calling step sleeps meanwhile; it is woken by the end of the child, in the same
-- commit. There is one child for each calling step, whatever is tried again: it goes on, as a run of its own would.
alter table run
  add column parent_run uuid,
  add column parent_node text,
  add column parent_path int[],
  add constraint run_parent foreign key (workspace_id, parent_run) references run (workspace_id, id) on delete set null (parent_run)
    deferrable initially deferred; -- a backup's rows come in any order
create unique index run_child on run (parent_run, parent_node, parent_path) where parent_run is not null;

create function run_left() returns trigger language plpgsql as $$
declare
  caller record;
begin
  update strand s set state = 'ready', not_before = '-infinity', fair_at = clock_timestamp(), reason = null
   where s.run_id = new.parent_run and s.node = new.parent_node and s.state = 'waiting'
     and case when s.lo is null then s.prefix else s.prefix || s.lo end = new.parent_path and s.lo is not distinct from s.hi
  returning s.lane into caller;
  if found then
    perform door.wake(caller.lane);
  end if;
  return null;
end $$;
create trigger run_left after update of state on run for each row
  when (old.state = 'running' and new.state <> 'running' and new.parent_run is not null) execute function run_left();

-- As in 0020, and: what it has called ends with it. Lock order: a run, its children, then strands.
create or replace function ledger_end(of_run uuid, end_state text, why text) returns int
  language plpgsql volatile
as $$
declare
  given_up jsonb;
  left_out int;
  child record;
begin
  perform from run where parent_run = of_run and state = 'running' order by id for update;
  with gone as (delete from reuse where run_id = of_run and state = 'making' returning key)
  select coalesce(jsonb_agg(key), '[]') into given_up from gone;
  with ended as (
    insert into step (run_id, node, path, state, reason, began_at, ended_at)
    select s.run_id, s.node, case when s.lo is null then s.prefix else s.prefix || i end, 'cancelled', why, s.began_at, clock_timestamp()
      from strand s left join lateral generate_series(s.lo, s.hi) i on s.lo is not null
     where s.run_id = of_run
    on conflict (run_id, node, path) do update set state = 'cancelled', reason = why, ended_at = clock_timestamp()
     where step.state = 'running'
    returning 1)
  select count(*) into left_out from ended;
  delete from strand where run_id = of_run;
  update strand set state = 'ready', waits_for = null, not_before = '-infinity', reason = null
   where workspace_id = app_workspace_id() and waits_for in (select jsonb_array_elements_text(given_up));
  if found then
    perform door.wake('light'), door.wake('media');
  end if;
  update run set state = end_state, open = 0, ended_at = clock_timestamp() where id = of_run;
  for child in
    select c.id, format('Run %s, which called this, was %s.', p.number, case end_state when 'cancelled' then 'cancelled' else 'ended' end) as why
      from run c join run p on p.id = c.parent_run where c.parent_run = of_run and c.state = 'running' order by c.id
  loop
    perform ledger_end(child.id, 'cancelled', child.why);
  end loop;
  perform pg_notify('spliceboard_cancel', of_run::text);
  return left_out;
end $$;

-- The caller goes to sleep until its child has ended. False: it has ended already, or the lease is lost.
-- Lock order: the caller's run, the child, the strand.
create function ledger_await_child(of_run uuid, child uuid, held bigint, holder uuid, held_token int, why text) returns boolean
  language plpgsql volatile
as $$
begin
  perform from run where id = of_run for key share;
  perform from run where id = child and state = 'running' for share;
  if not found then
    return false;
  end if;
  update strand s
     set state = 'waiting', worker = null, not_before = 'infinity', fair_at = clock_timestamp(), reason = why,
         attempts = s.attempts - 1, progress = null, note = null
   where s.id = held and s.worker = holder and s.token = held_token and s.state = 'leased';
  return found;
end $$;
grant execute on function ledger_await_child(uuid, uuid, bigint, uuid, int, text) to app;
