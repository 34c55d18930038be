#!/bin/sh
# PostgreSQL as its well-known image starts it, and no more: a cluster in $PGDATA whose superuser has $POSTGRES_PASSWORD.
set -eu
mkdir -p "$PGDATA"
# A volume may come with rights for its group.
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf %s "$POSTGRES_PASSWORD" >/tmp/password
  initdb --username=postgres --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
# Nothing here outlives a machine that crashes.
exec postgres -c 'listen_addresses=*' -c fsync=off
