# What the tests need beside a Rust toolchain, from Debian.
# shellcheck shell=bash

# Debian stable's packages, as `program package` pairs; a program that is there needs no package.
debian=(pgbouncer pgbouncer mariadbd mariadb-server-core mariadb mariadb-client rsync rsync lsof lsof faketime faketime ssh-keygen openssh-client openssl openssl python3 python3 cc gcc kill procps mkfifo coreutils go golang-go yamllint yamllint)

tools_stage() {
  find_tools
  stage tools tools
  find_tools
  # What cannot be had is skipped here, once; the servers that are there start.
  stage mysql mysql_stage
  stage ferretdb ferretdb_stage
  stage prometheus-package prometheus_package
  stage chart-tools chart_stage
}

tools() {
  local missing=() i
  [ -n "$pg_bin" ] || missing+=(postgresql)
  for ((i = 0; i < ${#debian[@]}; i += 2)); do
    command -v "${debian[i]}" >/dev/null || missing+=("${debian[i + 1]}")
  done
  [ -n "$(find /usr/lib -name libgalera_smm.so)" ] || missing+=(galera-4)
  [ -n "$(eatmydata)" ] || missing+=(libeatmydata1)
  python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
  if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust with rustup (https://rustup.rs), or Debian's package rustup"
    return 1
  fi
  cargo --version
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing: ${missing[*]}; run as root once, or: sudo apt-get install ${missing[*]}"
    return 1
  fi
  apt-get update -qq
  # Debian's own cluster is not wanted: it would take the default port.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  echo "note: installed ${missing[*]}"
}

# Debian keeps server programs out of PATH. The newest version counts.
find_tools() {
  pg_bin="$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)"
  PATH="$PATH:/usr/sbin:/usr/local/go/bin:$cache/prometheus"
}

# Two programs of Debian's package prometheus: the package itself would start a server.
prometheus_package() {
  local deb="$work/prometheus.deb" program
  if command -v promtool && command -v prometheus; then return 0; fi
  mkdir -p "$deb" "$cache/prometheus"
  if ! (cd "$deb" && apt-get -q -o APT::Sandbox::User= download prometheus); then
    # Debian stable has it.
    [ "${CI:-}" != true ] || return 1
    skip "prometheus could not be downloaded: no alert is seen to fire, and what promtool says is not asked"
  fi
  for program in promtool prometheus; do
    dpkg-deb --fsys-tarfile "$deb"/*.deb | tar -xO "./usr/bin/$program" >"$cache/prometheus/$program.new"
    chmod +x "$cache/prometheus/$program.new"
    mv "$cache/prometheus/$program.new" "$cache/prometheus/$program"
  done
}

# What Debian's Prometheus makes its page of alerts of: files of its package, and links to those of others.
prometheus_page() {
  local deb="$work/prometheus-page" package
  command -v chromium || return 1
  [ ! -e "$cache/prometheus/page" ] || return 0
  mkdir -p "$deb/tree" "$cache/prometheus"
  (cd "$deb" && apt-get -q -o APT::Sandbox::User= download prometheus libjs-bootstrap4 libjs-jquery libjs-popper.js \
    fonts-glyphicons-halflings) || return 1
  for package in "$deb"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$deb/tree" --exclude='./usr/bin/*' || return 1
  done
  mv "$deb/tree" "$cache/prometheus/page"
}

# cargo_tool NAME: installs a cargo subcommand into the cache unless it is there; a failed download is a skip.
cargo_tool() {
  local name="$1"
  PATH="$cache/cargo/bin:$PATH"
  if command -v "$name" >/dev/null; then return 0; fi
  cargo fetch --locked >/dev/null 2>&1 || true
  if ! cargo install --locked --root "$cache/cargo" --target-dir "$cache/cargo/target" "$name"; then
    # Told apart by asking for the package alone.
    cargo info --quiet "$name" >/dev/null 2>&1 || skip "$name could not be downloaded"
    return 1
  fi
  rm -rf "$cache/cargo/target"
}
