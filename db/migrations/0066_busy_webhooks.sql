-- Two things that made a busy webhook slower the more runs there were.

-- As in 0065, but the run is looked up by its id whatever is known of the table: in a young one, of which there are no statistics, all
-- runs of the workspace were read for each claim.
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

-- Several events of one workspace in one commit: what each waits for is the one before it, as numbers are given one by one, and that
-- waited for the disk. Each as in accept_event; gives back one answer for each, in their order.
create function accept_events(workspace uuid, triggers uuid[], versions int[], event_keys text[], guards text[], bodies bytea[], runs text[])
  returns setof jsonb
  language plpgsql volatile
as $$
begin
  for i in 1 .. cardinality(triggers) loop
    return next coalesce(
      accept_event(workspace, triggers[i], versions[i], event_keys[i], guards[i], bodies[i], runs[i]::jsonb), 'null'::jsonb);
  end loop;
end $$;
grant execute on function accept_events(uuid, uuid[], int[], text[], text[], bytea[], text[]) to app;
