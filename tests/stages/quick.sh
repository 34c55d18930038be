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
  stage tests with_servers cargo test --locked "${features[@]}" --lib --bins --tests
  stage doc-tests cargo test --locked "${features[@]}" --doc --quiet
  stage shell shell
}

# A database's connector can be left out.
each_database() {
  local database
  for database in postgres sqlite; do
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
  local file files=(test .ci/run tests/stages/*.sh)
  for file in "${files[@]}"; do bash -n "$file"; done
  if command -v shellcheck >/dev/null; then shellcheck -x "${files[@]}"; else echo "note: without shellcheck"; fi
}
