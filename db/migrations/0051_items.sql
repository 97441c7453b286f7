-- What a range of items is decided from is found by the items' numbers, not by looking at all of their node: arrays are
-- compared by operators that row-level security lets no index use, integers are not. Steps outside of lists are not in it.
create index step_items on step (run_id, node, (path[1])) where cardinality(path) > 0;

-- As in 0021; one read after the other, so that no plan begins with all steps of the run.
create or replace function ledger_inputs(of_run uuid, reads jsonb, prefix int[], lo int, hi int) returns jsonb
  language plpgsql stable
as $$
declare
  x record;
  -- the paths that are read: from `low` to the one before `high`; null: all of the node
  low int[];
  high int[];
  last int;
  part jsonb;
  found jsonb := '[]';
begin
  for x in
    select r.node, case r.kind when 'members' then r.depth - 1 else r.depth end as shared
      from jsonb_to_recordset(reads) as r (node text, kind text, depth int)
  loop
    if x.shared = 0 then
      select jsonb_agg(jsonb_build_object(
               'node', s.node, 'path', s.path, 'state', s.state, 'cause', s.cause, 'error', s.error, 'outputs', s.outputs)) into part
        from step s where s.run_id = of_run and s.node = x.node and s.state <> 'running';
    else
      if x.shared <= cardinality(prefix) then
        low := prefix[1:x.shared];
        high := prefix[1:x.shared - 1] || (prefix[x.shared] + 1);
      else
        low := prefix || lo;
        high := prefix || (hi + 1);
      end if;
      last := case when cardinality(low) = 1 then high[1] - 1 else low[1] end;
      select jsonb_agg(jsonb_build_object(
               'node', s.node, 'path', s.path, 'state', s.state, 'cause', s.cause, 'error', s.error, 'outputs', s.outputs)) into part
        from step s
       where s.run_id = of_run and s.node = x.node and cardinality(s.path) > 0 and s.path[1] between low[1] and last
         and s.path >= low and s.path < high and s.state <> 'running';
    end if;
    found := found || coalesce(part, '[]');
  end loop;
  return found;
end $$;
