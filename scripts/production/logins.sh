#!/bin/sh
# Makes the logins of a production database; runs once, inside the postgres image, as its administrator.
#
#   spliceboard_migrate  makes the roles and owns the schema
#   spliceboard_server   may act as app, auth and metrics
#   spliceboard_worker   may act as app, metrics, and owner for the queue's own tables
#
# None is a superuser, and none has rights by itself: the migrator (scripts/migrate.ts) grants the roles.
set -eu
psql --set ON_ERROR_STOP=1 --set migrate="$OWNER_PASSWORD" --set server="$SERVER_PASSWORD" --set worker="$WORKER_PASSWORD" \
  --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role spliceboard_migrate login createrole noinherit password :'migrate';
create role spliceboard_server login noinherit password :'server';
create role spliceboard_worker login noinherit password :'worker';
alter database spliceboard owner to spliceboard_migrate;
alter schema public owner to spliceboard_migrate;
revoke connect, temporary on database spliceboard from public;
grant connect on database spliceboard to spliceboard_migrate, spliceboard_server, spliceboard_worker;
SQL
