# Three daemons on a database of another namespace: who acts, who takes over, what helm does.
# shellcheck shell=bash

daemon_pods=app.kubernetes.io/name=forgetd,app.kubernetes.io/instance=forgetd

scene_daemon() {
  ns="$cluster_prefix-daemon" daemon_desk="$scene/desk"
  mkdir -p "$daemon_desk"
  seen 'a namespace of level restricted, keys and secrets' daemon_ground
  seen 'helm install; the hook makes the control tables' daemon_install
  seen 'three are ready' is 3/3 k get deployment forgetd --output 'jsonpath={.status.readyReplicas}/{.spec.replicas}'
  seen 'grants as a DBA runs them' daemon_grants
  seen 'helm test: check --connect as the role' h test forgetd --logs --timeout 60s
  seen 'one of three acts, the others hold no connection' wait_for 90 daemon_one
  seen 'an approval, and a run that somebody asks for' daemon_run
  seen 'an auditor looks for the first time' daemon_first_look
  seen 'the pod of the one that acts is deleted: another takes over' daemon_takeover
  seen 'a node is drained: one of three goes, the second is kept for now' daemon_drained
  seen 'SIGKILL in the middle of a purge: it is finished under the next term' daemon_killed
  seen 'memory at work' cat "$scene/memory"
  seen 'helm upgrade: the new policy is in force without a restart' daemon_upgrade
  seen 'helm rollback: the old one is' daemon_rollback
  seen 'the log continues what the auditor kept, and counts every row' daemon_evidence
  seen 'a byte of it flipped is noticed' daemon_tampered
  seen 'memory of the daemons' wait_for 40 memory
  seen 'helm uninstall leaves nothing but what a user made' daemon_gone
}

daemon_ground() {
  namespace "$ns"
  wait_for 30 k get serviceaccount default
  "$forgetd" keys new evidence --out "$daemon_desk/evidence.key"
  secrets forgetd url daemon "$daemon_desk/evidence.key"
  tables_of_hook daemon
  sql daemon "create table visit (id bigint generated always as identity primary key, seen_at timestamptz not null);
    create table login (id bigint generated always as identity primary key, at timestamptz not null);
    create index on visit (seen_at); create index on login (at);
    insert into visit (seen_at) select now() - make_interval(days => i % 60) from generate_series(1, 3000) i;
    insert into login (at) select now() - make_interval(days => i % 60) from generate_series(1, 14000) i;"
}

daemon_release() {
  h "$1" forgetd helm/forgetd --values tests/cluster/values/daemon.yaml --wait --timeout 150s "${@:2}"
}

daemon_install() {
  is 0 sql daemon "select count(*) from pg_tables where schemaname = 'forgetd'"
  daemon_release install
  echo "$(sql daemon "select count(*) from pg_tables where schemaname = 'forgetd'") control tables"
}

daemon_grants() {
  h template forgetd helm/forgetd --values tests/cluster/values/daemon.yaml | desk "$daemon_desk" url daemon
  grants "$daemon_desk" daemon
}

daemon_one() {
  local acts pod
  acts="$(holder "$daemon_pods")" || return 1
  for pod in $(pods "$daemon_pods"); do
    [ "$pod" = "$acts" ] || [ "$(metric "$pod" 'forgetd_database_connections{database="daemon"}')" = 0 ] || return 1
  done
  echo "$acts acts, term $(metric "$acts" forgetd_lease_term)"
}

# Asked in a pod that does not act.
daemon_run() {
  local other
  other="$(pods "$daemon_pods" | grep -v "^$(holder "$daemon_pods")\$" | head -n 1)"
  k exec "$other" -- forgetd approve --reason 'agreed with the tests'
  k exec "$other" -- forgetd run visits --json
  is 0 sql daemon "select count(*) from visit where seen_at < now() - interval '30 days'"
  echo "$(sql daemon 'select count(*) from visit') of 3000 stay"
}

daemon_first_look() {
  outside "$daemon_desk" evidence export "$daemon_desk/first"
  cp "$daemon_desk/first/log.vkey" "$daemon_desk/kept.vkey"
  cp "$daemon_desk/first/checkpoint" "$daemon_desk/kept"
  "$forgetd" evidence verify "$daemon_desk/first" --vkey "$daemon_desk/kept.vkey"
  echo "checkpoint of size $(sed -n 2p "$daemon_desk/kept") kept"
}

# newer TERM: one acts under a newer term: another pod, or the same one in another life.
newer() {
  local acts term
  acts="$(holder "$daemon_pods")" || return 1
  term="$(metric "$acts" forgetd_lease_term)"
  [ "$term" -gt "$1" ] && echo "$acts acts, term $term after $1"
}

daemon_takeover() {
  local acts term
  acts="$(holder "$daemon_pods")"
  term="$(metric "$acts" forgetd_lease_term)"
  k delete pod "$acts" --wait=false
  wait_for 40 newer "$term"
}

# The budget is asked as whoever drains a node asks it.
daemon_drained() {
  local first second term
  wait_for 60 is 3 k get deployment forgetd --output 'jsonpath={.status.readyReplicas}'
  wait_for 30 is 1 k get poddisruptionbudget forgetd --output 'jsonpath={.status.disruptionsAllowed}'
  first="$(holder "$daemon_pods")"
  term="$(metric "$first" forgetd_lease_term)"
  second="$(pods "$daemon_pods" | grep -v "^$first\$" | head -n 1)"
  evict "$first"
  if evict "$second" >"$scene/refusal" 2>&1; then
    echo 'two of three may go at once'
    return 1
  fi
  wait_for 40 newer "$term"
  grep -o "Cannot evict pod.*" "$scene/refusal" | cut -d . -f 1
}

# The process is gone between two instructions, as when a kernel kills it; its lease runs on.
daemon_killed() {
  local acts term due left due_sql="select count(*) from login where at < now() - interval '30 days'"
  wait_for 60 is 3 k get deployment forgetd --output 'jsonpath={.status.readyReplicas}'
  acts="$(holder "$daemon_pods")"
  term="$(metric "$acts" forgetd_lease_term)"
  due="$(sql daemon "$due_sql")"
  echo "$due" >"$scene/due"
  k exec "$(pods "$daemon_pods" | grep -v "^$acts\$" | head -n 1)" -- forgetd run logins --json >"$scene/asked" 2>&1 &
  wait_for 30 daemon_at_work "$due_sql" "$due"
  kill_in "$acts"
  left="$(sql daemon "$due_sql")"
  [ "$left" -gt 0 ]
  wait_for 40 newer "$term"
  wait_for 20 memory
  cp "$scene/waiting" "$scene/memory"
  wait_for 90 is 0 sql daemon "$due_sql"
  wait
  echo "who asked was told: $(grep . "$scene/asked" | tail -n 1)"
  is 1 k get pod "$acts" --output 'jsonpath={.status.containerStatuses[0].restartCount}'
  wait_for 40 is clean daemon_verdict logins
  echo "$left of $due rows were left, then 0 and $(tail -n 1 "$scene/waiting"); $(holder "$daemon_pods") acts, $acts was killed"
}

daemon_at_work() {
  local left
  left="$(sql daemon "$1")"
  [ "$left" -lt $(($2 - 500)) ] && [ "$left" -gt 0 ]
}

daemon_verdict() {
  k exec "$(pods "$daemon_pods" | head -n 1)" -- forgetd status --json |
    python3 -c 'import json, sys; print(*[rule["verdict"] for rule in map(json.loads, sys.stdin) if rule["rule"] == sys.argv[1]])' "$1"
}

# kill_in POD: where this machine sees the cluster's processes.
kill_in() {
  local id pid
  id="$(k get pod "$1" --output 'jsonpath={.status.containerStatuses[?(@.name=="forgetd")].containerID}')"
  pid="$(grep -ls "${id##*/}" /proc/[0-9]*/cgroup | cut -d / -f 3 | head -n 1 || true)"
  [ -n "$pid" ] || skip "the processes of this cluster are not on this machine: nobody was killed"
  kill -KILL "$pid"
}

# digests: which policies are in force, each once.
digests() {
  local pod
  for pod in $(pods "$daemon_pods"); do
    answers "$pod" 9878 metrics | sed -n 's/^forgetd_policy_info{sha256="\(.*\)"} 1$/\1/p'
  done | sort -u
}

daemon_swapped() {
  [ "$(digests)" = "$1" ] && [ "$(k get pods --selector "$daemon_pods" --output 'jsonpath={.items[*].metadata.name}')" = "$2" ]
}

daemon_upgrade() {
  local names digest
  digests >"$scene/digest"
  is 1 wc -l <"$scene/digest"
  names="$(k get pods --selector "$daemon_pods" --output 'jsonpath={.items[*].metadata.name}')"
  echo "$names" >"$scene/names"
  daemon_release upgrade --set 'config.rules[1].keep_for=60d'
  wait_for 90 daemon_other "$names"
}

# other NAMES: one policy in all of them, not the one before; and they are the same pods.
daemon_other() {
  local digest
  digest="$(digests)"
  [ "$(echo "$digest" | wc -l)" -eq 1 ] && [ "$digest" != "$(cat "$scene/digest")" ] && daemon_swapped "$digest" "$1" &&
    echo "$digest in all three, not $(cat "$scene/digest")"
}

daemon_rollback() {
  h rollback forgetd 1 --wait --timeout 120s
  wait_for 90 daemon_swapped "$(cat "$scene/digest")" "$(cat "$scene/names")"
  is 3 wc -l < <(h history forgetd --output json | python3 -c 'import json, sys; [print(one["revision"]) for one in json.load(sys.stdin)]')
  echo "revision 3, $(cat "$scene/digest") again"
}

daemon_evidence() {
  local rows
  outside "$daemon_desk" evidence export "$daemon_desk/second"
  "$forgetd" evidence verify "$daemon_desk/second" --vkey "$daemon_desk/kept.vkey" --since "$daemon_desk/kept"
  "$forgetd" evidence show "$daemon_desk/second" --rule logins --type batch --json >"$scene/batches"
  rows="$(python3 -c 'import json, sys; print(sum(json.loads(line)["changed"] for line in sys.stdin))' <"$scene/batches")"
  is "$(cat "$scene/due")" echo "$rows"
  echo "$rows rows in $(wc -l <"$scene/batches") batches, as many as were due"
}

daemon_tampered() {
  local file status=0
  cp -r "$daemon_desk/second" "$daemon_desk/flipped"
  file="$(find "$daemon_desk/flipped/tile/entries" -type f | head -n 1)"
  printf X | dd of="$file" bs=1 seek=40 conv=notrunc status=none
  "$forgetd" evidence verify "$daemon_desk/flipped" --vkey "$daemon_desk/kept.vkey" || status=$?
  is 10 echo "$status"
  echo "exit status $status"
}

daemon_gone() {
  local kinds=deployment,pod,job,service,serviceaccount,configmap,poddisruptionbudget,networkpolicy
  h uninstall forgetd --wait --timeout 60s
  # Helm takes no pod of a test along.
  k delete pod forgetd-check --ignore-not-found
  wait_for 30 is '' k get "$kinds" --selector app.kubernetes.io/instance=forgetd --output name
  echo "no $kinds is left; the control tables are: $(sql daemon "select count(*) from pg_tables where schemaname = 'forgetd'")"
}
