-- Pages of the built-in destination. `key` is what was published (the same thing again is the same page); the content
-- is what a page draws, and names the assets that anybody may then read.
create table showcase_page (
  workspace_id uuid not null default app_workspace_id(),
  brand_id uuid not null,
  id uuid not null default gen_random_uuid(),
  key text not null check (length(key) between 1 and 200),
  slug text not null check (slug ~ '^[a-z0-9][a-z0-9-]{0,79}$'),
  state text not null default 'published' check (state in ('published', 'unpublished')),
  visibility text not null default 'public' check (visibility in ('public', 'unlisted')),
  title text not null check (length(title) between 1 and 300),
  content jsonb not null,
  -- sha256 of every asset the page may show
  assets text[] not null default '{}',
  published_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (workspace_id, id),
  unique (workspace_id, brand_id, key),
  unique (workspace_id, brand_id, slug),
  foreign key (workspace_id, brand_id) references brand (workspace_id, id) on delete cascade
);
create unique index showcase_page_by_id on showcase_page (id);
alter table showcase_page enable row level security;
alter table showcase_page force row level security;
create policy showcase_page_in_workspace on showcase_page
  using (workspace_id = (select app_workspace_id()))
  with check (workspace_id = (select app_workspace_id()));
grant select, insert, update, delete on showcase_page to app;
create policy showcase_page_for_routing on showcase_page for select to router using (true);
grant select (workspace_id, id) on showcase_page to router;

-- Which workspace a public page belongs to.
create function door.page(wanted uuid) returns table (workspace_id uuid)
  language sql stable security definer set search_path = public, pg_temp
as $$
  select p.workspace_id from showcase_page p where p.id = wanted
$$;
grant execute on function door.page(uuid) to app;
grant create on schema door to router;
alter function door.page(uuid) owner to router;
revoke create on schema door from router;
