# Several MariaDB servers that belong together, for tests that start them by themselves: three nodes of a Galera cluster,
# or a server and its replica. Started as mysql.sh starts one.
# shellcheck shell=bash

# Who the nodes run as: root's rsync would drop the rights that a state transfer needs.
galera_as=()
[ "$(id -u)" -ne 0 ] || galera_as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

# start_galera DIR: three nodes in DIR/0, DIR/1 and DIR/2, each with port and pid.
start_galera() {
  local dir="$1" node peers=()
  mariadb_packages
  mkdir -p "$dir/bin"
  # Scripts that Debian puts into a package which would start a server; the cache may be hidden from others.
  cp "$cache"/mariadb/usr/bin/wsrep_sst_* "$dir/bin"
  for node in 0 1 2; do
    mkdir -p "$dir/$node/data" "$dir/$node/tmp"
    mysql_users >"$dir/$node/init.sql"
    free_port >"$dir/$node/port"
    free_port >"$dir/$node/group"
    free_port >"$dir/$node/transfer"
    peers+=("127.0.0.1:$(cat "$dir/$node/group")")
  done
  [ "$(id -u)" -ne 0 ] || chown -R nobody "$dir"
  TMPDIR="$dir/0/tmp" "${galera_as[@]}" mariadb-install-db --no-defaults "--datadir=$dir/0/data" \
    --auth-root-authentication-method=normal --skip-test-db >"$dir/log" 2>&1
  start_galera_node "$dir" 0 "gcomm://" "--init-file=$dir/0/init.sql"
  for node in 1 2; do
    start_galera_node "$dir" "$node" "gcomm://$(IFS=,; echo "${peers[*]}")"
  done
}

# start_galera_node DIR NODE ADDRESS OPTION..: starts it and waits until it takes part, at most a minute.
start_galera_node() {
  local dir="$1" node="$2" address="$3" own="$1/$2" group transfer _
  shift 3
  group="$(cat "$own/group")" transfer="$(cat "$own/transfer")"
  TMPDIR="$own/tmp" PATH="$dir/bin:$PATH" "${galera_as[@]}" env "LD_PRELOAD=$(eatmydata)" mariadbd --no-defaults "--datadir=$own/data" \
    "--socket=$own/socket" "--port=$(cat "$own/port")" "--pid-file=$own/server.pid" --bind-address=127.0.0.1 \
    --skip-name-resolve "--server-id=$((node + 1))" --max-connections=100 --log-bin=binlog --log-slave-updates \
    --binlog-format=ROW --innodb-autoinc-lock-mode=2 --innodb-buffer-pool-size=64M --wsrep-on=ON \
    "--wsrep-provider=$(find /usr/lib -name libgalera_smm.so | head -n 1)" --wsrep-cluster-name=forgetd \
    "--wsrep-cluster-address=$address" "--wsrep-node-name=n$node" "--wsrep-node-address=127.0.0.1:$group" \
    --wsrep-sst-method=rsync "--wsrep-sst-receive-address=127.0.0.1:$transfer" \
    "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:$group;ist.recv_addr=127.0.0.1:$(free_port);gcache.size=32M" \
    "$@" >>"$own/log" 2>&1 </dev/null &
  echo $! >"$own/pid"
  disown
  for _ in $(seq 600); do
    kill -0 "$(cat "$own/pid")" 2>/dev/null || break
    if mariadb -utests -S "$own/socket" -Ne "show status like 'wsrep_ready'" 2>/dev/null | grep -q 'ON$'; then
      return 0
    fi
    sleep 0.1
  done
  cat "$own/log"
  return 1
}

# start_replica DIR: a server in DIR/0 and, in DIR/1, a replica of it that follows its row-based binlog.
start_replica() {
  local dir="$1" node
  mkdir -p "$dir"
  for node in 0 1; do
    mysql_server_id=$((node + 1)) start_mariadb "$dir/$node"
  done
  mariadb -utests -S "$dir/1/socket" -e "
    reset master; change master to master_host = '127.0.0.1', master_port = $(cat "$dir/0/port"),
      master_user = 'tests', master_use_gtid = slave_pos; start slave"
}
