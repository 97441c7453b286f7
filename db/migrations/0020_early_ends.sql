-- A run may be ended by one of its own steps: a settled step row that carries `stop` ends it in the same commit.

-- Ends a running run before its time: nothing of it is claimed, held or waited for any more. The caller holds its lock.
create function ledger_end(of_run uuid, end_state text, why text) returns int
  language plpgsql volatile
as $$
declare
  given_up jsonb;
  left_out int;
begin
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
  perform pg_notify('spliceboard_cancel', of_run::text);
  return left_out;
end $$;

create or replace function ledger_cancel(of_run uuid, why text) returns boolean
  language plpgsql volatile
as $$
begin
  perform from run where id = of_run and state = 'running' for update;
  if not found then
    return false;
  end if;
  perform ledger_end(of_run, 'cancelled', why);
  return true;
end $$;

-- As in 0005, and: the first settled step with `stop` (the reason in words) ends the run as stopped. What that spared is
-- a fact of that step: strands that had not settled, and nodes that had not begun.
create or replace function ledger_settle(
  workspace uuid, held bigint, holder uuid, held_token int, steps jsonb, tokens jsonb, made jsonb, troubles int,
  go_on int, chain boolean, known uuid[]
) returns jsonb
  language plpgsql volatile
as $$
declare
  r record;
  due jsonb;
  fresh jsonb;
  lane text;
  chained jsonb;
  added int := 0;
  still int;
  stopping jsonb;
  spared int;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  select run.id, run.state, run.plan -> 'nodes' as nodes into r
    from run where run.id = (select s.run_id from strand s where s.id = held) for update;
  if r.id is null or r.state <> 'running' then
    return null;
  end if;
  perform from strand s where s.id = held and s.worker = holder and s.token = held_token and s.state = 'leased' for update;
  if not found then
    return null;
  end if;

  perform ledger_write_steps(r.id, steps);
  select x into stopping from jsonb_array_elements(steps) x where x ->> 'stop' is not null limit 1;
  if stopping is not null then
    delete from strand where id = held;
    perform ledger_close_keys(held, made, true);
    update run set troubles = run.troubles + ledger_settle.troubles where id = r.id;
    select count(*) into spared from jsonb_object_keys(r.nodes) n where not exists (select from step s where s.run_id = r.id and s.node = n)
       and not exists (select from strand s where s.run_id = r.id and s.node = n);
    spared := spared + ledger_end(r.id, 'stopped', stopping ->> 'stop');
    update step set facts = facts || jsonb_build_array(jsonb_build_object('name', 'spared', 'value', spared || ' steps left out'))
     where run_id = r.id and node = stopping ->> 'node' and path = array(select jsonb_array_elements_text(stopping -> 'path')::int);
    return jsonb_build_object('ended', true, 'lanes', '{}'::jsonb, 'chained', null);
  end if;

  due := ledger_arrive(r.id, r.nodes, tokens);
  if go_on is null then
    delete from strand where id = held;
  else
    update strand set lo = go_on, attempts = 1 where id = held;
  end if;
  if ledger_close_keys(held, made, go_on is null) then
    perform door.wake('light'), door.wake('media');
  end if;

  fresh := ledger_add_strands(r.id, due);
  select coalesce(sum(value::int), 0) into added from jsonb_each_text(fresh);
  if chain and go_on is null and added = 1 and fresh ? 'light' then
    with taken as (
      update strand s set state = 'leased', worker = holder, token = 1, attempts = 1, leased_at = clock_timestamp(), began_at = clock_timestamp()
       where s.run_id = r.id and s.node = due -> 0 ->> 'node' and s.state = 'ready'
         and s.id = (select max(n.id) from strand n where n.run_id = r.id and n.node = due -> 0 ->> 'node')
      returning s.id)
    select ledger_load(taken.id, known) into chained from taken;
    -- the update is not visible to the load of the same statement
    if chained is not null then
      chained := jsonb_set(jsonb_set(chained, '{strand,token}', '1'), '{strand,attempts}', '1');
      chained := jsonb_set(chained, '{strand,beganAt}', to_jsonb(clock_timestamp()));
    end if;
  else
    for lane in select jsonb_object_keys(fresh) loop
      perform door.wake(lane);
    end loop;
  end if;

  update run
     set open = run.open + added - case when go_on is null then 1 else 0 end, troubles = run.troubles + ledger_settle.troubles
   where id = r.id
  returning run.open into still;
  if still = 0 then
    update run set state = case when run.troubles > 0 then 'problems' else 'succeeded' end, ended_at = clock_timestamp()
     where id = r.id;
  end if;
  return jsonb_build_object('ended', still = 0, 'lanes', fresh, 'chained', chained);
end $$;

grant execute on function ledger_end(uuid, text, text) to app;
