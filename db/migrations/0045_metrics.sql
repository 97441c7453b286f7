-- Figures of the whole installation. The role `metrics` may count by state, lane and age; it sees no id, no name and no
-- content, and nothing that says which workspace a row is of.

grant select (lane, state, lo, hi, fair_at, not_before, worker) on strand to metrics;
grant select (state, started_at) on run to metrics;
grant select (state, created_at) on effect to metrics;
grant select (kind, state) on wait to metrics;
grant select (id, name, tags, facts, started_at, beat_at) on worker to metrics;
create policy strand_for_metrics on strand for select to metrics using (true);
create policy run_for_metrics on run for select to metrics using (true);
create policy effect_for_metrics on effect for select to metrics using (true);
create policy wait_for_metrics on wait for select to metrics using (true);

-- the last day is found without reading all that is older, and writing it costs almost nothing
create index run_started on run using brin (started_at) with (pages_per_range = 16, autosummarize = on);
create index effect_created on effect using brin (created_at) with (pages_per_range = 16, autosummarize = on);
create index effect_open on effect (state) where state in ('intended', 'sending', 'unknown');

-- Steps that workers have settled, ever: what each worker counted, added up every few seconds. Of node types, not of
-- anybody's nodes.
create table tally (
  type text not null,
  state text not null,
  count bigint not null,
  seconds double precision not null,
  -- how many took at most 5 ms, 25 ms, 100 ms …: BUCKETS in db/metrics.ts
  buckets bigint[] not null,
  primary key (type, state)
);
grant select, insert, update on tally to app;
grant select on tally to metrics;
