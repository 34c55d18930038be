# Which cluster the tests are on, and how they reach it.
#
#   FORGETD_TEST_CLUSTER        a script that has `up`, `do COMMAND..`, `load ARCHIVE` and `down`, as tests/cluster/lab.sh
#   FORGETD_TEST_CLUSTER_LOAD   a command that gives an image's archive to the nodes, for example `kind load image-archive`;
#                               with KUBECONFIG, which says where the cluster is
#   neither                     our own, if it is built
# shellcheck shell=bash

own_lab=tests/cluster/lab.sh

# cluster_choose: sets cluster_script, which is empty where KUBECONFIG says all.
cluster_choose() {
  cluster_script=
  if [ -n "${FORGETD_TEST_CLUSTER:-}" ]; then
    cluster_script="$FORGETD_TEST_CLUSTER"
  elif [ -n "${FORGETD_TEST_CLUSTER_LOAD:-}" ]; then
    [ -n "${KUBECONFIG:-}" ] || { echo 'FORGETD_TEST_CLUSTER_LOAD needs KUBECONFIG beside it'; return 1; }
  elif [ "$(id -u)" -ne 0 ]; then
    skip 'a cluster of our own needs root, and no other is named (CONTRIBUTING.md): the chart does not run in any'
  elif ! "$own_lab" built; then
    skip 'no cluster is built (./test --cluster does it, in minutes) and none is named (CONTRIBUTING.md): the chart does not run in any'
  else
    cluster_script="$own_lab"
  fi
}

# cluster_up: one test at a time has the cluster; it goes at the end, unless it was there before or is to stay.
cluster_up() {
  mkdir -p "$cache/cluster"
  exec {cluster_lock}>"$cache/cluster/lock"
  flock --wait 900 "$cluster_lock" || skip 'other tests have the cluster for longer than a quarter of an hour'
  [ -n "$cluster_script" ] || return 0
  "$cluster_script" up {cluster_lock}>&- | tee "$work/cluster-up"
  if [ "${FORGETD_TEST_CLUSTER_STAYS:-}" != yes ] && ! grep -q 'is up' "$work/cluster-up"; then
    echo "$cluster_script" >"$work/cluster-script"
  fi
}

# stop_cluster: ends what cluster_up started; once.
stop_cluster() {
  [ -e "$work/cluster-script" ] || return 0
  "$(cat "$work/cluster-script")" down || true
  rm -f "$work/cluster-script"
}

stops+=(stop_cluster)

in_cluster() {
  if [ -n "$cluster_script" ]; then "$cluster_script" do "$@"; else "$@"; fi
}

cluster_load() {
  if [ -n "$cluster_script" ]; then
    "$cluster_script" load "$1"
  else
    # A command with its arguments.
    # shellcheck disable=SC2086
    $FORGETD_TEST_CLUSTER_LOAD "$1"
  fi
}

# In the namespace of the scene, and never for ever.
k() { in_cluster timeout 150 kubectl --namespace "$ns" "$@"; }
h() { in_cluster timeout 300 helm --namespace "$ns" "$@"; }

# answers POD PORT PATH: what a pod says over HTTP, by way of the API server.
answers() { k get --raw "/api/v1/namespaces/$ns/pods/$1:$2/proxy/$3"; }

# metric POD NAME: the value of a series, named as it is written; nothing where there is none.
metric() { answers "$1" 9878 metrics | awk -v name="$2" '$1 == name { print $2 }'; }

# sql DATABASE STATEMENT: what PostgreSQL answers, values alone.
sql() { in_cluster timeout 60 kubectl --namespace "$home_ns" exec -i shop-postgresql-0 -- psql -qXAt -v ON_ERROR_STOP=1 -U postgres "$1" -c "$2"; }

# pods SELECTOR: the names of pods that are not about to go.
pods() {
  k get pods --selector "$1" --output json | python3 tests/cluster/look.py pods
}

# holder SELECTOR: the pod that acts; fails unless exactly one says that it does.
holder() {
  local pod found=()
  for pod in $(pods "$1"); do
    [ "$(metric "$pod" forgetd_holder)" != 1 ] || found+=("$pod")
  done
  [ ${#found[@]} -eq 1 ] || { echo "${#found[@]} act" >&2; return 1; }
  echo "${found[0]}"
}

# Of every pod of this namespace, from its node's own statistics.
memory() {
  local node
  node="$(k get pods --output 'jsonpath={.items[0].spec.nodeName}')"
  k get --raw "/api/v1/nodes/$node/proxy/stats/summary" | python3 tests/cluster/look.py memory "$ns"
}

# evict POD: as whoever drains its node does.
evict() {
  k create --raw "/api/v1/namespaces/$ns/pods/$1/eviction" --filename - <<JSON
{ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "$1", "namespace": "$ns" } }
JSON
}

# reach: opens a way from here to PostgreSQL, as an administrator would, and says its port.
reach() {
  local log="$work/reach" _
  if [ -n "$cluster_script" ]; then
    setsid "$cluster_script" do kubectl --namespace "$home_ns" port-forward service/shop-postgresql :5432 >"$log" 2>&1 &
  else
    setsid kubectl --namespace "$home_ns" port-forward service/shop-postgresql :5432 >"$log" 2>&1 &
  fi
  echo $! >"$work/reach.pid"
  for _ in $(seq 100); do
    ! grep -q '^Forwarding from 127' "$log" || break
    sleep 0.1
  done
  sed -nE 's/^Forwarding from 127\.0\.0\.1:([0-9]+) .*/\1/p' "$log" >"$work/reach.port"
  [ -s "$work/reach.port" ] || { cat "$log"; return 1; }
}

stop_reach() {
  [ ! -e "$work/reach.pid" ] || kill -- "-$(cat "$work/reach.pid")" 2>/dev/null || true
  rm -f "$work/reach.pid"
}

# outside FOLDER FORGETD-ARGUMENT..: our program on this machine, with the policy and the secrets of a folder.
outside() {
  local folder="$1"
  shift
  in_cluster timeout 60 env FORGETD_CONFIG="$folder/forgetd.yaml" "$forgetd" "$@"
}
