-- Strands of a run that are worked on and came before one of its strands: what they will ask for counts against a budget
-- before they have asked. In the order of their leases, so that of two that meet the last of it exactly one goes on.
create function ledger_before(of_run uuid, held bigint) returns table (node text, seconds double precision, asked boolean)
  language sql stable
as $$
  select s.node, extract(epoch from clock_timestamp() - s.leased_at)::float8,
         exists (select from call c where c.run_id = s.run_id and c.node = s.node and c.path[1:cardinality(s.prefix)] = s.prefix)
         or exists (select from effect e where e.run_id = s.run_id and e.node = s.node and e.path[1:cardinality(s.prefix)] = s.prefix)
    from strand s, strand own
   where own.id = held and s.run_id = of_run and s.state = 'leased' and (s.leased_at, s.id) < (own.leased_at, own.id)
$$;
grant execute on function ledger_before(uuid, bigint) to app;
