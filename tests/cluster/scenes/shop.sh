# An application with its PostgreSQL and forgetd beside every replica: examples/kubernetes-sidecar.
# shellcheck shell=bash

shop_pods=app=shop-shop

# The application as it was before: what the other scenes have their databases on.
scene_application() {
  shop_ground
  mkdir -p "$shop_desk"
  umbrella "$work/cluster/umbrella"
  seen 'a namespace of level restricted' namespace "$ns"
  seen 'a pod with rights is refused there' pod_is_refused
  seen 'keys and secrets' shop_secrets
  seen 'the application with its PostgreSQL, without forgetd' shop_release install --set forgetd.enabled=false
  seen 'tables, and the role of the daemon' shop_tables
  seen 'a way to the database from outside' reach
}

pod_is_refused() {
  local status=0
  k run bare --image="$shop_image" --restart=Never >"$scene/refusal" 2>&1 || status=$?
  [ "$status" -ne 0 ]
  grep -o 'violates PodSecurity "restricted:[^"]*"' "$scene/refusal"
}

shop_secrets() {
  wait_for 30 k get serviceaccount default
  "$forgetd" keys new evidence --out "$shop_desk/evidence.key"
  "$forgetd" keys new pseudonym --domain shop-people --out "$shop_desk/people.key"
  secrets forgetd-shop url shop "$shop_desk/evidence.key" "$shop_desk/people.key"
  k create secret generic shop-postgresql "--from-literal=password=$owner_password"
}

# shop_release VERB OPTION..
shop_release() {
  local verb="$1"
  shift
  h "$verb" shop "$work/cluster/umbrella/examples/kubernetes-sidecar" --values tests/cluster/values/shop.yaml --wait --timeout 150s "$@"
  k get pods --selector "$shop_pods" --no-headers
}

shop_tables() {
  local database
  wait_for 30 is 1 sql postgres 'select 1'
  for database in shop daemon cron volume kustomized; do sql postgres "create database $database"; done
  sql postgres "create role $role login password '$role_password'"
  sql shop "$(cat examples/postgres-sidecar/shop.sql)"
  sql shop "select count(*) || ' sessions' from web_session"
}

# Both scenes of it have one desk.
shop_ground() { ns="$home_ns" shop_desk="$work/cluster/shop/desk"; }

scene_shop() {
  shop_ground
  seen 'DDL and grants as a DBA runs them' shop_grants
  seen 'helm upgrade puts forgetd beside it; the hook installs' shop_release upgrade
  seen 'native sidecars, started first' shop_beside
  seen 'helm test: check --connect as the role' h test shop --logs --timeout 60s
  seen 'one of the sidecars acts' wait_for 30 holder "$shop_pods"
  seen 'rules wait for an approval, and get it' shop_approve
  seen 'the schedule purges; what is not due stays' shop_purged
  seen 'the keys that the chart mounts are read without a word about others' shop_keys
  seen 'the log is exported and verified from outside' shop_evidence
  seen 'a broken policy is swapped in: the application serves on' shop_broken
  seen 'TERM: the application ends first, the sidecar under 5 s after it' shop_order
  seen 'a new pod with the broken policy gets ready' wait_for 30 shop_both_broken
  seen 'the good policy is swapped in again' shop_mended
  seen 'memory of the sidecars' wait_for 40 memory
  seen 'helm upgrade takes forgetd out of the application again' shop_gone
}

shop_grants() {
  h template shop "$work/cluster/umbrella/examples/kubernetes-sidecar" --values tests/cluster/values/shop.yaml |
    desk "$shop_desk" shop-url shop
  grants "$shop_desk" shop
}

shop_beside() { k get pods --selector "$shop_pods" --output json | python3 tests/cluster/look.py beside; }

shop_approve() {
  k exec "$(holder "$shop_pods")" --container forgetd -- forgetd status | grep ' acts, term ' >&2
  k exec "$(holder "$shop_pods")" --container forgetd -- forgetd approve --reason 'agreed with the tests'
}

# The rules' fire time is the next minute.
shop_purged() {
  local due fresh carts
  due="$(sql shop "select count(*) from web_session where last_seen_at < now() - interval '31 days'")"
  fresh="$(sql shop "select count(*) from web_session where last_seen_at > now() - interval '29 days'")"
  carts="$(sql shop 'select count(*) from cart')"
  wait_for 100 is 0 sql shop "select count(*) from web_session where last_seen_at < now() - interval '30 days'"
  wait_for 30 is 0 sql shop "select count(*) from customer where last_order_at < now() - interval '3 years 1 day' and full_name is not null"
  is "$fresh" sql shop "select count(*) from web_session where last_seen_at > now() - interval '29 days'"
  is "$carts" sql shop 'select count(*) from cart'
  echo "at least $due sessions went, $fresh and $carts carts stay, $(sql shop 'select count(*) from customer where full_name is null') customers have no name"
}

# Whoever acts reads them for each run.
shop_keys() {
  wait_for 30 shop_ran
  if grep 'can be read by others' "$scene/pods.log"; then return 1; fi
}

shop_ran() {
  local pod
  for pod in $(pods "$shop_pods"); do k logs "$pod" --container forgetd; done >"$scene/pods.log"
  grep -c '"rule":"customers".*"run ended"\|"run ended".*"rule":"customers"' "$scene/pods.log"
}

shop_evidence() {
  outside "$shop_desk" evidence export "$shop_desk/log"
  # The key is noted the first time, the checkpoint each time.
  cp "$shop_desk/log/log.vkey" "$shop_desk/kept.vkey"
  "$forgetd" evidence verify "$shop_desk/log" --vkey "$shop_desk/kept.vkey" --json
}

# valid VALUE: what every pod says about its configuration.
shop_valid() {
  local pod
  for pod in $(pods "$shop_pods"); do
    [ "$(metric "$pod" forgetd_config_valid)" = "$1" ] || { echo "$pod"; return 1; }
  done
}

shop_both_broken() { shop_beside && shop_valid 0; }

shop_broken() {
  k get configmap shop-forgetd --output 'jsonpath={.data.forgetd\.yaml}' >"$shop_desk/good.yaml"
  k patch configmap shop-forgetd --type merge --patch '{"data":{"forgetd.yaml":"version: 1\nrules: [oops"}}'
  wait_for 90 shop_valid 0
  shop_beside
  is well answers "$(pods "$shop_pods" | head -n 1)" 8080 healthz
  echo 'config_valid 0 in both, both pods ready, no restart, the application answers'
}

# The pod of the one that acts.
shop_order() {
  local pod log
  pod="$(holder "$shop_pods")"
  for log in shop forgetd; do k logs "$pod" --container "$log" --follow --timestamps >"$scene/$log.log" & done
  wait_for 20 test -s "$scene/shop.log" -a -s "$scene/forgetd.log"
  k delete pod "$pod" --timeout 40s
  wait
  python3 tests/cluster/look.py order "$scene/shop.log" "$scene/forgetd.log"
}

shop_mended() {
  python3 -c 'import json, sys; print(json.dumps({"data": {"forgetd.yaml": open(sys.argv[1]).read()}}))' "$shop_desk/good.yaml" >"$scene/patch"
  k patch configmap shop-forgetd --type merge --patch-file "$scene/patch"
  wait_for 90 shop_valid 1
  wait_for 30 holder "$shop_pods"
}

# Helm takes no pod of a test along.
shop_gone() {
  shop_release upgrade --set forgetd.enabled=false
  k delete pod shop-forgetd-check --ignore-not-found
  wait_for 30 is '' k get configmap,pod,job --selector app.kubernetes.io/instance=shop --output name
  echo 'nothing of it is left, the application is there'
}

# The application goes last: the others worked on its PostgreSQL.
scene_end() {
  ns="$home_ns"
  seen 'helm uninstall of the application; its volume stays' shop_uninstalled
}

shop_uninstalled() {
  h uninstall shop --wait --timeout 60s
  k get persistentvolumeclaim --no-headers
}
