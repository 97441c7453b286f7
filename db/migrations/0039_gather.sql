-- Steps of a row may be settled together: the rows of those before are written with the last one, under the lease that the
-- first one was claimed with. And what started a run comes with the claim of its first steps.

-- As in 0037; `unaware` speaks of all steps that are written.
create or replace function ledger_advance(
  workspace uuid, of_run uuid, held bigint, holder uuid, held_token int, steps jsonb, strands jsonb, tokens jsonb, made jsonb,
  troubles int, go_on int, room jsonb, chain boolean, loads boolean,
  next_id bigint, unaware boolean
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
  -- a person's correction of this node is not passed over: whoever did not know of it begins again
  if unaware and exists (select from override o
                          where o.pipeline_id = r.pipeline_id and o.brand_id = r.brand_id 
                            and o.node in (select x ->> 'node' from jsonb_array_elements(steps) x)) then
    raise exception using errcode = 'SB001', message = 'The step has corrections.';
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
    insert into strand (id, workspace_id, run_id, brand_id, priority, node, prefix, lo, hi, lane, state, worker, token, attempts, leased_at, began_at)
      overriding system value
    select coalesce(next_id, nextval('strand_id_seq')), workspace, of_run, r.brand_id, r.priority, b.node, b.prefix, b.lo, b.hi, 'light', 'leased', holder, 1, 1, clock_timestamp(), coalesce(b.began, clock_timestamp())
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


-- As in 0005, and: trigger.
create or replace function ledger_load(held bigint, known uuid[]) returns jsonb
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
    -- what a first step may be given: the event that started the run
    'trigger', case when r.plan -> 'nodes' -> s.node -> 'reads' = '[]' then r.trigger end,
    'inputs', ledger_inputs(r.id, r.plan -> 'nodes' -> s.node -> 'reads', s.prefix, s.lo, s.hi),
    'overrides', coalesce((
      select jsonb_agg(jsonb_build_object('path', o.path, 'port', o.port, 'sourceDigest', o.source_digest, 'value', o.value) order by o.at)
        from override o
       where o.pipeline_id = r.pipeline_id and o.brand_id = r.brand_id and o.node = s.node), '[]'))
    from strand s join run r on r.id = s.run_id
   where s.id = held
$$;
