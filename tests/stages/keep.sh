#!/usr/bin/env bash
# keep.sh mariadb|mysql: a server for one test, until the input ends. It says url, socket, ca and pid, a line each, and
# then ready; it ends with 77 where MySQL cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/stages/report.sh
source tests/stages/report.sh
# shellcheck source=tests/stages/servers.sh
source tests/stages/servers.sh

trap '' INT
begin
dir="$work/$1"
{
  "$1_packages"
  "start_$1" "$dir"
} >"$work/start" 2>&1 || { cat "$work/start" "$dir/log" >&2; exit 1; }
echo "url $(mysql_url "$dir")"
echo "socket $dir/socket"
echo "ca $dir/ca.crt"
echo "pid $(cat "$dir/pid")"
echo ready
exec >/dev/null
read -r _ || true
