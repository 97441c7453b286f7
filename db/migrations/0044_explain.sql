-- How many places of each lane are taken, over all workspaces: why a step that could begin does not. Counts, nothing else.
grant create on schema door to router;
set local role router;
create function door.taken() returns table (lane text, taken int)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select s.lane, count(*)::int from strand s where s.state = 'leased' group by s.lane
$$;
grant execute on function door.taken() to app;
reset role;
revoke create on schema door from router;

-- explained from what workers say of themselves, not by a function of the database any more (kept for the version before)
comment on function lane_reason(text, text[]) is 'Not called since 0044.';
