-- What failed for good is found without reading the runs that went well; few rows fail, so both stay small.
create index run_in_trouble on run (workspace_id, number desc) where state in ('running', 'problems', 'failed');
create index step_failed on step (run_id) where state = 'failed';

-- A person has seen what failed up to then and leaves it.
alter table run add column put_aside_at timestamptz;
