-- When a step was found to be within its run's budget: from then on what it will ask for counts, before it has asked.
alter table strand add column allowed_at timestamptz;
