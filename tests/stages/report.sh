# Stages: each runs with its output in a file, counts what it says it passed, and is one line of the report.
# shellcheck shell=bash

cache="${FORGETD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/forgetd-test}"
passed=0 failed=0 skipped=0 number=0
failures=()

# A stage ends with this status when it cannot run through no fault of ours.
SKIP=77

begin() {
  mkdir -p "$cache"
  work="$(mktemp -d "${TMPDIR:-/tmp}/forgetd-test.XXXXXX")"
  # Servers run as another user below it.
  chmod 755 "$work"
  trap 'at_end' EXIT
  trap 'exit 130' INT TERM
  export FORGETD_TEST_CACHE="$cache"
  if [ "${CI:-}" = true ] && [ -z "${CARGO_TARGET_DIR:-}" ]; then
    # A clean clone finds the dependencies of the last one built.
    export CARGO_TARGET_DIR="$cache/target"
  fi
  target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
  export CARGO_TERM_COLOR=never
}

# What was started is stopped, whatever happened.
stops=(stop_servers)
at_end() {
  local stop
  for stop in "${stops[@]}"; do "$stop"; done
  rm -rf "$work"
}

# stage NAME COMMAND..: runs it, unless another stage was asked for; reports it; never stops the script.
stage() {
  local name="$1" log status=0 start=$SECONDS
  shift
  if [ -n "$only" ] && [ "$only" != "$name" ]; then return 0; fi
  number=$((number + 1))
  log="$work/$number.log"
  printf '%3d  %-28s ' "$number" "$name"
  # Not in an `if`: that would switch off -e inside. Files carry what the subshell wants to hand back.
  set +e
  (set -e; "$@") >"$log" 2>&1 </dev/null
  status=$?
  set -e
  count "$log" "$status"
  case "$status" in
    0) printf 'ok    %4ds  %s\n' $((SECONDS - start)) "$(note "$log")" ;;
    "$SKIP") printf 'SKIP  %4ds  %s\n' $((SECONDS - start)) "$(skips "$log")" ;;
    *)
      printf 'FAIL  %4ds\n' $((SECONDS - start))
      failures+=("$name")
      sed 's/^/     | /' "$log"
      ;;
  esac
  # What a stage leaves here is for people to read, also when all is well.
  if [ -e "$work/show" ]; then
    sed 's/^/     | /' "$work/show"
    rm "$work/show"
  fi
}

# The sums of a log's `test result:` lines: passed, failed, skipped, lines.
results() {
  sed -nE 's/^test result:.* ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored.*/\1 \2 \3/p' "$1" |
    awk '{ p += $1; f += $2; s += $3 } END { printf "%d %d %d %d", p, f, s, NR }'
}

# Adds up what a stage's log says: every `test result:` line, else the stage itself is one.
count() {
  local log="$1" status="$2" sums
  sums="$(results "$log")"
  # shellcheck disable=SC2086
  set -- $sums
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
  case "$status" in
    0) [ "$4" -gt 0 ] || passed=$((passed + 1)) ;;
    "$SKIP") [ "$3" -gt 0 ] || skipped=$((skipped + 1)) ;;
    *) [ "$2" -gt 0 ] || failed=$((failed + 1)) ;;
  esac
}

# What a passing stage has to say: how many tests, and the lines it marked.
note() {
  local tests
  tests="$(results "$1" | awk '$4 { print $1 " tests" }')"
  { echo "$tests"; sed -n 's/^note: //p' "$1"; } | sed '/^$/d' | paste -sd ';'
}

# Why a stage, or parts of it, did not run: the lines that begin with SKIP, else the last one.
skips() {
  if grep -q '^SKIP ' "$1"; then sed -n 's/^SKIP //p' "$1" | paste -sd ';'; else tail -n 1 "$1"; fi
}

# skip REASON: ends the stage as skipped.
skip() {
  echo "$*"
  exit "$SKIP"
}

# finish: the closing lines; the exit status says whether anything failed.
finish() {
  echo
  if [ "$number" -eq 0 ]; then
    echo "no stage is called $only"
    failed=1
  fi
  [ ${#failures[@]} -eq 0 ] || echo "failed: ${failures[*]}"
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}
