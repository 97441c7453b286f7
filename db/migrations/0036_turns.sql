-- Who is next. A claim goes round the brands that have something to do, so that the brand with 10,000 steps waiting and the
-- brand with three get the same turns; within a brand the higher priority comes first, then who has waited longest. Sleepers
-- are not looked at by a claim until their time has come.
--
-- A pipeline may limit how many of its runs go on at one time (graph.limits): a run beyond that is held. Its strands sleep,
-- and the oldest held run is let go as soon as one before it has ended.

alter table run
  -- of its pipeline: 1 before 0 before -1, within a brand
  add column priority smallint not null default 0 check (priority between -1 and 1),
  -- runs of one gate are counted together; null: nothing is limited
  add column gate text,
  add column at_once int,
  add column is_held boolean not null default false;
create index run_gate on run (workspace_id, gate, number) where state = 'running' and gate is not null;

alter table strand add column brand_id uuid, add column priority smallint not null default 0;
alter table strand no force row level security;
alter table run no force row level security;
update strand s set brand_id = r.brand_id from run r where r.id = s.run_id;
alter table strand force row level security;
alter table run force row level security;
alter table strand alter column brand_id set not null;

drop index strand_claimable;
create index strand_ready on strand (lane, brand_id, priority desc, fair_at) where state = 'ready';
create index strand_sleeping on strand (lane, not_before) where state = 'waiting';

grant select (brand_id, priority) on strand to router;
grant select (id, workspace_id, gate, at_once, is_held, state, number) on run to router;

grant create on schema door to router;
set local role router; -- whose these are

-- At most `most` strands, one of each brand in turn, beginning behind the brand `after`.
create function door.claim(wanted text, claimer uuid, most int, after uuid) returns table (strand_id bigint, workspace_id uuid, brand_id uuid)
  language plpgsql volatile security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  room int := most;
  taken int;
  turn uuid[];
  start uuid := coalesce(after, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
begin
  if not exists (select from worker w where w.id = claimer) then
    return;
  end if;
  with woken as materialized (
    select s.id from strand s
     where s.lane = wanted and s.state = 'waiting' and s.not_before <= clock_timestamp()
     order by s.not_before limit 256
       for update skip locked)
  update strand s set state = 'ready' from woken where s.id = woken.id;
  while room > 0 loop
    -- the next brands of the ring, without looking at all that each has waiting
    with recursive ahead as (
      (select s.brand_id from strand s
        where s.lane = wanted and s.state = 'ready' and s.brand_id > start order by s.brand_id limit 1)
      union all
      select (select s.brand_id from strand s
               where s.lane = wanted and s.state = 'ready' and s.brand_id > a.brand_id order by s.brand_id limit 1)
        from ahead a where a.brand_id is not null),
    behind as (
      (select s.brand_id from strand s
        where s.lane = wanted and s.state = 'ready' and s.brand_id <= start order by s.brand_id limit 1)
      union all
      select (select s.brand_id from strand s
               where s.lane = wanted and s.state = 'ready' and s.brand_id > b.brand_id and s.brand_id <= start
               order by s.brand_id limit 1)
        from behind b where b.brand_id is not null)
    select array(
      select x.brand_id from (
        (select a.brand_id from ahead a where a.brand_id is not null limit room)
        union all
        (select b.brand_id from behind b where b.brand_id is not null limit room)) x limit room)
      into turn;
    exit when cardinality(turn) = 0;
    return query
      with chosen as materialized (
        select c.id from unnest(turn) as t (brand), lateral (
          select s.id from strand s
           where s.lane = wanted and s.state = 'ready' and s.brand_id = t.brand
           order by s.priority desc, s.fair_at
           limit (room + cardinality(turn) - 1) / cardinality(turn)
             for update skip locked) c
        limit room)
      update strand s
         set state = 'leased', worker = claimer, token = s.token + 1, attempts = s.attempts + 1, waits_for = null,
             reason = null, progress = null, note = null, leased_at = clock_timestamp(),
             began_at = coalesce(s.began_at, clock_timestamp())
        from chosen
       where s.id = chosen.id
      returning s.id, s.workspace_id, s.brand_id;
    get diagnostics taken = row_count;
    exit when taken = 0; -- others hold what is left
    room := room - taken;
    start := turn[cardinality(turn)];
  end loop;
end $$;

create or replace function door.due() returns table (lane text, ready int)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select l.lane, 1 from unnest(array['light', 'media']) as l (lane)
   where exists (select from strand s where s.lane = l.lane and s.state = 'ready')
      or exists (select from strand s where s.lane = l.lane and s.state = 'waiting' and s.not_before <= clock_timestamp())
$$;

-- The next held run whose gate has room.
create function door.next_held() returns table (workspace_id uuid, run_id uuid)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  select h.workspace_id, h.id
    from (select distinct on (r.workspace_id, r.gate) r.workspace_id, r.id, r.gate, r.at_once
            from run r where r.state = 'running' and r.gate is not null and r.is_held
           order by r.workspace_id, r.gate, r.number) h
   where (select count(*) from (
           select from run o where o.workspace_id = h.workspace_id and o.gate = h.gate and o.state = 'running' and not o.is_held
            limit h.at_once) going) < h.at_once
   limit 1
$$;

grant execute on function door.claim(text, uuid, int, uuid), door.next_held() to app;
reset role;
revoke create on schema door from router;

drop function ledger_claim(text, uuid, int, uuid[]);
drop function door.claim(text, uuid, int);
-- `after`: the brand that had the last turn of this worker.
create function ledger_claim(wanted text, claimer uuid, most int, known uuid[], after uuid default null) returns setof jsonb
  language plpgsql volatile
as $$
declare
  claimed record;
  loaded jsonb;
begin
  for claimed in select * from door.claim(wanted, claimer, most, after) loop
    perform set_config('app.workspace_id', claimed.workspace_id::text, true);
    loaded := ledger_load(claimed.strand_id, known);
    if loaded is not null then
      return next loaded;
    end if;
  end loop;
end $$;
grant execute on function ledger_claim(text, uuid, int, uuid[], uuid) to app;

-- Takes priority and gate from the graph's limits. A key of the event that is absent counts as one more key.
create function ledger_rank(of_run uuid) returns void
  language sql volatile
as $$
  update run
     set priority = coalesce((limits ->> 'priority')::smallint, 0),
         at_once = (limits ->> 'atOnce')::int,
         gate = case when limits ->> 'atOnce' is null then null
                     else pipeline_id::text
                       || case when limits ->> 'by' = 'pipeline' then '' else '/' || brand_id::text end
                       || case when limits ->> 'by' = 'key'
                               then '/' || md5(coalesce(trigger -> 'event' #>> string_to_array(limits ->> 'key', '.'), '')) else '' end end
    from (select graph -> 'limits' as limits from run where id = of_run) g
   where id = of_run and limits is not null
$$;

-- Holds a run that has just got its first strands, where its gate is full. One at a time, so that two do not both find room.
create function ledger_hold(of_run uuid) returns void
  language plpgsql volatile
as $$
declare
  r record;
  going int;
begin
  select run.gate, run.at_once, run.number into r from run where id = of_run and run.gate is not null;
  if not found then
    return;
  end if;
  perform pg_advisory_xact_lock(7268414, hashtext(r.gate));
  select count(*) into going from run
   where run.gate = r.gate and run.state = 'running' and (run.is_held or run.id <> of_run) and run.number < r.number;
  if going < r.at_once then
    return;
  end if;
  update run set is_held = true where id = of_run;
  update strand set state = 'waiting', not_before = 'infinity',
                    reason = format('Waits for an earlier run: at most %s at a time.', r.at_once)
   where run_id = of_run;
end $$;

-- Lets a held run go, where its gate has room by now.
create function ledger_let_go(workspace uuid, of_run uuid) returns boolean
  language plpgsql volatile
as $$
declare
  r record;
  lane text;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  select run.gate, run.at_once into r from run where id = of_run;
  perform pg_advisory_xact_lock(7268414, hashtext(r.gate));
  perform from run where id = of_run and state = 'running' and is_held for update;
  if not found
     or (select count(*) from run o where o.gate = r.gate and o.state = 'running' and not o.is_held) >= r.at_once then
    return false;
  end if;
  update run set is_held = false where id = of_run;
  for lane in
    with woken as (
      update strand set state = 'ready', not_before = '-infinity', fair_at = clock_timestamp(), reason = null
       where run_id = of_run and state = 'waiting' returning strand.lane)
    select distinct woken.lane from woken
  loop
    perform door.wake(lane);
  end loop;
  return true;
end $$;
grant execute on function ledger_rank(uuid), ledger_hold(uuid), ledger_let_go(uuid, uuid) to app;

-- As in 0005, and: whose they are.
create or replace function ledger_add_strands(of_run uuid, due jsonb) returns jsonb
  language sql volatile
as $$
  with plan as (select r.plan -> 'nodes' as nodes, r.brand_id, r.priority from run r where r.id = of_run),
  steps as (
    select d.node, d.path, (p.nodes -> d.node ->> 'lane') as lane, (p.nodes -> d.node -> 'ranged')::boolean as ranged, d.n
      from rows from (jsonb_to_recordset(due) as (node text, path int[])) with ordinality as d (node, path, n), plan p),
  numbered as (
    select s.*, s.path[1:cardinality(s.path) - 1] as prefix, s.path[cardinality(s.path)] as item,
           s.path[cardinality(s.path)] - row_number() over (
             partition by s.node, s.path[1:cardinality(s.path) - 1] order by s.path[cardinality(s.path)]) as island
      from steps s where cardinality(s.path) > 0),
  ranges as (
    select node, prefix, lane, min(item) as lo, max(item) as hi, min(n) as n
      from numbered group by node, prefix, lane, ranged, island, case when ranged then item / 64 else item end
    union all
    select node, path, lane, null, null, n from steps where cardinality(path) = 0),
  made as (
    insert into strand (run_id, brand_id, priority, node, prefix, lo, hi, lane, fair_at)
    -- a long list does not keep others waiting: its later items queue behind what comes meanwhile
    select of_run, plan.brand_id, plan.priority, ranges.node, prefix, lo, hi, lane,
           clock_timestamp() + (row_number() over (order by n)) * interval '20 milliseconds'
      from ranges, plan
    returning lane)
  select coalesce(jsonb_object_agg(lane, count), '{}') from (select lane, count(*) from made group by lane) counted
$$;


-- As in 0005, and: whose it is.
create or replace function ledger_halve(workspace uuid, held bigint, holder uuid, held_token int, middle int) returns boolean
  language plpgsql volatile
as $$
declare
  of_run uuid;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  select run_id into of_run from strand where id = held;
  perform from run where id = of_run for update;
  insert into strand (run_id, brand_id, priority, node, prefix, lo, hi, lane, deaths)
  select s.run_id, s.brand_id, s.priority, s.node, s.prefix, middle, s.hi, s.lane, s.deaths from strand s
   where s.id = held and s.worker = holder and s.token = held_token and s.state = 'leased' and middle > s.lo and middle <= s.hi;
  if not found then
    return false;
  end if;
  perform ledger_close_keys(held, '[]', true);
  update strand set hi = middle - 1, state = 'ready', worker = null, attempts = 0 where id = held;
  update run set open = open + 1 where id = of_run;
  perform door.wake('light');
  return true;
end $$;


-- As in 0018, and: what the graph limits.
create or replace function accept_event(workspace uuid, of_trigger uuid, of_version int, event_key text, guard text, raw bytea, of_run jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  t record;
  accepted uuid;
  started record;
  known record;
  lanes jsonb;
  lane text;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  select tr.pipeline_id, tr.brand_id, b.kit into t
    from pipeline_trigger tr join brand b on b.id = tr.brand_id and b.removed_at is null
   where tr.id = of_trigger and tr.is_on and tr.version = of_version;
  if not found then
    return null;
  end if;
  insert into trigger_event (trigger_id, key, body) values (of_trigger, event_key, raw)
  on conflict (trigger_id, key) do nothing
  returning id into accepted;
  if accepted is null then
    select e.run_id, run.number into known
      from trigger_event e left join run on run.id = e.run_id where e.trigger_id = of_trigger and e.key = event_key;
    return jsonb_build_object('isNew', false, 'isReplay', false, 'runId', known.run_id, 'number', known.number);
  end if;
  if guard is not null then
    insert into trigger_event (trigger_id, key) values (of_trigger, guard) on conflict (trigger_id, key) do nothing;
    if not found then
      delete from trigger_event where id = accepted;
      return jsonb_build_object('isNew', false, 'isReplay', true, 'runId', null, 'number', null);
    end if;
  end if;
  perform pg_advisory_xact_lock(7268413, hashtext(workspace::text)); -- numbers without holes or twins
  insert into run (number, pipeline_id, version, brand_id, graph, plan, pins, kit, trigger, started_how)
  select coalesce((select max(number) from run), 0) + 1, t.pipeline_id, of_version, t.brand_id, of_run -> 'graph', of_run -> 'plan',
         of_run -> 'pins', t.kit, of_run -> 'trigger', of_run -> 'trigger' ->> 'kind'
  returning id, number into started;
  update trigger_event set run_id = started.id where id = accepted;
  if of_run -> 'graph' ? 'limits' then
    perform ledger_rank(started.id);
  end if;
  lanes := ledger_add_strands(started.id, of_run -> 'first');
  update run set open = s.open, state = case when s.open > 0 then 'running' else 'succeeded' end,
                 ended_at = case when s.open > 0 then null else clock_timestamp() end
    from (select count(*)::int as open from strand where run_id = started.id) s
   where id = started.id;
  if of_run -> 'graph' ? 'limits' then
    perform ledger_hold(started.id);
  end if;
  for lane in select jsonb_object_keys(lanes) loop
    perform door.wake(lane);
  end loop;
  return jsonb_build_object('isNew', true, 'isReplay', false, 'runId', started.id, 'number', started.number);
end $$;


-- As in 0021, and: whose they are.
create or replace function ledger_advance(
  workspace uuid, of_run uuid, held bigint, holder uuid, held_token int, steps jsonb, strands jsonb, tokens jsonb, made jsonb,
  troubles int, go_on int, room jsonb, chain boolean, loads boolean
) returns jsonb
  language plpgsql volatile
as $$
declare
  nodes jsonb;
  counted jsonb := '{}';
  fresh jsonb := '{}';
  added int := jsonb_array_length(strands);
  r record;
  begun record;
  lane text;
  n int;
  chained jsonb;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  if tokens <> '[]' then
    select run.plan -> 'nodes' into nodes from run where run.id = of_run and run.state = 'running' for update;
    if not found then
      return null;
    end if;
    counted := ledger_add_strands(of_run, ledger_arrive(of_run, nodes, tokens));
    added := added + coalesce((select sum(value::int) from jsonb_each_text(counted)), 0);
  end if;
  if troubles = 0 and added = (go_on is null)::int then
    -- nothing of the run's own row changes: the lock only keeps it from being ended meanwhile
    select run.open, run.pipeline_id, run.brand_id, run.priority into r
      from run where run.id = of_run and run.state = 'running' for key share;
  else
    update run
       set open = run.open + added - case when go_on is null then 1 else 0 end,
           troubles = run.troubles + ledger_advance.troubles,
           state = case when run.open + added > 1 or go_on is not null then 'running'
                        when run.troubles + ledger_advance.troubles > 0 then 'problems' else 'succeeded' end,
           ended_at = case when run.open + added > 1 or go_on is not null then null else clock_timestamp() end
     where run.id = of_run and run.state = 'running'
    returning run.open, run.pipeline_id, run.brand_id, run.priority into r;
  end if;
  if not found then
    return null;
  end if;
  if go_on is null then
    delete from strand s where s.id = held and s.run_id = of_run and s.worker = holder and s.token = held_token and s.state = 'leased';
  else
    update strand s set lo = go_on, attempts = 1
     where s.id = held and s.run_id = of_run and s.worker = holder and s.token = held_token and s.state = 'leased';
  end if;
  if not found then
    raise exception using errcode = 'SB001', message = 'The lease is not held any more.';
  end if;

  insert into step as s (workspace_id, run_id, node, path, state, attempt, inputs, outputs, made, error, cause, reason, facts,
                         reused_run, reused_number, began_at, ended_at)
  select workspace, of_run, w.node, w.path, w.state, w.attempt, coalesce(w.inputs, '{}'), coalesce(w.outputs, '{}'), coalesce(w.made, '{}'),
         w.error, w.cause, w.reason, coalesce(w.facts, '[]'), w.reused_run, w.reused_number, w.began_at, clock_timestamp()
    from jsonb_to_recordset(steps) as w (node text, path int[], state text, attempt int, inputs jsonb, outputs jsonb, made jsonb,
           error jsonb, cause text, reason text, facts jsonb, reused_run uuid, reused_number int, began_at timestamptz)
  on conflict (run_id, node, path) do update
    set state = excluded.state, attempt = excluded.attempt, inputs = excluded.inputs, outputs = excluded.outputs,
        made = excluded.made, error = excluded.error, cause = excluded.cause, reason = excluded.reason, facts = excluded.facts,
        reused_run = excluded.reused_run, reused_number = excluded.reused_number,
        began_at = coalesce(excluded.began_at, s.began_at), ended_at = excluded.ended_at;

  -- a promised key is always among those made, or given up with the strand
  if made <> '[]' or exists (select from reuse u where u.strand = held and u.state = 'making') then
    if ledger_close_keys(held, made, go_on is null) then
      perform door.wake('light'), door.wake('media');
    end if;
  end if;

  if chain and go_on is null and added = 1 and strands -> 0 ->> 'lane' = 'light' then
    insert into strand (workspace_id, run_id, brand_id, priority, node, prefix, lo, hi, lane, state, worker, token, attempts, leased_at, began_at)
    select workspace, of_run, r.brand_id, r.priority, b.node, b.prefix, b.lo, b.hi, 'light', 'leased', holder, 1, 1, clock_timestamp(), coalesce(b.began, clock_timestamp())
      from jsonb_to_record(strands -> 0) as b (node text, prefix int[], lo int, hi int, began timestamptz)
    returning id, node, began_at into begun;
    if loads then
      chained := ledger_load(begun.id, array[of_run]);
    else
      chained := jsonb_build_object(
        'strand', jsonb_build_object('id', begun.id, 'beganAt', begun.began_at),
        'overrides', coalesce((
          select jsonb_agg(jsonb_build_object('path', o.path, 'port', o.port, 'sourceDigest', o.source_digest, 'value', o.value) order by o.at)
            from override o
           where o.pipeline_id = r.pipeline_id and o.brand_id = r.brand_id and o.node = begun.node), '[]'));
    end if;
    return jsonb_build_object('ended', false, 'lanes', fresh, 'chained', chained);
  end if;

  if strands <> '[]' then
    with new as (
      insert into strand (workspace_id, run_id, brand_id, priority, node, prefix, lo, hi, lane, fair_at)
      -- a long list does not keep others waiting: its later items queue behind what comes meanwhile
      select workspace, of_run, r.brand_id, r.priority, b.node, b.prefix, b.lo, b.hi, b.lane, clock_timestamp() + b.n * interval '20 milliseconds'
        from rows from (jsonb_to_recordset(strands) as (node text, prefix int[], lo int, hi int, lane text))
             with ordinality as b (node, prefix, lo, hi, lane, n)
      returning strand.lane)
    select jsonb_object_agg(x.lane, x.count) into fresh from (select new.lane, count(*) from new group by new.lane) x;
  end if;
  for lane, n in
    select x.key, sum(x.value::int) from (select * from jsonb_each_text(fresh) union all select * from jsonb_each_text(counted)) x group by x.key
  loop
    fresh := fresh || jsonb_build_object(lane, n);
    if n > coalesce((room ->> lane)::int, 0) then
      perform door.wake(lane);
    end if;
  end loop;
  return jsonb_build_object('ended', r.open = 0, 'lanes', fresh, 'chained', null);
end $$;
