-- What a worker does once for the whole installation, asked for by a person: fetching a speech engine, for example.
-- Not a tenant's data. Taken by one worker at a time; one that died leaves it to be taken again after a minute.
create table chore (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('speech-install')),
  input jsonb not null,
  state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed')),
  progress jsonb not null default '{}',
  error jsonb,
  touched_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default now()
);
grant select, insert, update, delete on chore to app;
