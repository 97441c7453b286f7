-- Runs of one version of a pipeline go by the same plan. A worker that knows it is not sent it again: reading graph and plan, and
-- writing them as text, was most of what a claim cost.

alter table run
  -- the same for runs with the same graph, plan, pins and kit; null: not known
  add column plan_key uuid;

-- `key`: a digest of graph, plan and pins, or null. No workspace's plan is ever taken for that of another.
create function run_plan_key(key text, kit jsonb) returns uuid
  language sql stable
as $$
  select substr(encode(sha256(convert_to(app_workspace_id()::text || key || kit::text, 'utf8')), 'hex'), 1, 32)::uuid
$$;
grant execute on function run_plan_key(text, jsonb) to app;

-- As in 0039; `known`: plan keys, and of workers of the previous version, runs. The run is looked up by its id whatever is known
-- of the table: in a young one, of which there are no statistics, all runs of the workspace were read for each claim.
-- `claimedAt`: what follows a step that has slept began after it woke, not when it came.
create or replace function ledger_load(held bigint, known uuid[]) returns jsonb
  language sql stable
as $$
  select jsonb_build_object(
    'strand', jsonb_build_object(
      'id', s.id, 'node', s.node, 'prefix', s.prefix, 'lo', s.lo, 'hi', s.hi, 'lane', s.lane, 'token', s.token,
      'attempts', s.attempts, 'deaths', s.deaths, 'beganAt', s.began_at, 'claimedAt', clock_timestamp()),
    'run', jsonb_build_object(
      'id', r.id, 'workspaceId', r.workspace_id, 'number', r.number, 'pipelineId', r.pipeline_id, 'brandId', r.brand_id,
      'state', r.state, 'dryRun', r.dry_run, 'intent', r.intent, 'seed', r.seed, 'nonce', r.nonce, 'afresh', r.afresh, 'planKey', r.plan_key)
      || case when r.plan_key = any (known) or r.id = any (known) then '{}'::jsonb
              else jsonb_build_object('graph', r.graph, 'plan', r.plan, 'pins', r.pins, 'kit', r.kit) end,
    -- what a first step may be given: the event that started the run
    'trigger', case when x.reads = '[]' then r.trigger end,
    'inputs', ledger_inputs(r.id, x.reads, s.prefix, s.lo, s.hi),
    'overrides', coalesce((
      select jsonb_agg(jsonb_build_object('path', o.path, 'port', o.port, 'sourceDigest', o.source_digest, 'value', o.value) order by o.at)
        from override o
       where o.pipeline_id = r.pipeline_id and o.brand_id = r.brand_id and o.node = s.node), '[]'))
    from strand s cross join lateral (select * from run where run.id = s.run_id offset 0) r
         cross join lateral (select r.plan -> 'nodes' -> s.node -> 'reads' as reads offset 0) x
   where s.id = held
$$;

-- As in 0036, and: what it goes by.
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
  insert into run (number, pipeline_id, version, brand_id, graph, plan, pins, kit, plan_key, trigger, started_how)
  select coalesce((select max(number) from run), 0) + 1, t.pipeline_id, of_version, t.brand_id, of_run -> 'graph', of_run -> 'plan',
         of_run -> 'pins', t.kit, run_plan_key(of_run ->> 'key', t.kit), of_run -> 'trigger', of_run -> 'trigger' ->> 'kind'
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

-- As in 0005, but where a job waits already, nothing else is made of it: those who are there are told directly. Adding a job and
-- taking it again costs more than a step.
create or replace function door.wake(lane text) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
              where t.identifier = 'wake:' || lane and j.locked_at is null) then
    perform pg_notify('spliceboard_wake', lane);
  else
    perform graphile_worker.add_job('wake:' || lane, max_attempts := 1);
  end if;
end $$;
