# The benchmarks: each starts servers of its own, with the settings that a database has in earnest.
# shellcheck shell=bash

# long_bench [all] | NAME [flags of that benchmark]. All of them take about an hour; what they print goes into one file as well,
# and the drawings beside it.
long_bench() {
  local name="${1:-all}"
  [ $# -eq 0 ] || shift
  case "$name" in
    all) all_benches ;;
    purge | transform | sqlite | mongodb | daemon) stage "bench $name" bench "$name" "$@" ;;
    mysql) bench_mysql "$@" ;;
    neighbour) bench_neighbour "$@" ;;
    *) usage >&2; exit 64 ;;
  esac
}

# Sizes that fit into an hour on two cores; each engine is measured beside its anchors in the same rounds.
all_benches() {
  results="${FORGETD_BENCH_OUT:-$PWD/target/benchmarks}"
  mkdir -p "$results"
  : >"$results/results.txt"
  stage "bench purge" bench purge --rows 1000000 --rounds 5 --steady 20000000 --memory 1000000,5000000
  stage "bench transform" bench transform --rows 1000000
  bench_mysql --rows 1000000 --transform-rows 200000 --rounds 3 --scattered-rounds 1 --steady 1000000
  stage "bench sqlite" bench sqlite --rows 1000000 --rounds 5
  stage "bench mongodb" bench mongodb --rows 200000 --transform-rows 100000
  bench_neighbour --rows 1000000 --rounds 1 --svg "$results"
  echo "benchmarks: $results"
}

# MySQL is the one that the quick tier unpacks, if it could be had.
bench_mysql() {
  local mysql=()
  [ ! -d "$cache/mysql/usr" ] || mysql=(--mysql "$cache/mysql")
  wanted pt-archiver percona-toolkit
  stage "bench mysql" bench mysql "${mysql[@]}" "$@"
}

bench_neighbour() {
  wanted pt-archiver percona-toolkit
  wanted sysbench sysbench
  stage "bench neighbour" bench neighbour "$@"
}

# wanted PROGRAM PACKAGE: installs what only the benchmarks need.
wanted() {
  command -v "$1" >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"
}

long_soak() {
  stage soak bench daemon "$@"
}

bench() {
  local name="$1"
  shift
  cargo bench --locked --bench "$name" -- "$@" | tee "$work/show"
  [ -z "${results:-}" ] || cat "$work/show" >>"$results/results.txt"
}
