# A CronJob: a run that waits for a person fails once, an approved one ends clean, though its pod is taken away.
# shellcheck shell=bash

scene_cron() {
  ns="$cluster_prefix-cron" cron_desk="$scene/desk"
  mkdir -p "$cron_desk"
  seen 'a namespace of level restricted, keys and secrets' cron_ground
  seen 'helm install of a CronJob that is suspended; the hook installs' cron_release install
  seen 'grants as a DBA runs them' cron_grants
  seen 'blocked is a failed Job, not tried again' cron_blocked
  seen 'approved from outside' outside "$cron_desk" approve --reason 'agreed with the tests'
  seen 'helm upgrade lets it go: it fires' cron_fires
  seen 'its node is drained: the Job begins again and fails nothing' cron_drained
  seen 'its log is verified from outside' cron_evidence
  seen 'helm uninstall' h uninstall forgetd --wait --timeout 60s
}

cron_ground() {
  namespace "$ns"
  wait_for 30 k get serviceaccount default
  "$forgetd" keys new evidence --out "$cron_desk/evidence.key"
  secrets forgetd url cron "$cron_desk/evidence.key"
  sql cron "create table draft (id bigint generated always as identity primary key, saved_at timestamptz not null);
    create index on draft (saved_at);
    insert into draft (saved_at) select now() - make_interval(days => i % 60) from generate_series(1, 1200) i;"
}

cron_release() {
  h "$1" forgetd helm/forgetd --values tests/cluster/values/cron.yaml --wait --timeout 120s "${@:2}"
  k get cronjob forgetd --no-headers
}

cron_grants() {
  h template forgetd helm/forgetd --values tests/cluster/values/cron.yaml | desk "$cron_desk" url cron
  grants "$cron_desk" cron
}

cron_blocked() {
  k create job now --from=cronjob/forgetd
  wait_for 60 k wait job/now --for=condition=Failed --timeout=0
  is PodFailurePolicy k get job now --output 'jsonpath={.status.conditions[?(@.type=="Failed")].reason}'
  is 1 k get job now --output 'jsonpath={.status.failed}'
  is 4 k get pods --selector batch.kubernetes.io/job-name=now \
    --output 'jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}'
  k logs job/now | grep -o '"cause":"[a-z_]*"' | tail -n 1
}

cron_due="select count(*) from draft where saved_at < now() - interval '30 days'"

# At the next full minute.
cron_fires() {
  cron_release upgrade --set cronJob.suspend=false
  wait_for 100 cron_at_work
  k get pods --field-selector status.phase=Running --output 'jsonpath={.items[0].metadata.labels.batch\.kubernetes\.io/job-name}' |
    tee "$scene/job"
}

cron_at_work() {
  local left
  left="$(sql cron "$cron_due")"
  [ "$left" -lt 580 ] && [ "$left" -gt 0 ]
}

# A run that is told to end is partial, which fails a Job; that its pod was evicted counts first.
cron_drained() {
  local job pod
  job="$(cat "$scene/job")"
  pod="$(k get pods --selector "batch.kubernetes.io/job-name=$job" --output 'jsonpath={.items[0].metadata.name}')"
  k logs "$pod" --follow >"$scene/drained.log" &
  # Who begins to read when the pod is gone reads nothing.
  wait_for 30 test -s "$scene/drained.log"
  evict "$pod"
  wait_for 90 k wait "job/$job" --for=condition=Complete --timeout=0
  wait
  is '' k get job "$job" --output 'jsonpath={.status.failed}'
  is 0 sql cron "$cron_due"
  is 600 sql cron 'select count(*) from draft'
  k logs "job/$job" >"$scene/again.log"
  is '"verdict":"partial"' grep -o '"verdict":"[a-z]*"' "$scene/drained.log"
  is '"verdict":"clean"' grep -o '"verdict":"[a-z]*"' "$scene/again.log"
  echo "$job: partial, then clean, and nothing failed; 600 rows stay"
}

cron_evidence() {
  outside "$cron_desk" evidence export "$cron_desk/log"
  "$forgetd" evidence verify "$cron_desk/log" --vkey "$cron_desk/log/log.vkey" --json
}
