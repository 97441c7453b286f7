-- What starts runs by itself.
--
--   pipeline_trigger one trigger node of a published version, turned on for one brand
--   trigger_event    what it accepted: the key makes that once for all; row, run, first strands and wake-up in one commit
--   asset_arrival    recordings that people finished uploading and that triggers have not been told of yet

create table pipeline_trigger (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  pipeline_id uuid not null,
  brand_id uuid not null,
  node text not null,
  kind text not null check (kind in ('webhook', 'schedule', 'asset', 'feed')),
  is_on boolean not null default true,
  -- the published version that it starts, and its node's settings there
  version int not null,
  config jsonb not null,
  -- webhook: the secret end of its address, to be looked up by and (sealed) to be shown again
  path_sha256 text unique,
  path_sealed text,
  -- webhook: what senders sign with or carry
  secret_sealed text,
  -- schedule: the next planned instant; feed: the next look
  next_at timestamptz,
  -- feed: { etag, modified, title, begun }
  cursor jsonb not null default '{}',
  -- feed: who looks now, and until when that is believed
  held_by uuid,
  held_until timestamptz,
  -- the last thing that a person should know of it: { code, message, hint, retry } and, where nothing is wrong, a note
  problem jsonb,
  note text,
  updated_at timestamptz not null default clock_timestamp(),
  unique (workspace_id, id),
  unique (pipeline_id, brand_id, node),
  foreign key (workspace_id, pipeline_id) references pipeline (workspace_id, id) on delete cascade,
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade
);
create index trigger_due on pipeline_trigger (kind, next_at) where is_on and next_at is not null;

create table trigger_event (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id(),
  trigger_id uuid not null,
  -- a webhook's idempotency key, a schedule's instant, an asset's digest, a feed item's id; else a random one
  key text not null,
  -- null: known and not started (what a feed had before), or its run was removed since
  run_id uuid,
  -- the raw bytes of a webhook, where they are few
  body bytea,
  accepted_at timestamptz not null default clock_timestamp(),
  unique (trigger_id, key),
  foreign key (workspace_id, trigger_id) references pipeline_trigger (workspace_id, id) on delete cascade,
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete set null (run_id)
);
create index trigger_event_newest on trigger_event (trigger_id, accepted_at desc);
create index trigger_event_of_run on trigger_event (run_id) where run_id is not null;

create table asset_arrival (
  id bigint generated always as identity primary key,
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  sha256 text not null,
  -- null: for all brands
  brand_id uuid,
  by_user text,
  at timestamptz not null default clock_timestamp()
);

-- What started it: { node, kind, event, sample }. `sample`: in words, where a person started it with an event made up.
alter table run add column trigger jsonb;
alter table run add column started_how text;

do $$
declare
  t text;
begin
  foreach t in array array['pipeline_trigger', 'trigger_event', 'asset_arrival'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
    execute format('grant select, insert, update, delete on %I to app', t);
  end loop;
end $$;

-- ---------------------------------------------------------------- doors

create policy trigger_for_routing on pipeline_trigger to router using (true) with check (true);
grant select (id, workspace_id, kind, is_on, path_sha256, updated_at, next_at, held_by, held_until) on pipeline_trigger to router;
grant update (held_by, held_until) on pipeline_trigger to router;
create policy asset_arrival_for_routing on asset_arrival to router using (true) with check (true);
grant select (id, workspace_id), update (id) on asset_arrival to router;

-- Which trigger an address belongs to, by the SHA-256 of its secret end.
create function door.hook(digest text) returns table (workspace_id uuid, trigger_id uuid, stamp timestamptz)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select t.workspace_id, t.id, t.updated_at from pipeline_trigger t where t.path_sha256 = digest and t.kind = 'webhook' and t.is_on
$$;

-- A schedule whose time has come, locked until the caller's transaction ends. `now`: the caller's clock.
create function door.due_schedule(now timestamptz) returns table (workspace_id uuid, trigger_id uuid)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  select t.workspace_id, t.id from pipeline_trigger t
   where t.is_on and t.kind = 'schedule' and t.next_at <= now
   order by t.next_at limit 1
     for update skip locked
$$;

-- A feed that is to be looked at, held by `looker` for two minutes.
create function door.due_feed(now timestamptz, looker uuid) returns table (workspace_id uuid, trigger_id uuid)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  update pipeline_trigger t set held_by = looker, held_until = clock_timestamp() + interval '2 minutes'
    from (select c.id from pipeline_trigger c
           where c.is_on and c.kind = 'feed' and c.next_at <= now
             and (c.held_until is null or c.held_until < clock_timestamp())
           order by c.next_at limit 1
             for update skip locked) chosen
   where t.id = chosen.id
  returning t.workspace_id, t.id
$$;

-- The oldest arrival, locked until the caller's transaction ends.
create function door.next_arrival() returns table (workspace_id uuid, arrival_id bigint)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  select a.workspace_id, a.id from asset_arrival a order by a.id limit 1 for update skip locked
$$;

grant execute on function door.hook(text), door.due_schedule(timestamptz), door.due_feed(timestamptz, uuid),
  door.next_arrival() to app;
grant create on schema door to router;
alter function door.hook(text) owner to router;
alter function door.due_schedule(timestamptz) owner to router;
alter function door.due_feed(timestamptz, uuid) owner to router;
alter function door.next_arrival() owner to router;
revoke create on schema door from router;

-- ---------------------------------------------------------------- accepting

-- Accepts what happened: event, run, first strands and wake-up in one commit. A key that is known starts nothing and
-- gives the first run; null: the trigger was turned off, or is of another version by now.
--   guard    a signature, say: with a new key it starts nothing either, and says so
--   of_run   { trigger, graph, plan, pins, first }; the brand kit is taken as it is now
create function accept_event(workspace uuid, of_trigger uuid, of_version int, event_key text, guard text, raw bytea, of_run jsonb) returns jsonb
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
  insert into run (number, pipeline_id, version, brand_id, graph, plan, pins, kit, trigger, started_how)
  select coalesce((select max(number) from run), 0) + 1, t.pipeline_id, of_version, t.brand_id, of_run -> 'graph', of_run -> 'plan',
         of_run -> 'pins', t.kit, of_run -> 'trigger', of_run -> 'trigger' ->> 'kind'
  returning id, number into started;
  update trigger_event set run_id = started.id where id = accepted;
  lanes := ledger_add_strands(started.id, of_run -> 'first');
  update run set open = s.open, state = case when s.open > 0 then 'running' else 'succeeded' end,
                 ended_at = case when s.open > 0 then null else clock_timestamp() end
    from (select count(*)::int as open from strand where run_id = started.id) s
   where id = started.id;
  for lane in select jsonb_object_keys(lanes) loop
    perform door.wake(lane);
  end loop;
  return jsonb_build_object('isNew', true, 'isReplay', false, 'runId', started.id, 'number', started.number);
end $$;

-- What a run was started by: its trigger's step asks once.
create function ledger_trigger(workspace uuid, of_run uuid) returns jsonb
  language plpgsql volatile
as $$
begin
  perform set_config('app.workspace_id', workspace::text, true);
  return (select trigger from run where id = of_run);
end $$;

grant execute on function accept_event(uuid, uuid, int, text, text, bytea, jsonb), ledger_trigger(uuid, uuid) to app;
