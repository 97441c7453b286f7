-- As in 0005, but the strand stays until the commit: whoever ended its run, or made its step again, in that moment found no promise
-- to give up, and what was promised then was nobody's. Others would have slept on it for ever.
create or replace function ledger_take_keys(workspace uuid, held bigint, holder uuid, held_token int, wanted jsonb, may_wait boolean) returns jsonb
  language plpgsql volatile
as $$
declare
  w record;
  r record;
  s record;
  answers jsonb := '[]';
begin
  perform set_config('app.workspace_id', workspace::text, true);
  -- the run before the strand, as everybody locks them
  perform from run where id = (select st.run_id from strand st where st.id = held) for key share;
  select st.run_id, st.node, run.number, run.brand_id, run.state into s
    from strand st join run on run.id = st.run_id
   where st.id = held and st.worker = holder and st.token = held_token and st.state = 'leased'
     for update of st;
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
