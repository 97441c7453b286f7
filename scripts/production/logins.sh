#!/bin/sh
# Makes the two logins of a production database; runs once, inside the postgres image, as its administrator.
# `spliceboard_migrate` makes the roles and owns the schema. `spliceboard_run` is what servers and workers use: it may
# act as app, auth and metrics (the migrator grants that), and owns nothing.
set -eu
psql --set ON_ERROR_STOP=1 --set migrate="$OWNER_PASSWORD" --set run="$APP_PASSWORD" \
  --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role spliceboard_migrate login createrole noinherit password :'migrate';
create role spliceboard_run login noinherit password :'run';
alter database spliceboard owner to spliceboard_migrate;
alter schema public owner to spliceboard_migrate;
revoke connect, temporary on database spliceboard from public;
grant connect on database spliceboard to spliceboard_migrate, spliceboard_run;
SQL
