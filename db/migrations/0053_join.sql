-- A join may go on before all its branches have come (plan: nodes.<node>.early). It is due with the first arrival; the worker
-- sees which branches are not settled and lets it sleep until the next of them is, or until its time is over.

-- Wakes the strand of a join that sleeps.
create function ledger_wake_join(of_run uuid, of_node text, place int[]) returns void
  language plpgsql volatile
as $$
declare
  of_lane text;
begin
  update strand s set state = 'ready', not_before = '-infinity', fair_at = clock_timestamp(), reason = null
   where s.run_id = of_run and s.node = of_node and s.state = 'waiting'
     and case when s.lo is null then s.prefix = place else s.prefix || s.lo = place end
  returning s.lane into of_lane;
  if of_lane is not null then
    perform door.wake(of_lane);
  end if;
end $$;

-- As in 0005, and: joins that begin early. 1,000,000 is BEGUN of runtime/graph/advance.ts.
create or replace function ledger_arrive(of_run uuid, nodes jsonb, tokens jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  work jsonb[];
  token jsonb;
  at int := 1;
  due jsonb := '[]';
  place int[];
  depth int;
  needed int;
  arrived record;
begin
  -- gathers are set up before anything can count them down
  select array_agg(t order by (t ->> 'kind')) into work from jsonb_array_elements(tokens) t;
  while at <= coalesce(array_length(work, 1), 0) loop
    token := work[at];
    at := at + 1;
    if token ->> 'spread' is not null then
      -- one arrival is all that plain items wait for: no counters
      depth := jsonb_array_length(token -> 'path') + 1;
      if depth = jsonb_array_length(nodes -> (token ->> 'node') -> 'frame')
         and (nodes -> (token ->> 'node') -> 'needs' -> depth)::int = (token ->> 'count')::int then
        select due || coalesce(jsonb_agg(jsonb_build_object('node', token ->> 'node', 'path', (token -> 'path') || to_jsonb(i)) order by i), '[]')
          into due from generate_series(0, (token ->> 'spread')::int - 1) i;
      else
        work := work || array(
          select token || jsonb_build_object('spread', null, 'path', (token -> 'path') || to_jsonb(i))
            from generate_series(0, (token ->> 'spread')::int - 1) i);
      end if;
      continue;
    end if;
    place := array(select jsonb_array_elements_text(token -> 'path')::int);
    depth := cardinality(place);
    needed := case token ->> 'kind' when 'g' then coalesce((token ->> 'length')::int, 0)
                   else (nodes -> (token ->> 'node') -> 'needs' -> depth)::int end;
    if token ->> 'kind' = 's' and needed = (token ->> 'count')::int
       and depth = jsonb_array_length(nodes -> (token ->> 'node') -> 'frame') then
      due := due || jsonb_build_object('node', token ->> 'node', 'path', token -> 'path');
      continue;
    end if;
    insert into counter as c (run_id, kind, node, path, "left", length)
    values (of_run, token ->> 'kind', token ->> 'node', place, needed - (token ->> 'count')::int, (token ->> 'length')::int)
    on conflict (run_id, kind, node, path) do update
      set "left" = c."left" - (token ->> 'count')::int, length = coalesce(c.length, excluded.length)
    returning c."left", c.length into arrived;
    -- a join that does not wait for all begins with the first arrival, and is woken by those that follow
    if token ->> 'kind' = 's' and nodes -> (token ->> 'node') ? 'early' and depth = jsonb_array_length(nodes -> (token ->> 'node') -> 'frame') then
      if arrived."left" > -500000 then
        update counter c set "left" = c."left" - 1000000
         where c.run_id = of_run and c.kind = 's' and c.node = token ->> 'node' and c.path = place;
        due := due || jsonb_build_object('node', token ->> 'node', 'path', token -> 'path');
      else
        perform ledger_wake_join(of_run, token ->> 'node', place);
      end if;
      continue;
    end if;
    if arrived."left" <> 0 then
      continue;
    end if;
    if token ->> 'kind' = 'g' then
      work := work || array(
        select jsonb_build_object('kind', 's', 'node', g.node, 'path', token -> 'path', 'count', g.count, 'length', null, 'spread', null)
          from jsonb_to_recordset(nodes -> (token ->> 'node') -> 'gathers') as g (node text, count int));
    elsif depth = jsonb_array_length(nodes -> (token ->> 'node') -> 'frame') then
      due := due || jsonb_build_object('node', token ->> 'node', 'path', token -> 'path');
    elsif coalesce(arrived.length, 0) > 0 then
      work := work || jsonb_build_object('kind', 's', 'node', token ->> 'node', 'path', token -> 'path', 'count', 1, 'length', null,
                                         'spread', arrived.length);
    end if;
  end loop;
  return due;
end $$;

-- Lets a join sleep until one of `pending` ([{ node, path }]) is settled, or until `wait_until`. One that was settled meanwhile
-- does not let it fall asleep: arrivals and this take the run's lock one after the other.
create function ledger_await(workspace uuid, of_run uuid, held bigint, holder uuid, held_token int, wait_until timestamptz, why text,
  pending jsonb) returns boolean
  language plpgsql volatile
as $$
begin
  perform set_config('app.workspace_id', workspace::text, true);
  perform from run where id = of_run and state = 'running' for update;
  if not found then
    return false;
  end if;
  if exists (select from jsonb_to_recordset(pending) as p (node text, path int[])
               join step s on s.run_id = of_run and s.node = p.node and s.path = p.path and s.state <> 'running') then
    return ledger_release(workspace, held, holder, held_token, null, null, false);
  end if;
  return ledger_release(workspace, held, holder, held_token, wait_until, why, false);
end $$;
grant execute on function ledger_wake_join(uuid, text, int[]), ledger_await(uuid, uuid, bigint, uuid, int, timestamptz, text, jsonb) to app;
