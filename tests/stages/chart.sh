# The chart and its alerts by the tools of those who use them: helm, kubeconform, kustomize, promtool, yamllint.
# shellcheck shell=bash

# The oldest Kubernetes that the chart is for, and the newest that there are schemas of.
kubernetes_versions=(1.29.0 1.37.0)
kubernetes_schemas=kubernetes-validate==1.37.0

# chart_tools: where the programs and schemas are. Other versions of them are kept elsewhere.
chart_tools() {
  echo "$cache/chart/$(cat tests/stages/chart.go.mod tests/chart/crd_schemas.py <(echo "$kubernetes_schemas") | sha256sum | cut -c1-16)"
}

# helm, kubeconform, kustomize and controller-gen are built from their Go modules; the schemas of Kubernetes come from
# a package that brings them along, those of the Prometheus operator are made from its Go types.
chart_stage() {
  local tools new="$work/chart-tools"
  tools="$(chart_tools)"
  [ ! -e "$tools" ] || return 0
  python3 -c 'import yaml' || skip "the chart's tools need Python's yaml (Debian's yamllint brings it): the chart is not tested"
  mkdir -p "$new"
  chart_programs "$new"
  chart_schemas "$new"
  mkdir -p "$cache/chart"
  mv "$new" "$tools"
}

chart_programs() {
  local out="$1" go="$work/chart-go"
  mkdir -p "$go"
  cp tests/stages/chart.go.mod "$go/go.mod"
  cp tests/stages/chart.go.sum "$go/go.sum"
  (
    export GOPATH="$go/path" GOCACHE="$go/cache" GOFLAGS=-modcacherw CGO_ENABLED=0
    cd "$go"
    operator=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1
    if ! go list -deps tool "$operator" >/dev/null; then
      skip "helm's and kubeconform's Go modules could not be downloaded (Go 1.24 or later gets what they need): the chart is not tested"
    fi
    go build -trimpath -ldflags='-s -w' -o "$out/" tool
    "$out/controller-gen" crd "output:dir=$out/crds" "paths=$operator"
  )
  rm -rf "$go"
}

chart_schemas() {
  local out="$1" version
  python3 -m venv "$work/chart-venv"
  if ! "$work/chart-venv/bin/pip" download --quiet --no-deps --dest "$work/chart-wheel" "$kubernetes_schemas"; then
    skip "the schemas of Kubernetes could not be downloaded: the chart is not tested"
  fi
  python3 -m zipfile -e "$work"/chart-wheel/*.whl "$work/chart-unpacked"
  for version in "${kubernetes_versions[@]}"; do
    mv "$work/chart-unpacked/kubernetes_validate/kubernetes-json-schema/v$version-local-strict" "$out/$version"
    # As they are, they name themselves by addresses.
    sed -i 's|"\$id": "https|"x-id": "https|; s|"/api/_definitions.json|"_definitions.json|' "$out/$version"/*.json
    python3 tests/chart/crd_schemas.py "$out/$version" "$out"/crds/*.yaml
  done
}

chart() {
  local tools
  tools="$(chart_tools)"
  [ -e "$tools" ] || skip "the chart's tools are not here: the chart is not tested"
  chart_work="$work/chart"
  mkdir -p "$chart_work/manifests"
  export HELM_CACHE_HOME="$chart_work/helm" HELM_CONFIG_HOME="$chart_work/helm" HELM_DATA_HOME="$chart_work/helm"
  PATH="$tools:$PATH"
  chart_good=0 chart_bad=0 chart_missing=0
  chart_yaml
  chart_values
  chart_strategies
  chart_labels
  chart_refusals
  chart_umbrella
  chart_without_helm
  chart_types
  chart_compose
  chart_alerts
  echo "test result: ok. $chart_good passed; $chart_bad failed; $chart_missing ignored"
  [ "$chart_bad" -eq 0 ] || return 1
  [ "$chart_missing" -eq 0 ] || exit "$SKIP"
}

# that WHAT COMMAND..: one thing that must be so.
that() {
  local what="$1" status
  shift
  # Not in an `if`: that would switch off -e inside.
  set +e
  (set -e; "$@") >"$chart_work/said" 2>&1
  status=$?
  set -e
  if [ "$status" -eq 0 ]; then
    chart_good=$((chart_good + 1))
  else
    chart_bad=$((chart_bad + 1))
    echo "FAILED $what"
    cat "$chart_work/said"
  fi
}

chart_yaml() {
  if command -v yamllint >/dev/null; then
    that 'yamllint' yamllint --strict -c tests/chart/yamllint.yaml helm/forgetd/{Chart,values}.yaml helm/forgetd/{ci,rules} \
      kustomize tests/chart examples/kubernetes-sidecar/{Chart,values}.yaml examples/{kubernetes-{kustomize,deployment,cronjob},compose,watching}
  else
    chart_missing=$((chart_missing + 1))
    echo 'SKIP yamllint is not here'
  fi
  that 'the dashboard is JSON' python3 -m json.tool helm/forgetd/dashboards/forgetd.json
}

# Every set of values, on the oldest and the newest Kubernetes: rendered twice alike, valid, and safe; and its policy is
# one that forgetd takes.
chart_values() {
  local values name version
  for values in helm/forgetd/ci/*-values.yaml examples/kubernetes-{deployment,cronjob}/values.yaml; do
    name="$(echo "$values" | tr / -)"
    that "helm lint $values" helm lint --strict --values "$values" helm/forgetd
    for version in "${kubernetes_versions[@]}"; do
      that "$values on $version" chart_rendered "$chart_work/$name" "$version" shop helm/forgetd --values "$values"
      that "$values on $version is safe" python3 tests/chart/rendered.py safe <"$chart_work/$name"
    done
    that "the volumes of $values" python3 tests/chart/rendered.py volumes <"$chart_work/$name"
    [ "$name" = helm-forgetd-ci-existing-values.yaml ] ||
      that "forgetd takes the policy of $values" chart_policy "$chart_work/$name"
    that "notes of $values" chart_notes "$values"
  done
}

# chart_rendered FILE VERSION RELEASE CHART [OPTION..]
chart_rendered() {
  local file="$1" version="$2" release="$3"
  shift 3
  helm template "$release" "$@" --namespace shop --kube-version "$version" >"$file"
  helm template "$release" "$@" --namespace shop --kube-version "$version" | cmp - "$file"
  chart_kept "$version $*" "$file"
  chart_valid "$version" "$file"
}

# chart_kept NAME FILE: everything that was rendered, for those who read all of it at the end.
chart_kept() {
  cp "$2" "$chart_work/manifests/$(echo "${1//"$chart_work"/}" | tr -cs 'A-Za-z0-9.\n' - | cut -c 1-200)"
}

# chart_valid VERSION FILE: nothing is invalid, and nothing has no schema.
chart_valid() {
  kubeconform -strict -summary -schema-location "$(chart_tools)/$1/{{.ResourceKind}}{{.KindSuffix}}.json" "$2"
}

chart_policy() {
  python3 tests/chart/rendered.py config "$chart_work/forgetd.yaml" <"$1"
  "$target/debug/forgetd" check --config "$chart_work/forgetd.yaml"
}

# The notes say how it runs, which rules act, and name a command.
chart_notes() {
  helm install shop helm/forgetd --namespace shop --dry-run=client --values "$1" >"$chart_work/notes"
  sed -n '/^NOTES:/,$p' "$chart_work/notes" | tee "$chart_work/note"
  grep -q '^forgetd 0' "$chart_work/note"
  grep -Eq '^Rules that act|is in the ConfigMap' "$chart_work/note"
  grep -q 'kubectl -n shop' "$chart_work/note"
}

# Two at once, where the lease or the volume allows it, and only there.
chart_strategies() {
  strategy RollingUpdate deployment
  strategy Recreate deployment --set config.coordination=none
  strategy Recreate deployment --set-json 'extraEnv=[{"name":"FORGETD__COORDINATION","value":"none"}]'
  strategy Recreate deployment --set strategy=Recreate
  strategy RollingUpdate full
  strategy Recreate full --set config.coordination=none --set replicas=1
  strategy Recreate existing
  strategy RollingUpdate existing --set evidenceVolume.enabled=false
  strategy Recreate existing --set evidenceVolume.enabled=false --set strategy=Recreate
}

# strategy TYPE VALUES OPTION..
strategy() {
  local kind="$1" values="helm/forgetd/ci/$2-values.yaml" file="$chart_work/strategy"
  shift 2
  that "$values $* is rendered" chart_rendered "$file" 1.37.0 shop helm/forgetd --values "$values" "$@"
  that "$values $*: $kind" python3 tests/chart/rendered.py strategy "$kind" <"$file"
}

# Labels of the values that have the names of ours, or of each other, and a name as long as a label may be.
chart_labels() {
  local file="$chart_work/labels" labels='{"app.kubernetes.io/name":"a","app.kubernetes.io/instance":"b","team":"c"}' name
  name="$(printf 'n%.0s' {1..63})"
  that 'labels of the same names' chart_rendered "$file" 1.37.0 shop helm/forgetd --values helm/forgetd/ci/full-values.yaml --set "nameOverride=$name" \
    --set-json "commonLabels=$labels" --set-json "podLabels=$labels" --set-json "serviceMonitor.labels=$labels" \
    --set-json "podMonitor.labels=$labels" --set-json "prometheusRule.labels=$labels" --set-json "dashboard.labels=$labels" \
    --set-json 'evidenceVolume.annotations={"helm.sh/resource-policy":"delete"}'
  that 'ours count' python3 tests/chart/rendered.py safe <"$file"
  that 'the claim stays' grep -q 'helm.sh/resource-policy: keep' "$file"
  that 'names are asked at every port' test "$(grep -c 'port: 5353' "$file")" -eq 6
}

# What must be refused, and by which word.
chart_refusals() {
  local ci=helm/forgetd/ci
  refused 'keepfor' deployment --set 'config.rules[0].keepfor=30d'
  refused 'whre' full --set 'config.rules[1].whre.state=on'
  refused "'delete'" deployment --set 'config.rules[0].action=delte'
  refused 'colour' deployment --set colour=red
  refused 'emptyDir' evidence-dir --set-json 'evidenceVolume.emptyDir={}'
  refused 'evidenceVolume' evidence-dir --set evidenceVolume.enabled=false
  refused 'mountPath' evidence-dir --set config.evidence.store.dir=/tmp/evidence
  refused 'replicas' evidence-dir --set replicas=2
  refused 'strategy' deployment --set config.coordination=none --set strategy=RollingUpdate
  refused 'strategy' existing --set strategy=RollingUpdate
  refused 'ReadWriteMany' full --set-json 'evidenceVolume.accessModes=["ReadWriteOnce"]'
  refused 'is an emptyDir' deployment --set-json 'extraVolumes=[{"name":"e","emptyDir":{}}]' \
    --set-json 'extraVolumeMounts=[{"name":"e","mountPath":"/var/lib/forgetd"}]'
  refused 'existingConfigMap' deployment --set existingConfigMap=other
  refused 'CronJob serves no metrics' cronjob --set podMonitor.enabled=true
  refused 'networkPolicy.egress' deployment --set networkPolicy.enabled=true
  refused 'installJob.secretFiles' deployment --set installJob.enabled=true
  refused 'digest' deployment --set image.digest=latest
  that 'a policy is asked for' chart_refused 'config: write the policy here' template shop helm/forgetd
  that 'an older Kubernetes is refused' chart_refused '1.28' template shop helm/forgetd --kube-version 1.28.0 --values "$ci/deployment-values.yaml"
}

# refused WORD VALUES OPTION..
refused() {
  local word="$1" values="helm/forgetd/ci/$2-values.yaml"
  shift 2
  that "$word is refused" chart_refused "$word" template shop helm/forgetd --values "$values" "$@"
}

chart_refused() {
  local word="$1"
  shift
  ! helm "$@" >"$chart_work/out" 2>"$chart_work/error" || { echo 'helm took it'; return 1; }
  cat "$chart_work/error"
  grep -q -- "$word" "$chart_work/error"
}

# An application's chart with ours as a dependency.
chart_umbrella() {
  local umbrella="$chart_work/examples/kubernetes-sidecar" version file="$chart_work/umbrella"
  that 'the dependency is found' umbrella "$chart_work"
  that 'the umbrella lints' helm lint --strict "$umbrella" --set global.any.thing=1
  for version in "${kubernetes_versions[@]}"; do
    that "the umbrella on $version" chart_rendered "$file" "$version" shop "$umbrella" --set global.any.thing=1
    that "the umbrella on $version is safe" python3 tests/chart/rendered.py safe <"$file"
    that "a native sidecar without probes on $version" python3 tests/chart/rendered.py beside native <"$file"
  done
  that 'its policy is mounted and taken' chart_policy "$file"
  that 'the classic umbrella' chart_rendered "$file" 1.29.0 shop "$umbrella" --set forgetd.sidecar.native=false
  that 'a classic container without probes' python3 tests/chart/rendered.py beside classic <"$file"
  that 'the umbrella without it' chart_rendered "$file" 1.37.0 shop "$umbrella" --set forgetd.enabled=false
  that 'nothing is left of it' python3 tests/chart/rendered.py beside none <"$file"
  that 'a bad key below the umbrella' chart_refused 'keepfor' template shop "$umbrella" --set 'forgetd.config.rules[0].keepfor=30d'
}

# umbrella FOLDER: a copy of the example that Helm may write to, with its dependency.
umbrella() {
  mkdir -p "$1/examples"
  cp -r examples/kubernetes-sidecar "$1/examples"
  cp -r helm "$1/helm-charts"
  sed -i "s|file://../../helm/forgetd|file://$1/helm-charts/forgetd|" "$1/examples/kubernetes-sidecar/Chart.yaml"
  helm dependency update "$1/examples/kubernetes-sidecar"
}

# The same by kustomize.
chart_without_helm() {
  local file="$chart_work/kustomized" version
  that 'kustomize builds' kustomize build --load-restrictor LoadRestrictionsNone examples/kubernetes-kustomize -o "$file"
  that 'what kustomize built is kept' chart_kept kustomized "$file"
  for version in "${kubernetes_versions[@]}"; do that "kustomized for $version" chart_valid "$version" "$file"; done
  that 'kustomized is safe' python3 tests/chart/rendered.py safe <"$file"
  that 'kustomized is beside' python3 tests/chart/rendered.py beside native <"$file"
  that 'its policy is mounted and taken' chart_policy "$file"
}

# Every object of all that was rendered, read into the types of the Kubernetes API: what they do not know is named.
chart_types() {
  that 'every object is of its type' env FORGETD_TEST_MANIFESTS="$chart_work/manifests" \
    cargo test --locked "${features[@]}" --test chart -- --nocapture typed::
  sed -n '/^note: /p' "$chart_work/said"
}

# The compose file is read, no more: it wants images that are not here.
chart_compose() {
  that 'the compose file and its policy' python3 tests/chart/compose.py examples/compose/compose.yaml
  that 'what the compose file runs' sh -n examples/compose/import.sh
}

# Alerts and recording rules, as files and as the chart makes them.
chart_alerts() {
  local rules=helm/forgetd/rules values
  if ! command -v promtool >/dev/null; then
    chart_missing=$((chart_missing + 1))
    echo 'SKIP promtool is not here: no alert is tested'
    return 0
  fi
  that 'promtool reads the rules' promtool check rules --lint=all --lint-fatal "$rules/recording.yaml" "$rules/alerts.yaml"
  that 'every alert fires and rests' promtool test rules tests/chart/alerts_test.yaml tests/chart/alerts_of_days_test.yaml
  # Debian's Prometheus knows no Kubernetes.
  sed 's/kubernetes_sd_configs: .*/static_configs: [{ targets: [any] }]/' examples/watching/prometheus-in-a-cluster.yml >"$chart_work/prometheus.yml"
  that "the examples' Prometheus" promtool check config --syntax-only examples/watching/prometheus.yml "$chart_work/prometheus.yml"
  for values in full sidecar; do
    that "rules of $values" chart_rules "helm-forgetd-ci-$values-values.yaml"
  done
}

chart_rules() {
  python3 tests/chart/rendered.py rules "$chart_work/rules.yaml" <"$chart_work/$1"
  promtool check rules --lint=all --lint-fatal "$chart_work/rules.yaml"
}
