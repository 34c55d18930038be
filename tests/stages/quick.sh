# The quick tier.
# shellcheck shell=bash

# One set of features for everything that compiles, so that nothing is built twice.
features=(--workspace --features forgetd/faults)

quick() {
  tools_stage
  stage fmt cargo fmt --all --check
  stage deny deny
  stage clippy cargo clippy --locked "${features[@]}" --all-targets --quiet -- -D warnings
  stage each-database each_database
  stage rustdoc rustdoc
  stage build cargo test --locked "${features[@]}" --no-run
  stage servers start_servers
  stage tests with_servers tests
  stage least-privilege with_servers least_privilege
  stage chart chart
  stage prometheus with_servers watched_by_prometheus
  # The long form builds a cluster first.
  [ "$mode" = full ] || stage cluster cluster
  stage crash with_servers cargo test --locked "${features[@]}" --test crash
  stage doc-tests cargo test --locked "${features[@]}" --doc --quiet
  stage foreign foreign
  stage mutants mutants_apply
  stage shell shell
}

# Everything that cargo runs, but for the crash harness, whose kills want the machine for themselves. Whole programs wait for
# leases and schedules most of the time: more of them than there are cores run beside each other. Prometheus has a stage of
# its own, as it looks at every daemon twice a second, and so have roles without rights, which tell where they went.
tests() {
  local names=() name status=0
  while read -r name; do [ "$name" = live ] || names+=(--test "$name"); done < <(test_binaries)
  cargo test --locked "${features[@]}" --no-fail-fast --lib --bins "${names[@]}" || status=$?
  cargo test --locked "${features[@]}" --test live -- --test-threads $(($(nproc) * 2)) \
    --skip prometheus:: --skip least_privilege:: || status=$?
  return "$status"
}

# The printed grants are enough and no more, on every engine that has roles and is here.
least_privilege() {
  local log="$work/least_privilege.log" engine seen=''
  cargo test --locked "${features[@]}" --test live -- --nocapture least_privilege:: | tee "$log"
  for engine in postgres mariadb mysql mongodb; do
    ! grep -qx "least-privilege run: $engine" "$log" || seen+="${seen:+, }$engine"
  done
  echo "note: least-privilege runs: $seen"
}

# Every alert of the chart, by states that are real, in a real Prometheus; and the dashboard's expressions.
watched_by_prometheus() {
  command -v prometheus || [ "${CI:-}" = true ] || skip "prometheus is not here: no alert was seen to fire and to rest"
  # The long form looks at it as people do, too.
  if [ "$mode" = full ] || [ -n "${FORGETD_TEST_PICTURES:-}" ]; then
    if prometheus_page; then
      export FORGETD_TEST_PICTURES="${FORGETD_TEST_PICTURES:-$target/pictures}"
      export FORGETD_TEST_PROMETHEUS_PAGE="$cache/prometheus/page/usr/share/prometheus/web/"
    else
      echo 'note: no picture of the page of alerts: chromium is not here, or packages of Debian could not be downloaded'
    fi
  fi
  cargo test --locked "${features[@]}" --test live -- --nocapture prometheus::
}

# The names of all integration tests of the workspace, once each, without the crash harness.
test_binaries() {
  cargo metadata --locked --no-deps --format-version 1 | python3 -c '
import json, sys
names = {target["name"] for package in json.load(sys.stdin)["packages"] for target in package["targets"]
         if "test" in target["kind"]}
print("\n".join(sorted(names - {"crash"})))'
}

# Programs that are not ours read the evidence of a real run.
foreign() {
  local status=0
  FORGETD="$target/debug/forgetd" tests/foreign/run.sh | tee "$work/foreign.log" || status="${PIPESTATUS[0]}"
  sed -nE 's/^foreign verifiers: ([0-9]+) .*, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$work/foreign.log" |
    while read -r accepted wrong missing; do
      echo "test result: ok. $accepted passed; $wrong failed; $missing ignored"
    done
  return "$status"
}

# Every mutant still applies to exactly one place, and two of the cheapest are killed.
mutants_apply() {
  python3 tests/mutants/run.py --check
  mutants fold_ignored walk_stays_outside_ties
}

# A database's connector can be left out.
each_database() {
  local database
  for database in mongodb mysql postgres sqlite; do
    cargo clippy --locked -p forgetd --no-default-features --features "$database" --quiet -- -D warnings
  done
}

rustdoc() {
  RUSTDOCFLAGS='-D warnings' cargo doc --locked "${features[@]}" --no-deps --quiet
}

# Licences, sources, banned and duplicate crates, advisories. The tool takes minutes to build, so only CI and --full do.
deny() {
  PATH="$cache/cargo/bin:$PATH"
  if [ "${CI:-}" != true ] && [ "$mode" != full ] && ! command -v cargo-deny >/dev/null; then
    skip "cargo-deny is not here; ./test --full installs it into $cache"
  fi
  cargo_tool cargo-deny
  cargo deny --locked --all-features check bans licenses sources
  if ! cargo deny --locked fetch db; then
    skip "bans, licences and sources are fine; the advisory database could not be downloaded"
  fi
  cargo deny --locked --all-features check --disable-fetch advisories
}

# Our own shell scripts, at least for syntax; with shellcheck where it is.
shell() {
  local file files=(test .ci/run tests/stages/*.sh tests/cluster/*.sh tests/cluster/*/*.sh)
  for file in "${files[@]}"; do bash -n "$file"; done
  if ! command -v shellcheck >/dev/null; then
    echo "note: without shellcheck"
    return 0
  fi
  # Variables and arguments are set in one of these files and used in another.
  shellcheck -x --exclude=SC2034,SC2119,SC2120,SC2154 "${files[@]}"
}
