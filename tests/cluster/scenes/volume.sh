# Evidence in a folder, on a claim that outlives the release.
# shellcheck shell=bash

scene_volume() {
  ns="$cluster_prefix-volume" volume_desk="$scene/desk" volume_pods=app.kubernetes.io/name=forgetd
  mkdir -p "$volume_desk"
  seen 'a namespace of level restricted, keys and secrets' volume_ground
  seen 'helm install; the claim is bound, and written to by a user that is not root' volume_release
  seen 'grants as a DBA runs them' volume_grants
  seen 'an approved purge, with its evidence in the folder' volume_run
  seen 'the claim stays when the release goes' volume_gone
  seen 'the next release finds the log and goes on with it' volume_again
  seen 'helm uninstall' h uninstall forgetd --wait --timeout 60s
}

volume_ground() {
  namespace "$ns"
  wait_for 30 k get serviceaccount default
  "$forgetd" keys new evidence --out "$volume_desk/evidence.key"
  secrets forgetd url volume "$volume_desk/evidence.key"
  sql volume "create table note (id bigint generated always as identity primary key, at timestamptz not null);
    create index on note (at);
    insert into note (at) select now() - make_interval(days => i % 60) from generate_series(1, 600) i;"
}

volume_release() {
  h install forgetd helm/forgetd --values tests/cluster/values/volume.yaml --wait --timeout 120s
  is Bound k get persistentvolumeclaim forgetd-evidence --output 'jsonpath={.status.phase}'
  k get pods --selector "$volume_pods" --no-headers
}

volume_grants() {
  h template forgetd helm/forgetd --values tests/cluster/values/volume.yaml | desk "$volume_desk" url volume
  grants "$volume_desk" volume
}

volume_forgetd() { k exec deployment/forgetd --container forgetd -- forgetd "$@"; }

volume_run() {
  wait_for 90 holder "$volume_pods"
  volume_forgetd approve --reason 'agreed with the tests'
  volume_forgetd run notes --json
  volume_forgetd evidence verify --json >"$scene/first"
  cat "$scene/first"
}

volume_gone() {
  h uninstall forgetd --wait --timeout 60s
  k get persistentvolumeclaim forgetd-evidence --no-headers
}

volume_again() {
  local before after
  volume_release
  wait_for 90 holder "$volume_pods"
  sql volume "insert into note (at) select now() - interval '90 days' from generate_series(1, 50)"
  volume_forgetd run notes --json
  volume_forgetd evidence verify --json >"$scene/second"
  before="$(python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])' <"$scene/first")"
  after="$(python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])' <"$scene/second")"
  [ "$after" -gt "$before" ]
  echo "a log of $before entries has $after now"
}
