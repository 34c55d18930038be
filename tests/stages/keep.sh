#!/usr/bin/env bash
# keep.sh mariadb|mysql|galera|replica|group|ferretdb: servers for one test, until the input ends. It says url, socket, ca and pid
# of each, a line each, and then ready; it ends with 77 where one cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/stages/report.sh
source tests/stages/report.sh
# shellcheck source=tests/stages/servers.sh
source tests/stages/servers.sh
# shellcheck source=tests/stages/galera.sh
source tests/stages/galera.sh
# shellcheck source=tests/stages/group.sh
source tests/stages/group.sh

# Said where people see it.
exec 3>&2
skip() {
  echo "$*" >&3
  exit "$SKIP"
}

trap '' INT
begin
dir="$work/$1"
"start_$1" "$dir" >"$work/start" 2>&1 || { cat "$work/start" "$dir"/log "$dir"/?/log >&2; exit 1; }
if [ "$1" = ferretdb ]; then
  echo "url $(ferretdb_url "$dir")"
  echo "tls $(ferretdb_tls_url "$dir")"
  echo "ca $dir/ca.crt"
  echo "login $(ferretdb_url "$dir/login")"
  echo "reader $(ferretdb_url "$dir/reader")"
  echo "documentdb $(documentdb_url "$dir")"
  echo "pid $(cat "$dir/pid")"
  echo "data $dir/documentdb/data"
  set --
fi
for pid in "$dir/pid" "$dir"/?/pid; do
  if [ $# -eq 0 ] || [ ! -e "$pid" ]; then continue; fi
  server="$(dirname "$pid")"
  echo "url $(mysql_url "$server")"
  echo "socket $server/socket"
  echo "ca $server/ca.crt"
  echo "pid $(cat "$pid")"
done
echo ready
exec >/dev/null
read -r _ || true
