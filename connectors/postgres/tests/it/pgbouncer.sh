# keeper PORT SERVER_PORT: a pgbouncer in transaction mode in a temporary folder, until the input ends.
set -euo pipefail
trap '' INT
folder="$(mktemp -d)"
as=()
if [ "$(id -u)" -eq 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  chown postgres: "$folder"
fi
cd "$folder"
PATH="$PATH:/usr/sbin"
cat >ini <<TEXT
[databases]
* = host=127.0.0.1 port=$2 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $1
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
logfile = $folder/log
TEXT
"${as[@]}" pgbouncer -q ini </dev/null >/dev/null 2>&1 &
pooler=$!
trap 'kill $pooler 2>/dev/null || true; wait || true; cd / && rm -rf "$folder"' EXIT
for _ in $(seq 200); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    echo ready
    exec >/dev/null
    read -r _ || true
    exit 0
  fi
  sleep 0.05
done
cat log >&2
exit 1
