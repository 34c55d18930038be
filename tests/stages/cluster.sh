# The chart in a real cluster, as its users see it. tests/cluster/ has the cluster, the images and what is looked at.
# shellcheck shell=bash

# shellcheck source=tests/cluster/access.sh
source tests/cluster/access.sh
# shellcheck source=tests/cluster/images.sh
source tests/cluster/images.sh
# shellcheck source=tests/cluster/seen.sh
source tests/cluster/seen.sh
# shellcheck source=tests/cluster/ground.sh
source tests/cluster/ground.sh
# shellcheck source=tests/cluster/scenes/shop.sh
source tests/cluster/scenes/shop.sh
# shellcheck source=tests/cluster/scenes/daemon.sh
source tests/cluster/scenes/daemon.sh
# shellcheck source=tests/cluster/scenes/cron.sh
source tests/cluster/scenes/cron.sh
# shellcheck source=tests/cluster/scenes/volume.sh
source tests/cluster/scenes/volume.sh
# shellcheck source=tests/cluster/scenes/kustomized.sh
source tests/cluster/scenes/kustomized.sh

cluster_profile=debug

# The cluster is built if it is ours; then everything is looked at and told.
long_cluster() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --release) cluster_profile=release ;;
      *) usage >&2; exit 64 ;;
    esac
    shift
  done
  [ "$cluster_profile" = release ] || build_once
  stage lab cluster_lab
  stage cluster cluster
}

# Its programs are built of some 400 Go modules, once.
cluster_lab() {
  local status=0
  [ -z "${FORGETD_TEST_CLUSTER:-}${FORGETD_TEST_CLUSTER_LOAD:-}" ] || { echo 'note: the cluster is somebody else'\''s'; return 0; }
  "$own_lab" build || status=$?
  [ "$status" -ne 77 ] || skip 'the cluster could not be downloaded: the chart does not run in any'
  return "$status"
}

cluster() {
  local made="$work/cluster/images" status=0 images image
  cluster_choose
  cluster_programs
  # Ended by whoever comes last: this stage, or the script that it is a part of.
  trap 'stop_reach; stop_cluster' EXIT
  trap 'exit 130' INT TERM
  mkdir -p "$work/cluster"/{application,shop,daemon,cron,volume,kustomized,end}
  cluster_images "$made" >"$work/cluster/images.log" 2>&1 &
  images=$!
  # An image that takes minutes is not waited for by a cluster that is up.
  [ "$cluster_profile" = debug ] || cluster_imaged "$images"
  cluster_up
  cluster_imaged "$images"
  for image in "$made"/*.tar; do cluster_load "$image"; done
  in_cluster kubectl apply --server-side --filename "$(chart_tools)/crds/monitoring.coreos.com_podmonitors.yaml" \
    --filename "$(chart_tools)/crds/monitoring.coreos.com_servicemonitors.yaml" \
    --filename "$(chart_tools)/crds/monitoring.coreos.com_prometheusrules.yaml" >"$work/cluster/crds.log"
  # Nobody else's names.
  cluster_prefix="forgetd-test-$RANDOM"
  home_ns="$cluster_prefix-shop"
  # Not in a list: that would switch off -e inside.
  set +e
  scenes application
  status=$?
  if [ "$status" -eq 0 ]; then
    scenes shop daemon cron volume kustomized
    status=$?
    scenes end
    status=$((status + $?))
  fi
  set -e
  cluster_told "$made"
  cluster_leave
  [ "$status" -eq 0 ] || return 1
  ! grep -q '  SKIP' "$work/cluster/lines" || exit "$SKIP"
}

# cluster_imaged PROCESS: waits for the images; without them there is nothing to see.
cluster_imaged() {
  local status=0
  wait "$1" || status=$?
  [ "$status" -eq 0 ] || { cat "$work/cluster/images.log"; exit "$status"; }
}

# Who speaks to the cluster: helm of the chart's own tests, and kubectl.
cluster_programs() {
  local tools
  tools="$(chart_tools)"
  [ -e "$tools" ] || skip "the chart's tools are not here: the chart does not run in any cluster"
  PATH="$tools:$PATH"
  [ "$cluster_script" = "$own_lab" ] || in_cluster kubectl version --client >/dev/null || skip 'kubectl is not here: the chart does not run in any cluster'
  forgetd="$target/debug/forgetd"
  # What the Dockerfile's compiler leaves.
  [ "$cluster_profile" = debug ] || forgetd="$cache/image/release/forgetd"
  export HELM_CACHE_HOME="$work/helm" HELM_CONFIG_HOME="$work/helm" HELM_DATA_HOME="$work/helm" KUBECACHEDIR="$work/kubectl"
}

# What was seen, for the report and for people.
cluster_told() {
  local made="$1" file="$work/cluster/lines" archive
  {
    for archive in "$made"/*.tar; do echo "image $(basename "$archive" .tar): $(($(stat -c %s "$archive") / 1000000)) MB"; done
    cat "$file"
  } >"$work/cluster/told"
  if [ "$mode$only" = quick ]; then cat "$work/cluster/told"; else cp "$work/cluster/told" "$work/show"; fi
  sed -n 's/^\([a-z]*\) *SKIP/SKIP \1/p' "$file"
  echo "test result: ok. $(grep -c '^[a-z]*  ok' "$file") passed; $(grep -c '^[a-z]*  FAIL' "$file") failed; $(grep -c '^[a-z]*  SKIP' "$file") ignored"
}

# What is not ours stays as it was; what is ours ends as a whole.
cluster_leave() {
  [ -e "$work/cluster-script" ] || in_cluster kubectl delete namespaces --selector "forgetd-test=$cluster_prefix" --wait=false
}
