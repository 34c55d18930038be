#!/usr/bin/env bash
# A small real Kubernetes on this machine, for tests: etcd, API server, controllers, scheduler, kube-proxy, a kubelet, and
# containerd with Debian's runc. It wants Debian, root, Go and a C compiler; no systemd, no Docker, no registry.
#
#   lab.sh built             whether its programs are there
#   lab.sh build             builds them of the Go modules that lab/ pins: some ten minutes, once; 77 if they cannot be had
#   lab.sh up                starts it from nothing, building first if need be; says so and does nothing if it is up
#   lab.sh do COMMAND..      runs COMMAND where the API server is reached, with KUBECONFIG: kubectl, helm, forgetd, ..
#   lab.sh load ARCHIVE      gives the node an image, as podman and docker save it
#   lab.sh image NAME FILE.. makes an image of files, of which the first is run, and loads it
#   lab.sh down              ends everything and forgets its state; the programs stay
#
# It lives in network, mount, process and host name spaces of its own: no port, rule, sysctl or mount of the machine is used.
# Everything it writes is in $FORGETD_LAB_DIR (a short path: sockets lie in it), but for its cgroups, which `down` removes. It
# ends by itself after $FORGETD_LAB_HOURS (2).
set -euo pipefail
me="$(realpath "${BASH_SOURCE[0]}")"
here="$(dirname "$me")"
lab="${FORGETD_LAB_DIR:-${FORGETD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/forgetd-test}/cluster}"
mkdir -p "$lab"
lab="$(realpath "$lab")"
bin="$lab/bin" run="$lab/run"
export FORGETD_LAB_DIR="$lab" KUBECONFIG="$run/kubeconfig" KUBECACHEDIR="${KUBECACHEDIR:-$run/kubectl}" PATH="$bin:$PATH:/usr/sbin:/sbin"

# The node's name, its address, the networks of pods and Services (documentation's own: they are nobody's), its cgroups.
node=lab address=192.0.2.10 pods=198.51.100.0/24 services=203.0.113.0/24 group=forgetd-lab
# Folders that the kubelet and CNI's library have by a fixed name.
fixed=(/var/lib/kubelet /var/lib/cni)

# shellcheck source=tests/cluster/lab/programs.sh
source "$here/lab/programs.sh"
# shellcheck source=tests/cluster/lab/settings.sh
source "$here/lab/settings.sh"
# shellcheck source=tests/cluster/lab/node.sh
source "$here/lab/node.sh"

# timed WHAT COMMAND..: says how long it took.
timed() {
  local what="$1" start="${EPOCHREALTIME/./}"
  shift
  "$@"
  printf '%-8s %7d ms\n' "$what" $(((${EPOCHREALTIME/./} - start) / 1000)) >&2
}

# Process 1 of the lab, as the machine counts; fails if there is none.
first() {
  local outer child
  outer="$(cat "$run/pid" 2>/dev/null)" && child="$(cat "/proc/$outer/task/$outer/children" 2>/dev/null)" || return 1
  child="${child%% *}"
  # Numbers of processes come again.
  [[ -n "$child" && "$(tr '\0' ' ' <"/proc/$child/cmdline")" == *"lab.sh inside"* ]] && echo "$child"
}

within() { nsenter --net --target "$(first)" -- "$@"; }

# poll SECONDS COMMAND..: until COMMAND succeeds in the lab; what it said last, if that takes too long.
poll() {
  local until=$((SECONDS + $1))
  shift
  until within "$@" >"$run/poll.log" 2>&1; do
    if ! first >/dev/null; then
      echo "the lab has ended: $run/*.log" >&2
      return 1
    fi
    if [ "$SECONDS" -ge "$until" ]; then
      echo "waited too long for: $*" >&2
      cat "$run/poll.log" >&2
      return 1
    fi
    sleep 0.2
  done
}

is_up() { first >/dev/null && within kubectl get --raw /readyz >/dev/null 2>&1; }

up() {
  if is_up; then
    echo 'is up'
    return 0
  fi
  down
  if ! built; then timed build build; fi
  timed settings settings
  timed start start
  timed node ready
}

# Nobody's terminal and nobody's open files go along.
start() {
  local fd
  (
    for fd in /proc/self/fd/*; do
      fd="${fd##*/}"
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec setsid unshare --fork --kill-child --pid --mount --mount-proc --net --uts bash "$me" inside
  ) </dev/null >"$run/inside.log" 2>&1 &
  echo $! >"$run/pid"
  local _
  for _ in $(seq 100); do
    ! first >/dev/null || break
    sleep 0.05
  done
  poll 120 kubectl get --raw /readyz
}

# The image of pause, a node that is ready, volumes for claims, and the first account.
ready() {
  poll 60 ctr --address "$run/containerd.sock" version
  image localhost/pause:1 "$bin/pause"
  poll 120 kubectl wait "node/$node" --for=condition=Ready --timeout=0
  poll 30 kubectl apply --filename "$run/volumes.yaml"
  poll 30 kubectl get serviceaccount default
}

load() {
  within ctr --address "$run/containerd.sock" --namespace k8s.io images import "$1" >"$run/import.log" 2>&1 ||
    { cat "$run/import.log" >&2; return 1; }
}

image() {
  local name="$1" made
  shift
  made="$(mktemp -d -p "$run")"
  mkdir "$made/root"
  cp "$@" "$made/root"
  python3 "$here/archive.py" "$name" "$made/root" "$made/image.tar" --entrypoint "/$(basename "$1")"
  load "$made/image.tar"
  rm -r "$made"
}

down() {
  local outer one mount _
  outer="$(cat "$run/pid" 2>/dev/null || true)"
  if one="$(first)"; then
    # Whoever is in its name space ends with it.
    kill -KILL "$one"
    for _ in $(seq 200); do
      [ -e "/proc/$outer/ns" ] || break
      sleep 0.05
    done
  fi
  for mount in $(findmnt -rno TARGET -t cgroup,cgroup2); do
    for _ in $(seq 50); do
      [ -d "$mount/$group" ] || break
      find "$mount/$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
  done
  if [ -e "$run/made" ]; then xargs -r rmdir <"$run/made" || true; fi
  rm -rf "$run"
}

case "${1:-}" in
  built | build | up | down | load | image | inside) "$@" ;;
  # Who ends this ends the command.
  do) shift; exec nsenter --net --target "$(first)" -- "$@" ;;
  *) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$me" >&2; exit 64 ;;
esac
