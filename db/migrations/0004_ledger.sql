-- The ledger of runs. A queue job is only a wake-up; these rows are the truth.
--
--   run       one execution of a graph for one brand; keeps graph, plan and brand kit as they were at its start
--   strand    what a worker claims: one node at one item path, or a range of sibling items; gone once it is settled
--             ready → leased → (settled: row deleted) | ready (lost worker, retry) | waiting (time, or another's result)
--   step      one execution of one node for one item; written when it is settled, or when a heavy one starts
--             running → done | failed | blocked | skipped | cancelled
--   counter   how many arrivals a gate, a step or a gather still waits for (runtime/graph/advance.ts)
--   worker    who holds leases: the lease is the worker's, beaten each second by the database's clock

create table run (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  -- counted within the workspace: "run 41"
  number int not null,
  pipeline_id uuid not null,
  -- null: the draft
  version int,
  brand_id uuid not null,
  state text not null default 'running'
    check (state in ('running', 'succeeded', 'problems', 'cancelled', 'stopped', 'failed')),
  dry_run boolean not null default false,
  graph jsonb not null,
  plan jsonb not null,
  -- node type → { version, digest }
  pins jsonb not null,
  -- the brand kit as it was
  kit jsonb not null,
  -- for effects: retry, recovery and continue keep it
  intent uuid not null default gen_random_uuid(),
  seed int not null default (floor(random() * 2147483647))::int,
  -- benches never meet the cache
  nonce text,
  -- nodes whose results are made again, whatever is stored
  afresh text[] not null default '{}',
  started_by text,
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  -- strands that are not settled yet; at 0 the run ends
  open int not null default 0,
  -- failed (and not handled) or blocked steps
  troubles int not null default 0,
  unique (workspace_id, id),
  unique (workspace_id, number),
  foreign key (workspace_id, pipeline_id) references pipeline (workspace_id, id) on delete cascade,
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade
);
create index run_newest on run (workspace_id, pipeline_id, brand_id, number desc);
create index run_running on run (workspace_id) where state = 'running';

create table worker (
  id uuid primary key,
  -- the session advisory lock (7268412, lock_id) is held as long as its process lives
  lock_id int not null unique,
  name text not null,
  started_at timestamptz not null default clock_timestamp(),
  beat_at timestamptz not null default clock_timestamp(),
  -- what `doctor` and /healthz show
  facts jsonb not null default '{}'
);
create sequence worker_lock as int cycle;
grant select, insert, update, delete on worker to app, router;
grant usage on sequence worker_lock to app;

create table strand (
  id bigint generated always as identity primary key,
  workspace_id uuid not null default app_workspace_id(),
  run_id uuid not null,
  node text not null,
  -- the item path is prefix || n for n in lo … hi; or prefix alone where lo is null
  prefix int[] not null,
  lo int,
  hi int,
  lane text not null check (lane in ('light', 'media')),
  state text not null default 'ready' check (state in ('ready', 'leased', 'waiting')),
  fair_at timestamptz not null default clock_timestamp(),
  -- not to be claimed before
  not_before timestamptz not null default '-infinity',
  worker uuid,
  -- fencing: raised by each claim; what an earlier holder sends is refused
  token int not null default 0,
  attempts int not null default 0,
  -- workers that died while holding it
  deaths int not null default 0,
  reason text,
  -- the reuse key that another strand is making
  waits_for text,
  progress real,
  note text,
  -- the step's instant, fixed for all its attempts
  began_at timestamptz,
  leased_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  check ((lo is null) = (hi is null)),
  check ((state = 'leased') = (worker is not null)),
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade
) with (fillfactor = 70);
create index strand_claimable on strand (lane, fair_at) where state in ('ready', 'waiting');
create index strand_held on strand (worker) where state = 'leased';
create index strand_of_run on strand (run_id, node);
create index strand_waiting_for on strand (workspace_id, waits_for) where waits_for is not null;

create table step (
  workspace_id uuid not null default app_workspace_id(),
  run_id uuid not null,
  node text not null,
  path int[] not null,
  state text not null check (state in ('running', 'done', 'failed', 'blocked', 'skipped', 'cancelled')),
  attempt int not null default 0,
  -- port → [{ digest }, …]: what it was given
  inputs jsonb not null default '{}',
  -- port → { digest, bytes, count, value | asset, preview }; count null unless a list
  outputs jsonb not null default '{}',
  -- port → what the node made, where a person's override stands in outputs
  made jsonb not null default '{}',
  error jsonb,
  -- of a blocked step: node@path of the first failure
  cause text,
  -- in words: "Reused from run 41."
  reason text,
  facts jsonb not null default '[]',
  reused_run uuid,
  reused_number int,
  began_at timestamptz,
  ended_at timestamptz,
  primary key (run_id, node, path),
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade
);

create table counter (
  workspace_id uuid not null default app_workspace_id(),
  run_id uuid not null,
  kind char(1) not null check (kind in ('s', 'g')),
  node text not null,
  path int[] not null,
  "left" int not null,
  length int,
  primary key (run_id, kind, node, path),
  foreign key (workspace_id, run_id) references run (workspace_id, id) on delete cascade
) with (fillfactor = 70);

-- What a step made, by everything it depends on. `making`: a strand is at it, others wait.
create table reuse (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  key text not null,
  state text not null check (state in ('making', 'made')),
  run_id uuid not null,
  run_number int not null,
  brand_id uuid not null,
  node text not null,
  path int[] not null,
  strand bigint,
  outputs jsonb,
  facts jsonb,
  -- what was read besides the key's parts, as { name: digest }
  ambient jsonb not null default '{}',
  made_at timestamptz,
  used_at timestamptz not null default clock_timestamp(),
  primary key (workspace_id, key)
);
create index reuse_of_run on reuse (run_id) where state = 'making';
create index reuse_of_strand on reuse (strand) where state = 'making';

-- Replies of media and render operations, by the digest of method, arguments and engine.
create table memo (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  key text not null,
  reply jsonb not null,
  made_at timestamptz not null default clock_timestamp(),
  primary key (workspace_id, key)
);

-- A person's edit of a step's output: a value, and an input of everything after it, in later runs too.
create table override (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null default app_workspace_id(),
  pipeline_id uuid not null,
  brand_id uuid not null,
  node text not null,
  path int[] not null,
  port text not null,
  -- the digest of what the node had made; another one asks before the edit is applied
  source_digest text not null,
  value jsonb not null,
  by_user text,
  at timestamptz not null default now(),
  unique (pipeline_id, brand_id, node, path, port, source_digest),
  foreign key (workspace_id, pipeline_id) references pipeline (workspace_id, id) on delete cascade,
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade
);

-- Small state that a node keeps from run to run.
create table node_store (
  workspace_id uuid not null default app_workspace_id(),
  pipeline_id uuid not null,
  brand_id uuid not null,
  node text not null,
  key text not null check (length(key) between 1 and 200),
  value jsonb not null,
  at timestamptz not null default now(),
  primary key (pipeline_id, brand_id, node, key),
  foreign key (workspace_id, pipeline_id) references pipeline (workspace_id, id) on delete cascade,
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade
);

do $$
declare
  t text;
begin
  foreach t in array array['run', 'strand', 'step', 'counter', 'reuse', 'memo', 'override', 'node_store'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
    execute format('grant select, insert, update, delete on %I to app', t);
  end loop;
end $$;

-- What claiming, reaping and beating need before a workspace is known: never a value, never a name.
create policy strand_for_routing on strand to router using (true) with check (true);
grant select (id, workspace_id, run_id, lane, state, fair_at, not_before, worker, token, attempts, deaths, began_at, leased_at, waits_for)
  on strand to router;
grant update (state, fair_at, not_before, worker, token, attempts, deaths, began_at, leased_at, reason, waits_for, progress, note)
  on strand to router;
