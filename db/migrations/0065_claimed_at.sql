-- As in 0062, and: when this claim was. What follows a step that has slept began after it woke, not when it came.
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
    from strand s join run r on r.id = s.run_id
         cross join lateral (select r.plan -> 'nodes' -> s.node -> 'reads' as reads offset 0) x
   where s.id = held
$$;
