# One PostgreSQL cluster and a pgbouncer in front of it, a MariaDB, a MySQL and a FerretDB, in the temporary folder, on free ports.
# shellcheck shell=bash

# shellcheck source=tests/stages/mysql.sh
source tests/stages/mysql.sh
# shellcheck source=tests/stages/ferretdb.sh
source tests/stages/ferretdb.sh

# PostgreSQL refuses to run as root.
as_postgres() {
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
  else
    "$@"
  fi
}

# start_servers: starts all, once. It writes what tests have to know to $work/env.
start_servers() {
  local pids=() pid status=0
  [ ! -e "$work/env" ] || return 0
  start_postgresql >"$work/postgres.start" 2>&1 & pids+=($!)
  start_mariadb "$work/mariadb" >"$work/mariadb.start" 2>&1 & pids+=($!)
  if [ -e "$cache/mysql" ]; then
    start_mysql "$work/mysql" >"$work/mysql.start" 2>&1 & pids+=($!)
  fi
  if [ -e "$cache/documentdb" ] && [ -e "$cache/ferretdb/$ferretdb_version" ] && [ -z "${FORGETD_TEST_MONGODB_URL:-}" ]; then
    start_ferretdb "$work/ferretdb" >"$work/ferretdb.start" 2>&1 & pids+=($!)
  fi
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  [ "$status" -eq 0 ] || { cat "$work"/*.start "$work"/{m*,ferretdb}/log; return 1; }
  {
    postgres_env "$work/postgres"
    mysql_env MARIADB "$work/mariadb"
    mysql_env MYSQL "$work/mysql"
    ferretdb_env "$work/ferretdb"
  } >"$work/env"
}

start_postgresql() {
  local pg="$work/postgres"
  mkdir -p "$pg/socket" "$pg/bouncer"
  certificates "$pg"
  [ "$(id -u)" -ne 0 ] || chown -R postgres: "$pg"
  (cd "$pg" && as_postgres "$pg_bin/initdb" -D "$pg/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync)
  {
    # A role of this group must give its password.
    echo 'local all all trust'
    echo 'host all +forgetd_scram all scram-sha-256'
    echo 'host all all 127.0.0.1/32 trust'
    echo 'host all all ::1/128 trust'
  } >"$pg/data/pg_hba.conf"
  start_postgres "$pg"
  start_pgbouncer "$pg"
}

postgres_env() {
  local pg="$1"
  cat <<TEXT
export FORGETD_TEST_POSTGRES_URL='postgres://postgres@127.0.0.1:$(cat "$pg/port")/postgres'
export FORGETD_TEST_POSTGRES_SOCKET='$pg/socket'
export FORGETD_TEST_POSTGRES_CA='$pg/ca.crt'
export FORGETD_TEST_POSTGRES_BIN='$pg_bin'
export FORGETD_TEST_PGBOUNCER_URL='postgres://postgres@127.0.0.1:$(cat "$pg/bouncer/port")/postgres'
TEXT
}

# A private CA and a certificate for `localhost`.
certificates() {
  local dir="$1"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=forgetd test CA' \
    -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
    -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
  printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >"$dir/server.ext"
  openssl x509 -req -days 2 -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial \
    -extfile "$dir/server.ext" -out "$dir/server.crt" 2>/dev/null
  chmod 600 "$dir/server.key"
}

start_postgres() {
  local pg="$1" port try
  for try in 1 2 3 4 5; do
    port="$(free_port)"
    # Only our own processes crash here, never the machine: no fsync.
    cat >"$pg/data/postgresql.auto.conf" <<TEXT
listen_addresses = '127.0.0.1,::1'
port = $port
unix_socket_directories = '$pg/socket'
max_connections = 200
fsync = off
shared_buffers = 128MB
max_wal_size = 2GB
wal_level = logical
ssl = on
ssl_cert_file = '$pg/server.crt'
ssl_key_file = '$pg/server.key'
TEXT
    if (cd "$pg" && as_postgres "$pg_bin/pg_ctl" -D "$pg/data" -l "$pg/log" -w -t 60 start); then
      echo "$port" >"$pg/port"
      "$pg_bin/psql" -qX -h "$pg/socket" -p "$port" -U postgres -c 'create role forgetd_scram nologin'
      return 0
    fi
    echo "attempt $try on port $port failed"
  done
  cat "$pg/log"
  return 1
}

# Transaction mode, any database, any user without a password.
start_pgbouncer() {
  local pg="$1" dir="$1/bouncer" port try
  for try in 1 2 3 4 5; do
    port="$(free_port)"
    cat >"$dir/ini" <<TEXT
[databases]
* = host=127.0.0.1 port=$(cat "$pg/port")
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 200
default_pool_size = 5
logfile = $dir/log
pidfile = $dir/pid
ignore_startup_parameters = extra_float_digits
TEXT
    # `auth_type = any` needs one user for everybody.
    sed -i "s/^\* = .*/& user=postgres/" "$dir/ini"
    if as_postgres pgbouncer -q -d "$dir/ini" && wait_port "$port"; then
      echo "$port" >"$dir/port"
      return 0
    fi
    echo "attempt $try on port $port failed"
  done
  cat "$dir/log"
  return 1
}

stop_servers() {
  local pg="$work/postgres"
  local server
  for server in "$work"/{mariadb,mysql} "$work"/{galera,replica,group}/?; do stop_process "$server"; done
  for server in "$work"/versions/?*; do [ ! -e "$server" ] || stop_version "$server"; done
  stop_ferretdb "$work/ferretdb"
  [ ! -e "$pg/bouncer/pid" ] || kill "$(cat "$pg/bouncer/pid")" 2>/dev/null || true
  if [ -e "$pg/data/postmaster.pid" ]; then
    (cd "$pg" && as_postgres "$pg_bin/pg_ctl" -D "$pg/data" -m immediate -w stop) >/dev/null 2>&1 || true
  fi
}

# A port that nobody listens on right now; whoever loses it to another draws again.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# wait_port PORT: until somebody listens, at most ten seconds.
wait_port() {
  local _
  for _ in $(seq 200); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
    sleep 0.05
  done
  return 1
}

# with_servers COMMAND..: runs it with the servers' addresses in its environment.
with_servers() {
  start_servers
  # shellcheck source=/dev/null
  source "$work/env"
  "$@"
}
