# Three MySQL servers that are a group, each of which takes writes (Group Replication with several primaries), for tests
# that start them by themselves. Started as mysql.sh starts one.
# shellcheck shell=bash

# start_group DIR: three members in DIR/0, DIR/1 and DIR/2, each with port and pid.
start_group() {
  local dir="$1" member peers=()
  mysql_packages
  mysql_program
  # One folder of data for all: that they differ is said in a file that each makes when it is missing.
  mkdir -p "$dir/tmp"
  TMPDIR="$dir/tmp" "${mysql_server[@]}" --initialize-insecure "--user=$(id -un)" "--datadir=$dir/data" >"$dir/log" 2>&1
  rm -f "$dir/data/auto.cnf"
  for member in 0 1 2; do
    mkdir -p "$dir/$member/tmp"
    cp -r "$dir/data" "$dir/$member/data"
    # Made on each: what one writes into its log here, no other has.
    { echo 'set sql_log_bin = 0;'; mysql_users; } >"$dir/$member/init.sql"
    free_port >"$dir/$member/port"
    free_port >"$dir/$member/group"
    peers+=("127.0.0.1:$(cat "$dir/$member/group")")
  done
  rm -rf "$dir/data"
  (IFS=,; echo "${peers[*]}") >"$dir/peers"
  for member in 0 1 2; do start_group_member "$dir" "$member" "--init-file=$dir/$member/init.sql" || return 1; done
  group_says "$dir" 0 "set global group_replication_bootstrap_group = on; start group_replication;
    set global group_replication_bootstrap_group = off"
  group_says "$dir" 1 'start group_replication'
  group_says "$dir" 2 'start group_replication'
  for member in 0 1 2; do wait_group_member "$dir" "$member" || return 1; done
}

# start_group_member DIR MEMBER OPTION..: starts it and waits until it answers, at most a minute.
start_group_member() {
  local dir="$1" member="$2" own="$1/$2"
  shift 2
  # One that stood still comes back: nobody is thrown out of the group for being late. One worker, so that what waits
  # holds up what comes after it.
  TMPDIR="$own/tmp" "${mysql_server[@]}" "--user=$(id -un)" "--datadir=$own/data" "--socket=$own/socket" \
    "--port=$(cat "$own/port")" "--pid-file=$own/server.pid" --bind-address=127.0.0.1 --skip-name-resolve \
    "--server-id=$((member + 1))" --max-connections=100 --log-bin=binlog --gtid-mode=ON --enforce-gtid-consistency=ON \
    --replica-parallel-workers=1 --innodb-buffer-pool-size=64M --secure-file-priv=NULL --report-host=127.0.0.1 "--report-port=$(cat "$own/port")" \
    --plugin-load-add=group_replication.so \
    --group-replication-group-name=0f0e0d0c-1111-2222-3333-444455556666 \
    "--group-replication-local-address=127.0.0.1:$(cat "$own/group")" \
    "--group-replication-group-seeds=$(cat "$dir/peers")" --group-replication-start-on-boot=OFF \
    --group-replication-single-primary-mode=OFF --group-replication-enforce-update-everywhere-checks=ON \
    --group-replication-member-expel-timeout=600 --group-replication-message-cache-size=134217728 \
    --group-replication-recovery-get-public-key=ON "$@" >>"$own/log" 2>&1 </dev/null &
  echo $! >"$own/pid"
  disown
  wait_process_port $! "$(cat "$own/port")" || { cat "$own/log"; return 1; }
  group_says "$dir" "$member" "change replication source to source_user = 'tests' for channel 'group_replication_recovery'"
}

# wait_group_member DIR MEMBER: until it takes part, at most a minute.
wait_group_member() {
  local own="$1/$2" _
  for _ in $(seq 600); do
    kill -0 "$(cat "$own/pid")" 2>/dev/null || break
    if group_says "$1" "$2" "select member_state from performance_schema.replication_group_members
      where member_id = @@server_uuid" 2>/dev/null | grep -q '^ONLINE$'; then
      return 0
    fi
    sleep 0.1
  done
  cat "$own/log"
  return 1
}

# with_group COMMAND..: runs it with the addresses of a group in its environment.
with_group() {
  local dir="$work/group" member urls=()
  if [ ! -e "$dir/env" ]; then
    mysql_packages
    start_group "$dir" >"$work/group.start" 2>&1 || { cat "$work/group.start" "$dir"/?/log; return 1; }
    for member in 0 1 2; do urls+=("$(mysql_url "$dir/$member")"); done
    echo "export FORGETD_TEST_GROUP_URLS='${urls[*]}'" >"$dir/env"
  fi
  # shellcheck source=/dev/null
  source "$dir/env"
  "$@"
}

# group_says DIR MEMBER STATEMENT: what the member answers.
group_says() {
  mariadb --no-defaults --skip-ssl -utests -S "$1/$2/socket" -Ne "$3"
}
