#!/usr/bin/env bash
# Has programs that are not ours check an exported evidence log: each must accept it and reject a flipped byte.
#
#   tests/foreign/run.sh [DIR]   DIR: what `forgetd evidence export` wrote; without it a run makes one in SQLite
#
# Programs are downloaded once into $FORGETD_TEST_CACHE (default ~/.cache/forgetd-test). What cannot be downloaded is
# skipped aloud: exit status 77, unless something else failed. $FORGETD names the program (default target/debug).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${FORGETD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/forgetd-test}/foreign"
forgetd="${FORGETD:-${CARGO_TARGET_DIR:-$here/../../target}/debug/forgetd}"
work="$(mktemp -d "${TMPDIR:-/tmp}/forgetd-foreign.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

# Seconds one check may take. Tessera's fsck was seen to wait for ever where it should fail: that is a failure too.
LIMIT=120
TESSERA=v1.0.4
PYMERKLE=7.0.0

passed=0 failed=0 skipped=0

skip() {
  echo "SKIP foreign: $1"
  skipped=$((skipped + 1))
}

# A log of a real run: 5,000 rows in a few hundred batches.
make_log() {
  local key="$work/evidence.key"
  python3 - "$work/crm.db" <<'PY'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as crm:
    crm.execute("create table visit (id integer primary key, seen_at text not null)")
    crm.execute("""
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
        insert into visit select i, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-' || (i % 400) || ' days') from n""")
PY
  cat >"$work/forgetd.yaml" <<YAML
version: 1
instance: foreign
databases: { crm: { url: { env: FORGETD_FOREIGN_URL }, throttle: { batch_rows_max: 10 } } }
evidence: { origin: example.com/forgetd/foreign, signing_key: { file: $key } }
rules:
  - name: visits
    database: crm
    table: visit
    keep_for: 30d
    since: { column: seen_at, as: iso8601 }
    when_null: keep
    action: delete
    mode: enforce
    evidence: { rows: commitments }
YAML
  export FORGETD_FOREIGN_URL="sqlite://$work/crm.db" FORGETD_CONFIG="$work/forgetd.yaml"
  "$forgetd" keys new evidence --out "$key"
  "$forgetd" install
  "$forgetd" approve
  "$forgetd" run
  "$forgetd" evidence export "$work/log"
}

# check NAME DIR COMMAND..: the command must accept DIR, and reject a byte flipped in each of the files after `--`.
check() {
  local name="$1" files="$2" file at size
  shift 2
  if ! timeout "$LIMIT" "$@" "$log" >"$work/out" 2>&1; then
    echo "FAIL $name rejects the log:"
    sed 's/^/     | /' "$work/out"
    failed=$((failed + 1))
    return 0
  fi
  for file in $files; do
    rm -rf "$work/flipped"
    cp -r "$log" "$work/flipped"
    size="$(stat -c %s "$work/flipped/$file")"
    at=$((size / 2))
    flip "$work/flipped/$file" "$at"
    if timeout "$LIMIT" "$@" "$work/flipped" >"$work/out" 2>&1; then
      echo "FAIL $name accepts $file with byte $at changed"
      failed=$((failed + 1))
      return 0
    fi
  done
  echo "ok   $name accepts the log and rejects a changed byte in: $files"
  passed=$((passed + 1))
}

flip() {
  python3 - "$1" "$2" <<'PY'
import sys
path, at = sys.argv[1], int(sys.argv[2])
with open(path, "r+b") as file:
    file.seek(at)
    byte = file.read(1)[0]
    file.seek(at)
    file.write(bytes([byte ^ 1]))
PY
}

sumdb() {
  command -v go >/dev/null || { skip "no go: golang.org/x/mod/sumdb was not run"; return; }
  local program="$cache/sumdb"
  if ! (cd "$here/go" && GOPATH="$cache/go" GOFLAGS=-modcacherw go build -o "$program" .) >"$work/out" 2>&1; then
    skip "golang.org/x/mod could not be downloaded: $(tail -n 1 "$work/out")"
    return
  fi
  check "golang.org/x/mod/sumdb" "$bundle checkpoint" "$program"
}

fsck() {
  command -v go >/dev/null || { skip "no go: Tessera's fsck was not run"; return; }
  local program="$cache/fsck-$TESSERA"
  if ! [ -x "$program" ]; then
    if ! GOPATH="$cache/go" GOBIN="$cache/bin" GOFLAGS=-modcacherw \
      go install "github.com/transparency-dev/tessera/cmd/fsck@$TESSERA" >"$work/out" 2>&1; then
      skip "Tessera's fsck could not be downloaded: $(tail -n 1 "$work/out")"
      return
    fi
    mv "$cache/bin/fsck" "$program"
  fi
  check "Tessera's fsck" "$bundle $tile checkpoint" run_fsck
}

pymerkle() {
  local venv="$cache/venv-$PYMERKLE"
  if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pymerkle' 2>/dev/null; then
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "pymerkle==$PYMERKLE"; } >"$work/out" 2>&1; then
      rm -rf "$venv"
      skip "pymerkle could not be downloaded: $(tail -n 1 "$work/out")"
      return
    fi
  fi
  check "pymerkle" "$bundle" "$venv/bin/python" "$here/root.py"
}

# timeout(1) runs programs, not functions; and fsck ends with status 0 whatever it found, so its words count.
cat >"$work/run_fsck" <<SH
#!/bin/sh
"$cache/fsck-$TESSERA" --ui=false --N=64 --storage_url="file://\$1/" --public_key="\$1/log.vkey" 2>&1 |
  tee /dev/stderr | grep -q "Successfully fsck'd"
SH
chmod +x "$work/run_fsck"
PATH="$work:$PATH"

if [ $# -ge 1 ]; then
  log="$(realpath "$1")"
else
  make_log
  log="$work/log"
fi
bundle="$(cd "$log" && find tile/entries -type f | sort | head -n 1)"
tile="$(cd "$log" && find tile/0 -type f | sort | head -n 1)"

sumdb
fsck
pymerkle
check "openssl and Python's standard library" "$bundle $tile checkpoint" python3 "$here/stdlib.py"

echo "foreign verifiers: $passed accepted and rejected rightly, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] || exit 1
if [ "$skipped" -gt 0 ]; then
  echo "SKIP foreign: $skipped could not be downloaded"
  exit 77
fi
