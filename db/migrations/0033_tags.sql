-- A lane is what a worker takes: light and media, or a tag that a node asks for, such as gpu. A worker says its lanes as
-- its tags; one of the previous version says nothing and takes light and media.

alter table strand drop constraint strand_lane_check,
  add constraint strand_lane_check check (lane ~ '^[a-z][a-z0-9-]{0,30}$');
alter table worker add column tags text[] not null default '{light,media}';

-- Lanes that some living worker takes.
create function living_lanes() returns text[]
  language sql stable
as $$
  select coalesce(array_agg(distinct t.tag), '{}')
    from worker w cross join lateral unnest(w.tags) as t (tag)
   where w.beat_at > clock_timestamp() - interval '4 seconds'
$$;

-- Why a strand that could begin does not; null where a worker may take it at any moment.
create function lane_reason(lane text, living text[]) returns text
  language sql immutable
as $$
  select case
    when living = '{}' then 'No worker is running.'
    when lane <> all (living) then format('No worker with the tag %s is running.', lane)
  end
$$;
-- Servers and workers look whether their migrations are there.
grant select on schema_migration to app;

grant execute on function living_lanes(), lane_reason(text, text[]) to app;
