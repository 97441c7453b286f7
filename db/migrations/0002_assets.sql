-- Assets: bytes in the store, one row per workspace and content. The bytes lie under an opaque key, not their name.

create table asset (
  workspace_id uuid not null default app_workspace_id() references workspace (id) on delete cascade,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  storage_key text not null unique,
  kind text not null check (kind in ('video', 'audio', 'image', 'text', 'file')),
  bytes bigint not null check (bytes >= 0),
  -- the media facts as they travel on wires
  facts jsonb not null,
  -- sha256 of what it was made from, so that deleting a recording finds everything derived
  made_from text[] not null default '{}',
  -- where it came from and under which licence, in words
  attribution text,
  -- a long value of a step, compressed; never listed
  is_internal boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (workspace_id, sha256)
);
create index asset_newest on asset (workspace_id, created_at desc) where not is_internal;

-- Captions or a transcript that were given with a recording (same stem).
create table asset_sidecar (
  workspace_id uuid not null default app_workspace_id(),
  sha256 text not null,
  sidecar text not null,
  name text not null,
  created_at timestamptz not null default now(),
  primary key (workspace_id, sha256, sidecar),
  foreign key (workspace_id, sha256) references asset (workspace_id, sha256) on delete cascade,
  foreign key (workspace_id, sidecar) references asset (workspace_id, sha256) on delete cascade
);

do $$
declare
  t text;
begin
  foreach t in array array['asset', 'asset_sidecar'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy %I on %I using (workspace_id = (select app_workspace_id()))
      with check (workspace_id = (select app_workspace_id()))', t || '_in_workspace', t);
    execute format('grant select, insert, update, delete on %I to app', t);
  end loop;
end $$;
