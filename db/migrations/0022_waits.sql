-- Waits: a step that sleeps until a time, for a call from outside or for a person. The strand sleeps, nothing is held.
--
--   open → answered | expired; `taken`: the node was given the answer. An answer may come before its wait: then it is the
--   row that the wait finds. Rows go with their step when that is made again, and with their run.

create table wait (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id(),
  run_id uuid not null,
  node text not null,
  path int[] not null,
  -- the node's own name for it
  name text not null,
  kind text not null check (kind in ('time', 'hook', 'person')),
  state text not null default 'open' check (state in ('open', 'answered', 'expired')),
  -- null: for ever
  until timestamptz,
  -- for a person: title, message, outcomes, fields, item
  request jsonb not null default '{}',
  answer jsonb,
  answered_by text,
  created_at timestamptz not null default clock_timestamp(),
  answered_at timestamptz,
  taken boolean not null default false,
  unique (run_id, node, path, name),
  check ((state = 'answered') = (answer is not null)),
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade
);
create index wait_open on wait (workspace_id, created_at) where state = 'open';
alter table wait enable row level security;
alter table wait force row level security;
create policy wait_in_workspace on wait using (workspace_id = (select app_workspace_id()))
  with check (workspace_id = (select app_workspace_id()));
grant select, insert, update, delete on wait to app;

-- Which workspace a run is in: a signed link names its run, the signature was checked before.
create policy run_for_routing on run to router using (true);
grant select (id, workspace_id) on run to router;
grant create on schema door to router;
create function door.run(wanted uuid) returns table (workspace_id uuid)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select r.workspace_id from run r where r.id = wanted
$$;
grant execute on function door.run(uuid) to app;
alter function door.run(uuid) owner to router;
revoke create on schema door from router;

-- Answers a wait, or keeps the answer for the wait to come. Lock order: strand, wait, as in a release.
-- 'answered', 'late' (it was answered or had expired), or 'over' (the run is not running any more).
create function ledger_answer(of_run uuid, of_node text, of_path int[], of_name text, of_kind text, given jsonb, by_whom text) returns text
  language plpgsql volatile
as $$
declare
  sleeping record;
begin
  perform from run where id = of_run and state = 'running';
  if not found then
    return 'over';
  end if;
  select s.id, s.lane, s.state into sleeping from strand s
   where s.run_id = of_run and s.node = of_node
     and (case when s.lo is null then s.prefix else s.prefix || s.lo end) = of_path and s.lo is not distinct from s.hi
     for update;
  insert into wait as w (run_id, node, path, name, kind, state, answer, answered_by, answered_at)
  values (of_run, of_node, of_path, of_name, of_kind, 'answered', given, by_whom, clock_timestamp())
  on conflict (run_id, node, path, name) do update
    set state = 'answered', answer = given, answered_by = by_whom, answered_at = clock_timestamp()
   where w.state = 'open';
  if not found then
    return 'late';
  end if;
  if sleeping.state = 'waiting' then
    update strand set state = 'ready', not_before = '-infinity', fair_at = clock_timestamp(), reason = null where id = sleeping.id;
    perform door.wake(sleeping.lane);
  end if;
  return 'answered';
end $$;
grant execute on function ledger_answer(uuid, text, int[], text, text, jsonb, text) to app;

-- As in 0005, and: a step whose wait was answered while it was going to sleep does not sleep.
create or replace function ledger_release(workspace uuid, held bigint, holder uuid, held_token int, wait_until timestamptz, why text, counts boolean)
  returns boolean
  language plpgsql volatile
as $$
declare
  given record;
begin
  perform set_config('app.workspace_id', workspace::text, true);
  -- who waits for what it makes does not wait out its back-off
  if wait_until is not null and exists (select from strand s where s.id = held and s.worker = holder and s.token = held_token)
     and ledger_close_keys(held, '[]', true) then
    perform door.wake('light'), door.wake('media');
  end if;
  update strand s
     set state = case when wait_until is null then 'ready' else 'waiting' end, worker = null,
         not_before = coalesce(wait_until, '-infinity'), fair_at = coalesce(nullif(wait_until, 'infinity'), clock_timestamp()), reason = why,
         attempts = s.attempts - case when counts then 0 else 1 end, progress = null, note = null
   where s.id = held and s.worker = holder and s.token = held_token and s.state = 'leased'
  returning s.lane, s.run_id, s.node, case when s.lo is null then s.prefix else s.prefix || s.lo end as path into given;
  if given.lane is null then
    return false;
  end if;
  if wait_until is not null then
    perform from wait w
      where w.run_id = given.run_id and w.node = given.node and w.path = given.path and w.state = 'answered' and not w.taken;
    if found then
      update strand set state = 'ready', not_before = '-infinity', fair_at = clock_timestamp(), reason = null where id = held;
    end if;
  end if;
  perform door.wake(given.lane);
  return true;
end $$;
