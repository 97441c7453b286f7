-- Runs are found by what went wrong in them: the words of failed steps. Few rows fail, so the index stays small.
create index step_failure_words on step
  using gin (to_tsvector('simple', coalesce(error ->> 'code', '') || ' ' || coalesce(error ->> 'message', '')))
  where state = 'failed';
