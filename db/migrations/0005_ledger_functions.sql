-- Claim and settle: one function, one round trip, one commit each; they set the workspace themselves.
-- Lock order: run, then reuse, then strand. A claim skips what is locked.

-- ---------------------------------------------------------------- doors: what begins without a workspace

-- Leases up to `most` strands of a lane to a worker, in fair order.
create function door.claim(wanted text, claimer uuid, most int) returns table (strand_id bigint, workspace_id uuid)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  update strand s
     set state = 'leased', worker = claimer, token = s.token + 1, attempts = s.attempts + 1, waits_for = null,
         reason = null, progress = null, note = null, leased_at = clock_timestamp(),
         began_at = coalesce(s.began_at, clock_timestamp())
    from (select c.id from strand c
           where c.lane = wanted and c.state in ('ready', 'waiting') and c.not_before <= clock_timestamp()
             and exists (select from worker w where w.id = claimer)
           order by c.fair_at
           limit most
             for update skip locked) chosen
   where s.id = chosen.id
  returning s.id, s.workspace_id
$$;

-- One beat. False: this worker was taken for dead and holds nothing any more.
create function door.beat(me uuid) returns boolean
  language sql volatile security definer set search_path = public, pg_temp
as $$
  with beaten as (update worker set beat_at = clock_timestamp() where id = me returning id)
  select exists (select from beaten)
$$;

-- Which of these leases (strand, token) the worker does not hold any more: cancelled, made again, or reaped.
create function door.lost(me uuid, held bigint[], tokens int[]) returns setof bigint
  language sql stable security definer set search_path = public, pg_temp
as $$
  select h.id from unnest(held, tokens) as h (id, token)
   where not exists (select from strand s where s.id = h.id and s.worker = me and s.token = h.token)
$$;

-- Makes the strands of dead workers ready again. Dead: its session lock is free, or its beat is older than 4 s.
create function door.reap() returns table (workspace_id uuid, run_id uuid, lane text)
  language plpgsql volatile security definer set search_path = public, pg_temp
as $$
declare
  gone uuid[];
begin
  with dead as (
    select w.id from worker w
     where w.beat_at < clock_timestamp() - interval '4 seconds'
        or not exists (
          select from pg_locks l
           where l.locktype = 'advisory' and l.classid = 7268412 and l.objid = w.lock_id::oid and l.granted
             and l.database = (select oid from pg_database where datname = current_database()))
       for update skip locked),
  removed as (delete from worker w using dead where w.id = dead.id returning w.id)
  select array_agg(id) into gone from removed;
  if gone is null then
    return;
  end if;
  return query
    update strand s
       set state = 'ready', worker = null, deaths = s.deaths + 1, fair_at = clock_timestamp(), not_before = '-infinity',
           reason = 'Its worker ended; going on.', progress = null, note = null
     where s.worker = any (gone)
    returning s.workspace_id, s.run_id, s.lane;
end $$;

-- Lanes that have something to claim: after a lost wake-up, and for waits that are over.
create function door.due() returns table (lane text, ready int)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select s.lane, count(*)::int from strand s
   where s.state in ('ready', 'waiting') and s.not_before <= clock_timestamp()
   group by s.lane
$$;

-- Gives back what this worker was leased without knowing it: the answer to its claim or settle was lost on the way.
create function door.disown(me uuid, held bigint[]) returns table (workspace_id uuid, run_id uuid, lane text)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  update strand s
     set state = 'ready', worker = null, fair_at = clock_timestamp(), not_before = '-infinity', attempts = s.attempts - 1
   where s.worker = me and s.id <> all (held) and s.leased_at < clock_timestamp() - interval '5 seconds'
  returning s.workspace_id, s.run_id, s.lane
$$;

grant execute on function door.claim(text, uuid, int), door.beat(uuid), door.lost(uuid, bigint[], int[]), door.reap(),
  door.due(), door.disown(uuid, bigint[]) to app;
grant create on schema door to router;
alter function door.claim(text, uuid, int) owner to router;
alter function door.beat(uuid) owner to router;
alter function door.lost(uuid, bigint[], int[]) owner to router;
alter function door.reap() owner to router;
alter function door.due() owner to router;
alter function door.disown(uuid, bigint[]) owner to router;
revoke create on schema door from router;

-- Wakes workers for a lane: a queue job without payload, at most four of a lane waiting at a time. Losing one costs a
-- second (every worker looks each second); repeating one changes nothing.
create function door.wake(lane text) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if (select count(*) from (
        select from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
         where t.identifier = 'wake:' || lane and j.locked_at is null limit 4) waiting) < 4 then
    perform graphile_worker.add_job('wake:' || lane, max_attempts := 1);
  end if;
end $$;
grant execute on function door.wake(text) to app, router;

-- ---------------------------------------------------------------- inside one workspace

-- The rows of the ledger that a strand's steps are decided from (plan: nodes.<node>.reads).
create function ledger_inputs(of_run uuid, reads jsonb, prefix int[], lo int, hi int) returns jsonb
  language sql stable
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'node', s.node, 'path', s.path, 'state', s.state, 'cause', s.cause, 'error', s.error, 'outputs', s.outputs)), '[]')
    from jsonb_to_recordset(reads) as r (node text, kind text, depth int)
    cross join lateral (select case r.kind when 'members' then r.depth - 1 else r.depth end as shared) k
    join step s on s.run_id = of_run and s.node = r.node and s.state <> 'running'
   where case
     when k.shared <= cardinality(prefix) and r.kind = 'step' then s.path = prefix[1:k.shared]
     when k.shared <= cardinality(prefix) then s.path[1:k.shared] = prefix[1:k.shared]
     else s.path[1:cardinality(prefix)] = prefix and s.path[cardinality(prefix) + 1] between lo and hi
   end
$$;

-- Everything a worker needs to go on with a strand it holds. `known`: runs whose plan it has already.
create function ledger_load(held bigint, known uuid[]) returns jsonb
  language sql stable
as $$
  select jsonb_build_object(
    'strand', jsonb_build_object(
      'id', s.id, 'node', s.node, 'prefix', s.prefix, 'lo', s.lo, 'hi', s.hi, 'lane', s.lane, 'token', s.token,
      'attempts', s.attempts, 'deaths', s.deaths, 'beganAt', s.began_at),
    'run', jsonb_build_object(
      'id', r.id, 'workspaceId', r.workspace_id, 'number', r.number, 'pipelineId', r.pipeline_id, 'brandId', r.brand_id,
      'state', r.state, 'dryRun', r.dry_run, 'intent', r.intent, 'seed', r.seed, 'nonce', r.nonce, 'afresh', r.afresh)
      || case when r.id = any (known) then '{}'::jsonb
              else jsonb_build_object('graph', r.graph, 'plan', r.plan, 'pins', r.pins, 'kit', r.kit) end,
    'inputs', ledger_inputs(r.id, r.plan -> 'nodes' -> s.node -> 'reads', s.prefix, s.lo, s.hi),
    'overrides', coalesce((
      select jsonb_agg(jsonb_build_object('path', o.path, 'port', o.port, 'sourceDigest', o.source_digest, 'value', o.value) order by o.at)
        from override o
       where o.pipeline_id = r.pipeline_id and o.brand_id = r.brand_id and o.node = s.node), '[]'))
    from strand s join run r on r.id = s.run_id
   where s.id = held
$$;

create function ledger_claim(wanted text, claimer uuid, most int, known uuid[]) returns setof jsonb
  language plpgsql volatile
as $$
declare
  claimed record;
  loaded jsonb;
begin
  for claimed in select * from door.claim(wanted, claimer, most) loop
    perform set_config('app.workspace_id', claimed.workspace_id::text, true);
    loaded := ledger_load(claimed.strand_id, known);
    if loaded is not null then
      return next loaded;
    end if;
  end loop;
end $$;

-- Adds strands for steps that became due. Siblings of a ranged node share strands of up to 64 items.
-- `due`: [{ node, path }]; gives back how many strands were made, by lane.
create function ledger_add_strands(of_run uuid, due jsonb) returns jsonb
  language sql volatile
as $$
  with plan as (select r.plan -> 'nodes' as nodes from run r where r.id = of_run),
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
    insert into strand (run_id, node, prefix, lo, hi, lane, fair_at)
    -- a long list does not keep others waiting: its later items queue behind what comes meanwhile
    select of_run, node, prefix, lo, hi, lane, clock_timestamp() + (row_number() over (order by n)) * interval '20 milliseconds'
      from ranges
    returning lane)
  select coalesce(jsonb_object_agg(lane, count), '{}') from (select lane, count(*) from made group by lane) counted
$$;

-- Lets tokens arrive (runtime/graph/advance.ts, Counters.send) and gives back the steps that became due.
create function ledger_arrive(of_run uuid, nodes jsonb, tokens jsonb) returns jsonb
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

create function ledger_write_steps(of_run uuid, steps jsonb) returns void
  language sql volatile
as $$
  insert into step as s (run_id, node, path, state, attempt, inputs, outputs, made, error, cause, reason, facts,
                         reused_run, reused_number, began_at, ended_at)
  select of_run, w.node, w.path, w.state, w.attempt, coalesce(w.inputs, '{}'), coalesce(w.outputs, '{}'), coalesce(w.made, '{}'),
         w.error, w.cause, w.reason, coalesce(w.facts, '[]'), w.reused_run, w.reused_number, w.began_at, clock_timestamp()
    from jsonb_to_recordset(steps) as w (node text, path int[], state text, attempt int, inputs jsonb, outputs jsonb, made jsonb,
           error jsonb, cause text, reason text, facts jsonb, reused_run uuid, reused_number int, began_at timestamptz)
  on conflict (run_id, node, path) do update
    set state = excluded.state, attempt = excluded.attempt, inputs = excluded.inputs, outputs = excluded.outputs,
        made = excluded.made, error = excluded.error, cause = excluded.cause, reason = excluded.reason, facts = excluded.facts,
        reused_run = excluded.reused_run, reused_number = excluded.reused_number,
        began_at = coalesce(excluded.began_at, s.began_at), ended_at = excluded.ended_at
$$;

-- Reuse keys that a strand has made (`made`: [{ key, outputs, facts, ambient }]) and, where it is over (`rest`), all
-- others it had promised; whoever waited for them is ready again. Gives back whether anybody was.
create function ledger_close_keys(held bigint, made jsonb, rest boolean) returns boolean
  language plpgsql volatile
as $$
declare
  closed text[];
  dropped text[];
begin
  with done as (
    update reuse r
       set state = 'made', outputs = m.outputs, facts = m.facts, ambient = coalesce(m.ambient, '{}'), made_at = clock_timestamp(), strand = null
      from jsonb_to_recordset(made) as m (key text, outputs jsonb, facts jsonb, ambient jsonb)
     where r.key = m.key and r.workspace_id = app_workspace_id() and r.strand = held and r.state = 'making'
    returning r.key)
  select array_agg(key) into closed from done;
  if rest then
    with gone as (delete from reuse r where r.strand = held and r.state = 'making' returning r.key)
    select array_agg(key) into dropped from gone;
  end if;
  closed := closed || dropped;
  if closed is null then
    return false;
  end if;
  update strand set state = 'ready', waits_for = null, not_before = '-infinity', reason = null, fair_at = clock_timestamp()
   where waits_for = any (closed) and workspace_id = app_workspace_id();
  return found;
end $$;

-- Writes what became of a strand's steps and everything that follows. Refused (null) unless the lease is current.
--   steps    settled steps, tokens: what they send, made: reuse keys, troubles: how many of them are a problem
--   go_on    null: the strand is done; n: its range goes on at item n
--   chain    true: a single light successor is leased to the same worker at once and comes back loaded
create function ledger_settle(
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

-- Gives a strand back: at once, at a time, or when another has made what it needs. `counts`: whether the attempt counts.
create function ledger_release(workspace uuid, held bigint, holder uuid, held_token int, wait_until timestamptz, why text, counts boolean)
  returns boolean
  language plpgsql volatile
as $$
declare
  of_lane text;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  -- who waits for what it makes does not wait out its back-off
  if wait_until is not null and exists (select from strand s where s.id = held and s.worker = holder and s.token = held_token)
     and ledger_close_keys(held, '[]', true) then
    perform door.wake('light'), door.wake('media');
  end if;
  update strand s
     set state = case when wait_until is null then 'ready' else 'waiting' end, worker = null,
         not_before = coalesce(wait_until, '-infinity'), fair_at = coalesce(wait_until, clock_timestamp()), reason = why,
         attempts = s.attempts - case when counts then 0 else 1 end, progress = null, note = null
   where s.id = held and s.worker = holder and s.token = held_token and s.state = 'leased'
  returning s.lane into of_lane;
  if of_lane is null then
    return false;
  end if;
  perform door.wake(of_lane);
  return true;
end $$;

-- Progress of steps that are running: [{ id, token, progress, note }].
create function ledger_progress(workspace uuid, reports jsonb) returns void
  language plpgsql volatile
as $$
begin
  perform set_config('app.workspace_id', workspace::text, true);
  update strand s set progress = p.progress, note = p.note
    from jsonb_to_recordset(reports) as p (id bigint, token int, progress real, note text)
   where s.id = p.id and s.token = p.token and s.state = 'leased';
end $$;

-- Cuts a leased range in two ready halves after its process died: the bad item ends up alone.
create function ledger_halve(workspace uuid, held bigint, holder uuid, held_token int, middle int) returns boolean
  language plpgsql volatile
as $$
declare
  of_run uuid;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  select run_id into of_run from strand where id = held;
  perform from run where id = of_run for update;
  insert into strand (run_id, node, prefix, lo, hi, lane, deaths)
  select s.run_id, s.node, s.prefix, middle, s.hi, s.lane, s.deaths from strand s
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

-- Looks up reuse keys, or takes them to make. `wanted`: [{ path, key, maxAge }], maxAge in seconds, null = for ever.
-- Gives back [{ key, found: 'made' | 'mine' | 'making', … }]; with `may_wait` and one key that another strand makes, the
-- strand is put to sleep until that one is done.
create function ledger_take_keys(workspace uuid, held bigint, holder uuid, held_token int, wanted jsonb, may_wait boolean) returns jsonb
  language plpgsql volatile
as $$
declare
  w record;
  r record;
  s record;
  answers jsonb := '[]';
begin
  perform set_config('app.workspace_id', workspace::text, true);
  select st.run_id, st.node, run.number, run.brand_id, run.state into s
    from strand st join run on run.id = st.run_id
   where st.id = held and st.worker = holder and st.token = held_token and st.state = 'leased';
  if s.run_id is null or s.state <> 'running' then
    return null;
  end if;
  for w in select * from jsonb_to_recordset(wanted) as x (path int[], key text, "maxAge" double precision) order by x.key loop
    insert into reuse (key, state, run_id, run_number, brand_id, node, path, strand)
    values (w.key, 'making', s.run_id, s.number, s.brand_id, s.node, w.path, held)
    on conflict (workspace_id, key) do nothing;
    if found then
      answers := answers || jsonb_build_object('key', w.key, 'found', 'mine');
      continue;
    end if;
    select * into r from reuse where workspace_id = workspace and key = w.key for update;
    if r.key is null then -- given up in between
      answers := answers || jsonb_build_object('key', w.key, 'found', 'unkept');
    elsif r.state = 'made' and (w."maxAge" is null or r.run_id = s.run_id
                                or r.made_at > clock_timestamp() - make_interval(secs => w."maxAge")) then
      update reuse set used_at = clock_timestamp() where workspace_id = workspace and key = w.key and used_at < clock_timestamp() - interval '1 hour';
      answers := answers || jsonb_build_object('key', w.key, 'found', 'made', 'outputs', r.outputs, 'facts', r.facts,
        'ambient', r.ambient, 'runId', r.run_id, 'runNumber', r.run_number, 'brandId', r.brand_id);
    elsif r.state = 'made' or r.strand = held
          or not exists (select from strand o where o.id = r.strand) then
      update reuse set state = 'making', run_id = s.run_id, run_number = s.number, brand_id = s.brand_id, node = s.node,
                       path = w.path, strand = held, outputs = null, made_at = null
       where workspace_id = workspace and key = w.key;
      answers := answers || jsonb_build_object('key', w.key, 'found', 'mine');
    elsif may_wait then
      update strand set state = 'waiting', worker = null, waits_for = w.key, not_before = 'infinity', fair_at = clock_timestamp(),
                        attempts = attempts - 1, reason = format('Run %s is making this.', r.run_number)
       where id = held;
      return jsonb_build_array(jsonb_build_object('key', w.key, 'found', 'making', 'runNumber', r.run_number));
    else
      answers := answers || jsonb_build_object('key', w.key, 'found', 'unkept');
    end if;
  end loop;
  return answers;
end $$;

-- Ends a run before its time: nothing of it is claimed, held or waited for any more.
create function ledger_cancel(of_run uuid, why text) returns boolean
  language plpgsql volatile
as $$
declare
  given_up jsonb;
begin
  perform from run where id = of_run and state = 'running' for update;
  if not found then
    return false;
  end if;
  with gone as (delete from reuse where run_id = of_run and state = 'making' returning key)
  select coalesce(jsonb_agg(key), '[]') into given_up from gone;
  insert into step (run_id, node, path, state, reason, began_at, ended_at)
  select s.run_id, s.node, case when s.lo is null then s.prefix else s.prefix || i end, 'cancelled', why, s.began_at, clock_timestamp()
    from strand s left join lateral generate_series(s.lo, s.hi) i on s.lo is not null
   where s.run_id = of_run
  on conflict (run_id, node, path) do update set state = 'cancelled', reason = why, ended_at = clock_timestamp()
   where step.state = 'running';
  delete from strand where run_id = of_run;
  update strand set state = 'ready', waits_for = null, not_before = '-infinity', reason = null
   where workspace_id = app_workspace_id() and waits_for in (select jsonb_array_elements_text(given_up));
  if found then
    perform door.wake('light'), door.wake('media');
  end if;
  update run set state = 'cancelled', open = 0, ended_at = clock_timestamp() where id = of_run;
  perform pg_notify('spliceboard_cancel', of_run::text);
  return true;
end $$;

grant execute on function ledger_inputs(uuid, jsonb, int[], int, int), ledger_load(bigint, uuid[]),
  ledger_claim(text, uuid, int, uuid[]), ledger_add_strands(uuid, jsonb), ledger_arrive(uuid, jsonb, jsonb),
  ledger_write_steps(uuid, jsonb), ledger_close_keys(bigint, jsonb, boolean),
  ledger_settle(uuid, bigint, uuid, int, jsonb, jsonb, jsonb, int, int, boolean, uuid[]),
  ledger_release(uuid, bigint, uuid, int, timestamptz, text, boolean),
  ledger_halve(uuid, bigint, uuid, int, int), ledger_take_keys(uuid, bigint, uuid, int, jsonb, boolean),
  ledger_cancel(uuid, text), ledger_progress(uuid, jsonb) to app;
