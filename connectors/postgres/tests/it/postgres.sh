# keeper PORT: a PostgreSQL cluster in a temporary folder, until the input ends. Says its socket folder, then `ready`.
# With TLS by a private CA, whose certificate lies beside the sockets, for the name `localhost` alone.
set -euo pipefail
trap '' INT
port="$1"
bin="$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)"
folder="$(mktemp -d)"
as=()
if [ "$(id -u)" -eq 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
cd "$folder"
stop() {
  "${as[@]}" "$bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1 || true
  cd / && rm -rf "$folder"
}
trap stop EXIT
mkdir socket tls
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
    -keyout "tls/$1.key" -out "tls/$1.csr" 2>/dev/null
}
certificate ca
openssl x509 -req -in tls/ca.csr -signkey tls/ca.key -days 2 -out socket/ca.pem \
  -extfile <(echo 'basicConstraints = critical, CA:true') 2>/dev/null
certificate server
openssl x509 -req -in tls/server.csr -CA socket/ca.pem -CAkey tls/ca.key -CAcreateserial -days 2 -out tls/server.pem \
  -extfile <(echo 'subjectAltName = DNS:localhost') 2>/dev/null
certificate other
openssl x509 -req -in tls/other.csr -signkey tls/other.key -days 2 -out socket/other.pem \
  -extfile <(echo 'basicConstraints = critical, CA:true') 2>/dev/null
chmod 755 . socket && chmod 644 socket/*.pem && chmod 600 tls/*.key
[ "$(id -u)" -ne 0 ] || chown -R postgres: "$folder"
"${as[@]}" "$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >init.log
# Only our own processes crash here, never the machine: no fsync.
cat >data/postgresql.auto.conf <<TEXT
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder/socket'
max_connections = 300
fsync = off
max_wal_size = 2GB
wal_level = logical
ssl = on
ssl_cert_file = '$folder/tls/server.pem'
ssl_key_file = '$folder/tls/server.key'
TEXT
"${as[@]}" "$bin/pg_ctl" -D data -l server.log -w -t 60 start >/dev/null </dev/null || { cat server.log >&2; exit 1; }
echo "socket $folder/socket"
echo ready
exec >/dev/null
read -r _ || true
