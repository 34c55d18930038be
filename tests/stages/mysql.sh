# One MariaDB from Debian stable and one MySQL from Debian unstable, in the temporary folder, on free ports.
# shellcheck shell=bash

# The settings of a database in earnest: a commit is written out, the binlog holds rows. Only our own processes crash
# here, never the machine: so a library swallows every fsync.
mysql_options=(--bind-address=127.0.0.1 --skip-name-resolve --max-connections=300 --log-bin=binlog
  --sync-binlog=1 --innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=128M "--user=$(id -un)")

# What tests log in as: no password may stand in a policy's URL.
mysql_users() {
  cat <<TEXT
create user if not exists tests@'%';
grant all on *.* to tests@'%' with grant option;
TEXT
}

# What Debian does not install without starting it is unpacked into the cache, where it stays: MariaDB's plugins, and
# MySQL from Debian unstable with all it needs.
mysql_stage() {
  mariadb_packages
  mysql_packages
}

mariadb_packages() {
  [ ! -e "$cache/mariadb/usr/lib/mysql/plugin/auth_ed25519.so" ] || return 0
  mkdir -p "$work/mariadb.deb"
  (cd "$work/mariadb.deb" && apt-get -q -o APT::Sandbox::User= download mariadb-server)
  dpkg -x "$work"/mariadb.deb/*.deb "$work/mariadb.deb/tree"
  rm -rf "$cache/mariadb"
  mv "$work/mariadb.deb/tree" "$cache/mariadb"
}

mysql_packages() {
  local apt="$work/apt" package
  [ ! -e "$cache/mysql/usr/sbin/mysqld" ] || return 0
  own_apt "$apt" sid || skip "MySQL could not be downloaded: apt is told of no mirror of Debian"
  if ! apt-get "${own_apt[@]}" update -o APT::Update::Error-Mode=any || ! apt-get "${own_apt[@]}" -y \
    --no-install-recommends --download-only install mysql-server-core; then
    skip "MySQL could not be downloaded from Debian unstable: tests on it pass without doing anything"
  fi
  for package in "$apt"/cache/archives/*.deb; do dpkg -x "$package" "$apt/tree"; done
  rm -rf "$cache/mysql"
  mv "$apt/tree" "$cache/mysql"
}

# own_apt DIR SUITE: an apt of its own for another suite of Debian, to which nothing is installed; it leaves its options in
# `own_apt`. A stored mirror's Release file can be past its date.
own_apt() {
  local apt="$1" mirror
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/tree"
  touch "$apt/status"
  mirror="$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    awk '/^URIs:/ { print $2; exit } /^deb / { print $2; exit }' || true)"
  [ -n "$mirror" ] || return 1
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $2 main" >"$apt/sources.list"
  own_apt=(-q -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none
    -o APT::Sandbox::User= -o Debug::NoLocking=1)
}

# start_mariadb DIR: starts it, and leaves port, pid and ca.crt in the folder.
start_mariadb() {
  local dir="$1"
  mariadb_packages
  mysql_folder "$dir"
  {
    echo "create user if not exists ed25519@'%' identified via ed25519 using password('tests');"
    # Whoever has no name comes before those from everywhere.
    echo "delete from mysql.global_priv where user = '';"
    echo 'flush privileges;'
  } >>"$dir/init.sql"
  TMPDIR="$dir/tmp" mariadb-install-db --no-defaults "--user=$(id -un)" "--datadir=$dir/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$dir/log" 2>&1
  mysql_server=(env "LD_PRELOAD=$(eatmydata)" mariadbd --no-defaults "--plugin-dir=$cache/mariadb/usr/lib/mysql/plugin"
    --plugin-load-add=auth_ed25519 --binlog-format=ROW)
  start_mysql_server "$dir"
}

# start_mysql DIR: the same.
start_mysql() {
  local dir="$1"
  mysql_packages
  mysql_folder "$dir"
  mysql_program
  mysql_server+=(--innodb-redo-log-capacity=256M)
  TMPDIR="$dir/tmp" "${mysql_server[@]}" --initialize-insecure "--user=$(id -un)" "--datadir=$dir/data" >"$dir/log" 2>&1
  start_mysql_server "$dir"
}

# How MySQL is run: unstable's C library is newer than ours, so its own loader runs the program.
mysql_program() {
  local usr="$cache/mysql/usr" libraries
  libraries="$(dirname "$(find "$usr/lib" -name libc.so.6 | head -n 1)")"
  mysql_server=("$libraries"/ld-linux-*.so.* --library-path "$libraries" --preload "$(eatmydata)" "$usr/sbin/mysqld"
    --no-defaults "--basedir=$usr" "--plugin-dir=$usr/lib/mysql/plugin" "--lc-messages-dir=$usr/share/mysql"
    "--character-sets-dir=$usr/share/mysql/charsets" --mysqlx=OFF)
}

eatmydata() {
  find /usr/lib -name 'libeatmydata.so.1' | head -n 1
}

mysql_folder() {
  # A server that starts removes what others left in its folder for temporary tables.
  mkdir -p "$1/files" "$1/tmp"
  certificates "$1"
  mysql_users >"$1/init.sql"
}

start_mysql_server() {
  local dir="$1" port try
  for try in 1 2 3 4 5; do
    port="$(free_port)"
    TMPDIR="$dir/tmp" "${mysql_server[@]}" "${mysql_options[@]}" "--server-id=${mysql_server_id:-1}" "--datadir=$dir/data" \
      "--socket=$dir/socket" "--port=$port" "--pid-file=$dir/server.pid" "--init-file=$dir/init.sql" \
      "--secure-file-priv=$dir/files" \
      "--ssl-ca=$dir/ca.crt" "--ssl-cert=$dir/server.crt" "--ssl-key=$dir/server.key" >>"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    disown
    if wait_process_port $! "$port"; then
      echo "$port" >"$dir/port"
      return 0
    fi
    echo "attempt $try on port $port failed"
    stop_process "$dir"
  done
  return 1
}

# wait_process_port PID PORT: until it listens, as long as it lives, at most a minute.
wait_process_port() {
  local _
  for _ in $(seq 1200); do
    kill -0 "$1" 2>/dev/null || return 1
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return 0; fi
    sleep 0.05
  done
  return 1
}

# stop_process DIR: nothing of it is kept, so it need not end well.
stop_process() {
  [ ! -e "$1/pid" ] || ! grep -q "$1" "/proc/$(cat "$1/pid")/cmdline" 2>/dev/null || kill -9 "$(cat "$1/pid")"
}

mysql_url() {
  echo "mysql://tests@127.0.0.1:$(cat "$1/port")/"
}

# mysql_env NAME DIR: what tests have to know of one of them; an empty URL says that it could not be had.
mysql_env() {
  local name="$1" dir="$2" url=
  [ ! -e "$dir/port" ] || url="$(mysql_url "$dir")"
  cat <<TEXT
export FORGETD_TEST_${name}_URL='$url'
export FORGETD_TEST_${name}_SOCKET='$dir/socket'
export FORGETD_TEST_${name}_CA='$dir/ca.crt'
TEXT
}
