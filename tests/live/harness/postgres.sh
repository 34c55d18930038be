# keeper PORT: a PostgreSQL cluster in a temporary folder, until the input ends.
set -euo pipefail
trap '' INT
port="$1"
bin="$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)"
folder="$(mktemp -d)"
as=()
if [ "$(id -u)" -eq 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  chown postgres: "$folder"
fi
cd "$folder"
stop() {
  "${as[@]}" "$bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1 || true
  cd / && rm -rf "$folder"
}
trap stop EXIT
"${as[@]}" "$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >init.log
# Only our own processes crash here, never the machine: no fsync.
cat >data/postgresql.auto.conf <<TEXT
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
fsync = off
max_wal_size = 2GB
wal_level = logical
TEXT
"${as[@]}" "$bin/pg_ctl" -D data -l log -w -t 60 start >/dev/null </dev/null || { cat log >&2; exit 1; }
echo ready
exec >/dev/null
read -r _ || true
