-- What a backup reads and a restore leaves.

-- A backup goes from workspace to workspace, and has to know them all.
create policy workspace_for_routing on workspace for select to router using (true);
grant select (id) on workspace to router;

-- A run that was going on when its backup was made. What it sent after that nobody here knows: none of its acts is sent
-- again before a look-up has said that it did not arrive, or a person has.
alter table run add column restored_at timestamptz;

create function effect_after_restore() returns trigger language plpgsql as $$
begin
  if new.state = 'intended' and exists (select from run r where r.id = new.run_id and r.restored_at is not null) then
    new.state := 'unknown';
  end if;
  return new;
end $$;
create trigger effect_after_restore before insert on effect for each row execute function effect_after_restore();
