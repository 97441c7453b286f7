-- The journal of calls that pay, write or wait, and the ledger of visible acts in the outside world.

-- The reply is committed before the isolate sees it; a new attempt runs from its first line and is answered from here.
create table call (
  workspace_id uuid not null default app_workspace_id(),
  run_id uuid not null,
  node text not null,
  path int[] not null,
  -- method + request digest + occurrence
  key text not null,
  request_digest text not null,
  state text not null check (state in ('open', 'answered')),
  -- a remote job's id, stored before it is polled
  handle text,
  reply jsonb,
  at timestamptz not null default clock_timestamp(),
  primary key (run_id, node, path, key),
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade
);

-- States, and what each promises:
--   intended   recorded; nothing was sent
--   sending    may have been sent until send_by, by the holder of `token`, never by anybody else
--   accepted   the platform answered with a handle
--   confirmed  evidence that it happened
--   refused    a definite no; nothing happened
--   unknown    no answer, or one that says nothing: looked up before anything is repeated, else a person decides
--   absent     looked up with authority: it did not happen
create table effect (
  workspace_id uuid not null default app_workspace_id(),
  id uuid primary key default gen_random_uuid(),
  -- sha256(workspace, intent, node, path, name)
  key text not null,
  brand_id uuid not null,
  connection text,
  run_id uuid not null,
  node text not null,
  path int[] not null,
  name text not null,
  kind text not null,
  request jsonb not null,
  content_digest text not null,
  state text not null default 'intended'
    check (state in ('intended', 'sending', 'accepted', 'confirmed', 'refused', 'unknown', 'absent')),
  attempt int not null default 0,
  token int,
  send_by timestamptz,
  handle text,
  evidence jsonb,
  next_check_at timestamptz,
  checks int not null default 0,
  decided_by text,
  decided_at timestamptz,
  sent_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  unique (workspace_id, key),
  check (state <> 'sending' or (token is not null and send_by is not null)),
  check (state not in ('accepted', 'confirmed') or handle is not null or evidence is not null),
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade,
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade
);
create index effect_same_content on effect (workspace_id, kind, content_digest);

create function effect_moves() returns trigger language plpgsql as $$
begin
  if old.state = new.state then
    if new.state = 'sending' and new.token is distinct from old.token then
      raise exception 'an effect that is being sent belongs to its sender';
    end if;
    return new;
  end if;
  if not (old.state || '>' || new.state) = any (array[
    'intended>sending', 'sending>accepted', 'sending>confirmed', 'sending>refused', 'sending>unknown', 'accepted>confirmed',
    'accepted>unknown', 'unknown>confirmed', 'unknown>absent', 'absent>sending', 'refused>sending']) then
    raise exception 'an effect does not go from % to %', old.state, new.state;
  end if;
  if old.state = 'refused' and new.content_digest = old.content_digest then
    raise exception 'a refused effect is sent again only with a changed request';
  end if;
  return new;
end $$;
create trigger effect_moves before update on effect for each row execute function effect_moves();

do $$
declare
  t text;
begin
  foreach t in array array['call', 'effect'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
  end loop;
end $$;
grant select, insert, update, delete on call to app;
grant select, insert, update on effect to app;
