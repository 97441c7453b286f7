-- What a run was expected to take when it began, to be held against what it took: { seconds, calls, posts, accounts, … }.
alter table run add column estimate jsonb;

-- Whether a result that an earlier run made is still kept.
create index reuse_made_of_run on reuse (run_id) where state = 'made';
