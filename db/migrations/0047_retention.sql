-- How long runs are kept, and what goes with them. Without a row, or with nulls in it, everything is kept.
--
-- A run that goes on or waits is never taken away, nor one with an act whose end is open. One that has sent something stays
-- as a row with its acts and their evidence; its steps go (`pruned_at`).

create table retention (
  workspace_id uuid primary key default app_workspace_id() references workspace (id) on delete cascade,
  run_days int check (run_days between 1 and 3650),
  runs_per_pipeline int check (runs_per_pipeline between 1 and 100000),
  swept_at timestamptz,
  -- what the last sweep took: { runs, assets, bytes }
  swept jsonb
);
alter table retention enable row level security;
alter table retention force row level security;
create policy retention_in_workspace on retention
  using (workspace_id = (select app_workspace_id()))
  with check (workspace_id = (select app_workspace_id()));
grant select, insert, update on retention to app;

alter table run add column pruned_at timestamptz;

alter table asset
  -- when somebody last stored or finished the same: what is younger than a day may be on its way into a row
  add column touched_at timestamptz not null default now(),
  -- people brought it in: only people take it away
  add column is_given boolean not null default false,
  -- of a long value of a step: the digests that stand in it; null: not looked at yet
  add column names text[];
alter table asset no force row level security;
update asset set is_given = true where made_from = '{}' and not is_internal;
update asset set touched_at = created_at;
alter table asset force row level security;

-- Keys of bytes whose row is gone: removed from the store by the next sweep, so that a crash in between leaves nothing.
create table asset_gone (
  storage_key text primary key,
  at timestamptz not null default clock_timestamp()
);
grant select, insert, delete on asset_gone to app;
create function asset_goes() returns trigger language plpgsql as $$
begin
  insert into asset_gone (storage_key) values (old.storage_key) on conflict do nothing;
  return old;
end $$;
create trigger asset_goes after delete on asset for each row execute function asset_goes();

-- A workspace that was not swept for six hours.
create policy retention_for_routing on retention for select to router using (true);
grant select (workspace_id, swept_at) on retention to router;
grant select (id) on workspace to router;
grant create on schema door to router;
set local role router;
create function door.next_sweep() returns table (workspace_id uuid)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select w.id from workspace w left join retention r on r.workspace_id = w.id
   where r.swept_at is null or r.swept_at < clock_timestamp() - interval '6 hours'
   order by r.swept_at nulls first limit 1
$$;
grant execute on function door.next_sweep() to app;
reset role;
revoke create on schema door from router;
