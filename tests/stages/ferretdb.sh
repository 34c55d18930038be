# One FerretDB, a server of MongoDB's protocol, over a PostgreSQL of its own from Debian testing, in the temporary folder,
# on free ports.
# shellcheck shell=bash

ferretdb_version=v2.7.0

# FerretDB is built from its Go modules; PostgreSQL with documentdb is unpacked beside it, in the cache, where both stay.
ferretdb_stage() {
  # A server that somebody names is tested on instead.
  [ -z "${FORGETD_TEST_MONGODB_URL:-}" ] || return 0
  ferretdb_program
  documentdb_packages
}

ferretdb_program() {
  local go="$work/go" package=github.com/FerretDB/FerretDB/v2/cmd/ferretdb
  [ ! -e "$cache/ferretdb/$ferretdb_version" ] || return 0
  mkdir -p "$go"
  # Every other version follows from FerretDB's own; the sums are pinned.
  printf 'module ferretdb-build\n\ngo 1.25.4\n\nrequire github.com/FerretDB/FerretDB/v2 %s\n' "$ferretdb_version" >"$go/go.mod"
  cp tests/stages/ferretdb.go.sum "$go/go.sum"
  export GOPATH="$go/path" GOCACHE="$go/cache" GOFLAGS='-mod=mod -modcacherw' CGO_ENABLED=0
  if ! (cd "$go" && go list -deps "$package" >/dev/null); then
    skip "FerretDB's Go modules could not be downloaded (Go 1.21 or later gets what they need): tests on it pass without doing anything"
  fi
  (cd "$go" && go build -trimpath -ldflags='-s -w' -o ferretdb "$package")
  mkdir -p "$cache/ferretdb"
  mv "$go/ferretdb" "$cache/ferretdb/$ferretdb_version"
  rm -rf "$go"
}

# documentdb needs PostGIS, of which GDAL and SFCGAL, two thirds of the whole, serve parts that it does not use: the apt of
# ours takes them for installed.
documentdb_packages() {
  local apt="$work/documentdb.apt" package
  [ ! -e "$cache/documentdb" ] || return 0
  own_apt "$apt" forky || skip "documentdb could not be downloaded: apt is told of no mirror of Debian"
  if ! apt-get "${own_apt[@]}" update -o APT::Update::Error-Mode=any; then
    skip "documentdb could not be downloaded from Debian testing: tests on FerretDB pass without doing anything"
  fi
  for package in $(apt-cache "${own_apt[@]}" depends postgresql-18-postgis-3 | awk '$1 == "Depends:" && $2 ~ /^lib(gdal|sfcgal)/ { print $2 }'); do
    printf 'Package: %s\nStatus: install ok installed\nVersion: 99:0\nArchitecture: %s\nMaintainer: none\nDescription: none\n\n' \
      "$package" "$(dpkg --print-architecture)" >>"$apt/status"
  done
  if ! apt-get "${own_apt[@]}" -y --no-install-recommends --download-only install postgresql-18-documentdb; then
    skip "documentdb could not be downloaded from Debian testing: tests on FerretDB pass without doing anything"
  fi
  for package in "$apt"/cache/archives/*.deb; do dpkg -x "$package" "$apt/tree"; done
  documentdb_tree "$apt/tree" "$apt/slim"
  mv "$apt/slim" "$cache/documentdb"
  rm -rf "$apt"
}

# documentdb_tree FROM TO: what PostgreSQL needs of the packages, and what their scripts would have done.
documentdb_tree() {
  local from="$1/usr" to="$2/usr" bin program
  mkdir -p "$to/lib" "$to/share"
  mv "$from/lib/postgresql" "$from"/lib/*-linux-gnu* "$to/lib"
  mv "$from/share/postgresql" "$from/share/proj" "$to/share"
  ln -s postgis-3.control "$to/share/postgresql/18/extension/postgis.control"
  bin="$to/lib/postgresql/18/bin"
  for program in initdb postgres psql; do
    mv "$bin/$program" "$bin/$program.bin"
    # Testing's C library is newer than ours, so its own loader runs the program.
    cat >"$bin/$program" <<'TEXT'
#!/bin/sh
bin="$(dirname "$(readlink -f "$0")")"
libraries="$(echo "$bin"/../../../*-linux-gnu*)"
exec "$libraries"/ld-linux-*.so.* --argv0 "$0" --library-path "$libraries:$bin/../lib" "$bin/$(basename "$0").bin" "$@"
TEXT
    chmod 755 "$bin/$program"
  done
}

# start_ferretdb DIR: starts both, and leaves port, tls_port, pid and ca.crt in the folder; and two more over the same
# documents, with port and pid in `login`, which lets nobody in without a password, and in `reader`, which may read only.
start_ferretdb() {
  local dir="$1"
  ferretdb_program
  documentdb_packages
  mkdir -p "$dir/state"
  certificates "$dir"
  start_documentdb "$dir/documentdb"
  start_ferretdb_server "$dir" "$dir" postgres --no-auth
  start_ferretdb_server "$dir" "$dir/login" postgres --auth
  start_ferretdb_server "$dir" "$dir/reader" forgetd_reader --no-auth
}

start_documentdb() {
  local dir="$1" port try root="$cache/documentdb"
  mkdir -p "$dir"
  if [ "$(id -u)" -eq 0 ]; then
    # PostgreSQL does not run as root, and others may not look into root's cache.
    root="$dir/root"
    cp -al "$cache/documentdb" "$root" 2>/dev/null || { rm -rf "$root"; cp -a "$cache/documentdb" "$root"; }
    mkdir "$dir/data"
    chown postgres: "$dir/data"
  fi
  documentdb_bin="$root/usr/lib/postgresql/18/bin"
  if [ -n "${FORGETD_DOCUMENTDB_DATA:-}" ]; then
    # Those of a server that was stopped in peace.
    cp -a "$FORGETD_DOCUMENTDB_DATA/." "$dir/data"
  else
    (cd "$dir" && as_postgres "$documentdb_bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync)
  fi
  for try in 1 2 3 4 5; do
    port="$(free_port)"
    # Only our own processes crash here, never the machine: no fsync.
    cat >"$dir/data/postgresql.auto.conf" <<TEXT
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
cron.database_name = 'postgres'
cron.host = '127.0.0.1'
max_connections = 200
shared_buffers = 128MB
fsync = off
${FORGETD_DOCUMENTDB_SETTINGS:-}
TEXT
    (cd "$dir" && as_postgres "$documentdb_bin/postgres" -D "$dir/data") >>"$dir/log" 2>&1 </dev/null &
    disown
    if wait_process_port $! "$port" && documentdb_extension "$port"; then
      echo "$port" >"$dir/port"
      return 0
    fi
    echo "attempt $try on port $port failed"
    stop_documentdb "$dir"
  done
  cat "$dir/log"
  return 1
}

# documentdb_extension PORT: a server that listens may still be starting.
documentdb_extension() {
  local _
  for _ in $(seq 100); do
    ! "$documentdb_bin/psql" -qX -h 127.0.0.1 -p "$1" -U postgres -v ON_ERROR_STOP=1 -c 'set client_min_messages = error' \
      -c 'create extension if not exists documentdb cascade' \
      -c "do 'begin create role forgetd_reader login in role documentdb_readonly_role, pg_read_all_data; exception when duplicate_object then null; end'" || return 0
    sleep 0.1
  done
  return 1
}

# start_ferretdb_server ROOT DIR ROLE OPTION: one that works with this role of PostgreSQL's, whoever logs in.
start_ferretdb_server() {
  local root="$1" dir="$2" role="$3" option="$4" port tls_port try
  mkdir -p "$dir/state"
  for try in 1 2 3 4 5; do
    port="$(free_port)" tls_port="$(free_port)"
    "$cache/ferretdb/$ferretdb_version" "$option" --listen-addr="127.0.0.1:$port" --listen-tls="127.0.0.1:$tls_port" \
      --listen-tls-cert-file="$root/server.crt" --listen-tls-key-file="$root/server.key" --debug-addr=- \
      --postgresql-url="postgres://$role@127.0.0.1:$(cat "$root/documentdb/port")/postgres" \
      --telemetry=disable --state-dir="$dir/state" --log-level=error >>"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    disown
    if wait_process_port $! "$port" && wait_process_port $! "$tls_port"; then
      echo "$port" >"$dir/port"
      echo "$tls_port" >"$dir/tls_port"
      return 0
    fi
    echo "attempt $try on port $port failed"
    stop_process "$dir"
  done
  return 1
}

stop_ferretdb() {
  local server
  for server in "$1" "$1/login" "$1/reader"; do stop_process "$server"; done
  stop_documentdb "$1/documentdb"
}

# Killed outright, PostgreSQL would leave shared memory behind.
stop_documentdb() {
  local pid _
  [ -e "$1/data/postmaster.pid" ] || return 0
  pid="$(head -n 1 "$1/data/postmaster.pid")"
  grep -q "$1" "/proc/$pid/cmdline" 2>/dev/null || return 0
  kill -QUIT "$pid"
  for _ in $(seq 200); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.05
  done
}

ferretdb_url() {
  echo "mongodb://127.0.0.1:$(cat "$1/port")/?directConnection=true"
}

ferretdb_tls_url() {
  echo "mongodb://localhost:$(cat "$1/tls_port")/?directConnection=true&tls=true"
}

# documentdb_url DIR: of the PostgreSQL below, whose own functions make what FerretDB has no command for.
documentdb_url() {
  echo "postgres://postgres@127.0.0.1:$(cat "$1/documentdb/port")/postgres"
}

# ferretdb_env DIR: what tests have to know; an empty URL says that it could not be had.
ferretdb_env() {
  local dir="$1" url='' tls_url='' login_url='' reader_url='' documentdb_url=''
  if [ -e "$dir/reader/port" ]; then
    url="$(ferretdb_url "$dir")"
    tls_url="$(ferretdb_tls_url "$dir")"
    login_url="$(ferretdb_url "$dir/login")"
    reader_url="$(ferretdb_url "$dir/reader")"
    documentdb_url="$(documentdb_url "$dir")"
  fi
  cat <<TEXT
export FORGETD_TEST_FERRETDB_URL='$url'
export FORGETD_TEST_FERRETDB_TLS_URL='$tls_url'
export FORGETD_TEST_FERRETDB_CA='$dir/ca.crt'
export FORGETD_TEST_FERRETDB_LOGIN_URL='$login_url'
export FORGETD_TEST_FERRETDB_READER_URL='$reader_url'
export FORGETD_TEST_DOCUMENTDB_URL='$documentdb_url'
TEXT
}
