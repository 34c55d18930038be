# The long forms. Each is a stage of its own, or several, and has a short twin in the quick tier.
# shellcheck shell=bash

full() {
  local lane
  for lane in {,sealed-,transform-,transform-sealed-}{postgres,sqlite} {,transform-}{mariadb,mysql,mariadb-myisam}; do
    long_crash "$lane" --rounds 200
    long_crash "$lane" --points
  done
  for lane in {,transform-}{postgres,sqlite,mariadb,mysql,mariadb-myisam}; do
    stage "naive-$lane" with_servers naive_is_caught "$lane" log_after_commit:lost log_before_commit:doubled
  done
  for lane in {,transform-}galera; do
    long_crash "$lane" --rounds 200
    stage "naive-$lane" with_servers naive_is_caught "$lane" fence_by_read:committed_late
  done
  for lane in {,transform-}mongodb; do
    long_crash "$lane" --rounds 200 --freezes 80 --faults 80
  done
  stage naive-mongodb with_servers naive_is_caught mongodb log_after_commit:unannounced
  stage naive-transform-mongodb with_servers naive_is_caught transform-mongodb log_after_commit:lost
  long_group --rounds 60
  long_versions
  long_schedules
  long_diff
  long_live
  long_mutants
  long_fuzz --seconds 600
  long_soak
  long_image
  long_cluster
  long_bench all
}

long_diff() {
  build_once
  stage diff with_servers differential --long "$@"
}

differential() {
  cargo test --locked "${features[@]}" --test diff --quiet -- "$@" | tee "$work/diff.log"
  # What the cases met, and the totals.
  tail -n 2 "$work/diff.log" >"$work/show"
}

# The same tests as in the quick tier, told to use the full numbers.
long_live() {
  build_once
  stage live-full with_servers env FORGETD_TEST_FULL=1 \
    cargo test --locked "${features[@]}" --test live -- --test-threads 1 "$@"
}

# Trouble at random for minutes, one home after another.
long_chaos() {
  local minutes=10 homes=(postgresql mariadb mysql mongodb) home
  while [ $# -gt 0 ]; do
    case "$1" in
      --minutes) minutes="${2:?a number}" ;;
      --home) homes=("${2:?a home}") ;;
      *) usage >&2; exit 64 ;;
    esac
    shift 2
  done
  build_once
  for home in "${homes[@]}"; do
    stage "chaos $home" with_servers env FORGETD_TEST_CHAOS_MINUTES="$minutes" \
      cargo test --locked "${features[@]}" --test live -- --nocapture "chaos::rows_gone_are_rows_in_evidence_with_a_home_on_$home"
  done
  stage crowd with_servers env FORGETD_TEST_FULL=1 \
    cargo test --locked "${features[@]}" --test live -- --nocapture serve::crowd
}

# Every schedule in every zone, where the quick tier takes each in a few.
long_schedules() {
  build_once
  stage schedules env FORGETD_TEST_FULL=1 cargo test --locked "${features[@]}" --test it -- schedules:: "$@"
  stage days env FORGETD_TEST_FULL=1 cargo test --locked "${features[@]}" --test live -- serve::days:: "$@"
}

long_crash() {
  [ $# -gt 0 ] || set -- postgres
  build_once
  stage "crash $*" with_servers crash "$@"
}

crash() {
  cargo test --locked "${features[@]}" --test crash --quiet -- "$@" | sed '$s/^/note: /'
  return "${PIPESTATUS[0]}"
}

# naive_is_caught LANE VARIANT:COUNT..: each wrong way of doing it must make the harness fail, for the right reason.
naive_is_caught() {
  local lane="$1" naive
  shift
  for naive in "$@"; do
    if crash "$lane" --rounds 30 --naive "${naive%:*}" >"$work/naive.log" 2>&1; then
      cat "$work/naive.log"
      echo "${naive%:*} was not caught"
      return 1
    fi
    grep -E "${naive#*:}=[1-9]" "$work/naive.log"
  done
}

# A group of MySQL servers, which all of these share: the connector on it, the program, and kills.
long_group() {
  [ $# -gt 0 ] || set -- --rounds 60
  build_once
  stage group with_group group_tests
  stage "crash group $*" with_group crash group "$@"
  stage "crash transform-group $*" with_group crash transform-group "$@"
  stage naive-group with_group naive_is_caught group fence_by_read:committed_late
}

group_tests() {
  cargo test --locked "${features[@]}" --test it --test live --quiet -- --test-threads 1 group
}

# Stages of a long form run after one build, whose time would otherwise be the first stage's.
build_once() {
  [ -z "${built:-}" ] || return 0
  built=yes
  stage build cargo test --locked "${features[@]}" --no-run
}

long_mutants() {
  stage mutants with_servers mutants "$@"
}

# Mutants are built in a copy of the tree at a place that stays, beside a target folder of its own.
mutants() {
  CARGO_TARGET_DIR="$cache/mutants/target" python3 tests/mutants/run.py "$cache/mutants" "$@" | tee "$work/mutants.log"
  echo "note: $(tail -n 1 "$work/mutants.log")"
}

long_fuzz() {
  local seconds=600 target
  [ "${1:-}" != --seconds ] || seconds="${2:?a number}"
  stage fuzz-tools cargo_tool cargo-fuzz
  for target in config condition path period schedule note tile; do
    stage "fuzz $target" fuzz "$target" "$seconds"
  done
}

# libFuzzer needs nightly; what it found before is kept in the cache and tried first.
fuzz() {
  local target="$1" seconds="$2"
  PATH="$cache/cargo/bin:$PATH"
  mkdir -p "$cache/fuzz/$target"
  rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal ||
    skip "the nightly toolchain could not be downloaded"
  CARGO_TARGET_DIR="$cache/fuzz/build" cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" \
    "$cache/fuzz/$target" "tests/fuzz/seeds/$target" -- "-max_total_time=$seconds" -timeout=10 -rss_limit_mb=2048
}
