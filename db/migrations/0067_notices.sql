-- Telling people by mail that something waits for them.
--
--   wait.notify_at  when its people are told (again); null: not, or not any more
--   notice          one wait, one person, asked or reminded: due → sending → sent | failed | dropped (the wait was over).
--                   Those of a person that are due go out together: `mail` names the letter, and stays through its tries
--   member.mail     whether this person wants to be told

alter table member add column mail boolean not null default true;
alter table wait add column notify_at timestamptz;
alter table wait add constraint wait_in_workspace_once unique (workspace_id, id);
create index wait_to_tell on wait (notify_at) where notify_at is not null;

create table notice (
  workspace_id uuid not null default app_workspace_id(),
  id uuid not null default gen_random_uuid(),
  wait_id uuid not null,
  user_id text not null,
  kind text not null check (kind in ('asked', 'reminder')),
  state text not null default 'due' check (state in ('due', 'sending', 'sent', 'failed', 'dropped')),
  mail uuid,
  attempt int not null default 0,
  -- due: not before; sending: whoever sends it is believed to until then
  next_at timestamptz not null,
  -- { code, message, hint, retry }
  error jsonb,
  sent_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  primary key (workspace_id, id),
  unique (wait_id, user_id, kind),
  foreign key (workspace_id, wait_id) references wait (workspace_id, id) on delete cascade
);
create index notice_open on notice (next_at) where state in ('due', 'sending');
create index notice_last on notice (workspace_id, user_id, sent_at desc) where sent_at is not null;
alter table notice enable row level security;
alter table notice force row level security;
create policy notice_in_workspace on notice using (workspace_id = (select app_workspace_id()))
  with check (workspace_id = (select app_workspace_id()));
grant select, insert, update, delete on notice to app;
create policy notice_for_routing on notice to router using (true) with check (true);
grant select (workspace_id, id, user_id, state, mail, attempt, next_at), update (state, mail, attempt, next_at) on notice to router;
create policy wait_for_routing on wait to router using (true) with check (true);
grant select (workspace_id, id, notify_at), update (notify_at) on wait to router;

-- A wait whose people are to be told, locked until the caller's transaction ends.
create function door.due_notice() returns table (workspace_id uuid, wait_id uuid)
  language sql volatile security definer set search_path = public, pg_temp
as $$
  select w.workspace_id, w.id from wait w
   where w.notify_at <= clock_timestamp()
   order by w.notify_at limit 1
     for update skip locked
$$;

-- The next letter: all that is due for one person of one workspace, or one whose sender is gone. Believed to be sent by
-- whoever took it for a minute.
create function door.take_mail(out workspace_id uuid, out mail_id uuid) returns record
  language plpgsql volatile security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  found_one record;
begin
  perform pg_advisory_xact_lock(7268416); -- one taker at a time
  select n.workspace_id, n.user_id, n.mail into found_one from notice n
   where n.state in ('due', 'sending') and n.next_at <= clock_timestamp()
   order by n.next_at limit 1;
  if not found then
    return;
  end if;
  take_mail.workspace_id := found_one.workspace_id;
  take_mail.mail_id := coalesce(found_one.mail, gen_random_uuid());
  update notice n
     set state = 'sending', mail = take_mail.mail_id, attempt = n.attempt + 1, next_at = clock_timestamp() + interval '1 minute'
   where n.workspace_id = found_one.workspace_id and n.user_id = found_one.user_id
     and (case when found_one.mail is null then n.mail is null and n.state = 'due' and n.next_at <= clock_timestamp() + interval '30 seconds'
               else n.mail = found_one.mail and n.state in ('due', 'sending') end);
end $$;

grant execute on function door.due_notice(), door.take_mail() to app;
grant create on schema door to router;
alter function door.due_notice() owner to router;
alter function door.take_mail() owner to router;
revoke create on schema door from router;
