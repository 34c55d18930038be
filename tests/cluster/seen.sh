# What is seen in a cluster: a line for each thing, and the first that is not so ends its scene.
# shellcheck shell=bash

# seen WHAT COMMAND..: one thing that must be so. What it says last is told.
seen() {
  local what="$1" status start="${EPOCHREALTIME/./}"
  shift
  # Not in an `if`: that would switch off -e inside.
  set +e
  (set -e; "$@") >"$scene/said" 2>&1
  status=$?
  set -e
  start="$(awk -v us=$((${EPOCHREALTIME/./} - start)) 'BEGIN { printf "%.1f s", us / 1000000 }')"
  case "$status" in
    0) echo "ok    $what: $(grep . "$scene/said" | tail -n 1 | cut -c 1-200) [$start]" >>"$scene/lines" ;;
    "$SKIP") echo "SKIP  $what: $(tail -n 1 "$scene/said")" >>"$scene/lines" ;;
    *)
      echo "FAIL  $what [$start]" >>"$scene/lines"
      cat "$scene/said"
      state
      return 1
      ;;
  esac
}

# wait_for SECONDS COMMAND..: until it succeeds; what it said last, where it does not in time.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  until (set -e; "$@") >"$scene/waiting" 2>&1; do
    if [ "$SECONDS" -ge "$until" ]; then
      echo "waited too long for: $*"
      cat "$scene/waiting"
      return 1
    fi
    sleep 0.3
  done
  cat "$scene/waiting"
}

# is WANTED COMMAND..: what COMMAND says is exactly that.
is() {
  local wanted="$1" found
  shift
  found="$("$@")"
  [ "$found" = "$wanted" ] || { echo "$found, not $wanted: $*"; return 1; }
  echo "$found"
}

# How everything stands in a scene that failed.
state() {
  local pod
  k get all,configmap,persistentvolumeclaim --output wide || true
  k get events --sort-by=.lastTimestamp | tail -n 40 || true
  for pod in $(k get pods --output name || true); do
    echo "== $pod"
    k describe "$pod" | sed -n '/^Status:/p;/^Conditions:/,$p' | head -n 60 || true
    k logs "$pod" --all-containers --tail 30 || true
  done
}

# scenes NAME..: all at once, for they mostly wait. Adds up their lines.
scenes() {
  local name pids=() pid status=0
  for name in "$@"; do
    (
      scene="$work/cluster/$name"
      set -e
      "scene_$name"
    ) >"$work/cluster/$name.log" 2>&1 &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  for name in "$@"; do
    sed "s/^/$name  /" "$work/cluster/$name/lines" >>"$work/cluster/lines"
    ! grep -q '^FAIL' "$work/cluster/$name/lines" && [ "$status" -eq 0 ] || { echo "== $name"; cat "$work/cluster/$name.log"; }
  done
  return "$status"
}
