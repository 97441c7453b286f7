-- How often a connection is asked, counted for all workers together: a token bucket, kept as the instant at which it will
-- be full again. A turn that comes within half a minute is promised to who asked, so that sleeping steps wake one by one
-- in their order; who would have to wait longer is told when to ask again, so that little is lost with a cancelled run.
--
--   bucket       one connection of a workspace; of a key that the installation shares: of nobody
--   bucket_turn  a promised turn, until its holder comes for it

create table bucket (
  workspace_id uuid references workspace (id) on delete cascade,
  connection text not null check (length(connection) between 1 and 300),
  -- a person's own limit: requests in a minute. Null: whoever asks says what is usual
  per_minute real check (per_minute > 0),
  -- counting what was promised, and what was really taken: who comes late for a promise does not crowd those after it
  full_at timestamptz not null default '-infinity',
  used_at timestamptz not null default '-infinity',
  -- the other side asked to wait until then
  held_until timestamptz not null default '-infinity'
);
create unique index bucket_of on bucket (coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), connection);

create table bucket_turn (
  workspace_id uuid not null default app_workspace_id(),
  run_id uuid not null,
  connection text not null,
  holder text not null check (length(holder) <= 700),
  at timestamptz not null,
  primary key (workspace_id, run_id, connection, holder),
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade
);
create index bucket_turn_old on bucket_turn (workspace_id, connection, at);

do $$
declare
  t text;
begin
  foreach t in array array['bucket', 'bucket_turn'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
    execute format('grant select, insert, update, delete on %I to app', t);
    execute format('create policy %I on %I to router using (true) with check (true)', t || '_for_routing', t);
    execute format('grant select, insert, update, delete on %I to router', t);
  end loop;
end $$;

-- Takes a turn at a connection of this workspace, or of the installation (`shared`). `requests` in `seconds` is what is usual;
-- null: no limit, only what the other side has asked for. Of n requests a tenth may come at once and the others are spread,
-- so that no stretch of that length ever sees more than n.
--   wait_ms   0: go; else ask again then, under the same name
--   most      requests in a minute by which it was counted; null: none
--   is_held   the other side asked to wait
create function door.take_turn(of_connection text, shared boolean, of_run uuid, of_holder text, requests real, seconds real,
                               out wait_ms real, out most real, out is_held boolean)
  language plpgsql volatile security definer set search_path = public, pg_temp
as $$
declare
  ahead constant interval := interval '30 seconds';
  own constant uuid := app_workspace_id();
  whose constant uuid := case when shared then null else app_workspace_id() end;
  b record;
  now_is timestamptz;
  promised timestamptz;
  burst real;
  every interval;
  full_then timestamptz;
  used_then timestamptz;
  slot timestamptz;
begin
  if own is null then
    raise exception 'A turn is taken inside a workspace.';
  end if;
  if requests is not null then
    insert into bucket (workspace_id, connection) values (whose, of_connection)
    on conflict (coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), connection) do nothing;
  end if;
  select per_minute, full_at, used_at, held_until into b from bucket
   where workspace_id is not distinct from whose and connection = of_connection
     for update;
  now_is := clock_timestamp();
  wait_ms := 0;
  is_held := false;
  if not found then
    return;
  end if;
  if b.per_minute is not null then
    requests := b.per_minute;
    seconds := 60;
  end if;
  most := requests * 60 / seconds;
  is_held := b.held_until > now_is;
  if requests is null then
    if is_held then
      wait_ms := extract(epoch from b.held_until - now_is) * 1000 + random() * 2000;
    end if;
    return;
  end if;
  burst := greatest(1, floor(requests / 10));
  every := make_interval(secs => seconds / greatest(requests - burst + 1, 1));
  used_then := greatest(b.used_at, now_is) + every;
  select t.at into promised from bucket_turn t
   where t.workspace_id = own and t.run_id = of_run and t.connection = of_connection and t.holder = of_holder;
  if promised is not null and promised >= b.held_until then
    slot := greatest(promised, used_then - burst * every);
    if slot > now_is then
      wait_ms := greatest(extract(epoch from slot - now_is) * 1000, 1);
      return;
    end if;
    update bucket set used_at = used_then where workspace_id is not distinct from whose and connection = of_connection;
    delete from bucket_turn t
     where t.workspace_id = own and t.run_id = of_run and t.connection = of_connection and t.holder = of_holder;
    return;
  end if;
  full_then := greatest(b.full_at, now_is) + every;
  slot := greatest(now_is, full_then - burst * every, used_then - burst * every, b.held_until);
  if slot > now_is + ahead then
    -- spread, so that who asked first is not the one who comes last
    wait_ms := extract(epoch from greatest(slot - ahead * random(), b.held_until) - now_is) * 1000;
    return;
  end if;
  update bucket set full_at = full_then, used_at = case when slot > now_is then used_at else used_then end
   where workspace_id is not distinct from whose and connection = of_connection;
  if slot > now_is then
    delete from bucket_turn t
     where t.workspace_id = own and t.connection = of_connection and t.at < now_is - interval '10 minutes';
    insert into bucket_turn (workspace_id, run_id, connection, holder, at) values (own, of_run, of_connection, of_holder, slot)
    on conflict (workspace_id, run_id, connection, holder) do update set at = excluded.at;
    wait_ms := greatest(extract(epoch from slot - now_is) * 1000, 1);
  end if;
end $$;

-- The other side asked to wait: nobody asks it before that, and then not all at once.
create function door.hold_back(of_connection text, shared boolean, seconds real) returns void
  language sql volatile security definer set search_path = public, pg_temp
as $$
  insert into bucket as b (workspace_id, connection, held_until, full_at)
  select case when shared then null else app_workspace_id() end, of_connection, u.until, u.until
    from (select clock_timestamp() + make_interval(secs => seconds) as until) u
   where app_workspace_id() is not null
  on conflict (coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), connection) do update
    set held_until = greatest(b.held_until, excluded.held_until), full_at = greatest(b.full_at, excluded.full_at)
$$;

grant execute on function door.take_turn(text, boolean, uuid, text, real, real), door.hold_back(text, boolean, real) to app;
grant create on schema door to router;
alter function door.take_turn(text, boolean, uuid, text, real, real) owner to router;
alter function door.hold_back(text, boolean, real) owner to router;
revoke create on schema door from router;
