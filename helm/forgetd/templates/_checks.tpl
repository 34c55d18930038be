{{/* What the schema cannot say. Every refusal names the value and what to do. */}}
{{- define "forgetd.checks" -}}
{{- $v := .Values -}}
{{- if and (not $v.config) (not $v.existingConfigMap) -}}
{{- fail "config: write the policy here, or name a ConfigMap that has forgetd.yaml in existingConfigMap" -}}
{{- end -}}
{{- if and $v.config $v.existingConfigMap -}}
{{- fail "config and existingConfigMap: only one of them can be the policy" -}}
{{- end -}}
{{- if and (include "forgetd.alone" .) (eq $v.mode "deployment") (gt (int $v.replicas) 1) -}}
{{- fail "replicas: with `coordination: none` only one process ever runs: set 1, or use a lease" -}}
{{- end -}}
{{- if eq $v.strategy "RollingUpdate" -}}
{{- if or (include "forgetd.alone" .) (include "forgetd.oneNode" .) -}}
{{- fail "strategy: with `coordination: none`, or a volume that one node mounts, two pods must not be there at once: use Recreate" -}}
{{- end -}}
{{- end -}}
{{- if eq $v.mode "cronjob" -}}
{{- if or $v.serviceMonitor.enabled $v.podMonitor.enabled $v.prometheusRule.enabled -}}
{{- fail "serviceMonitor, podMonitor, prometheusRule: a CronJob serves no metrics; watch its Jobs (docs/operations.md), or use another mode" -}}
{{- end -}}
{{- end -}}
{{- if and $v.installJob.enabled (not $v.installJob.secretFiles) (not $v.installJob.secretEnv) -}}
{{- fail "installJob.secretFiles: name the credentials of a role that may create tables, under the file names that the policy's URLs have" -}}
{{- end -}}
{{- if eq $v.mode "sidecar" -}}
{{- if or $v.networkPolicy.enabled $v.serviceMonitor.enabled -}}
{{- fail "networkPolicy, serviceMonitor: the pods are the application's: use podMonitor, and the application's own policies" -}}
{{- end -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.egress) -}}
{{- fail "networkPolicy.egress: say where the databases are, for example [{ ports: [{ port: 5432 }] }]" -}}
{{- end -}}
{{- if and (include "forgetd.oneNode" .) (gt (int $v.replicas) 1) (ne $v.mode "cronjob") -}}
{{- fail "evidenceVolume.accessModes: several replicas need ReadWriteMany, or evidence in the home database" -}}
{{- end -}}
{{- $evidence := $v.config.evidence | default dict -}}
{{- range $key, $dir := dict "evidence.store.dir" (dig "store" "dir" "" $evidence) "evidence.remember.dir" (dig "remember" "dir" "" $evidence) -}}
{{- if and $dir (not (hasPrefix (printf "%s/" $v.evidenceVolume.mountPath) (printf "%s/" $dir))) -}}
{{- fail (printf "config.%s: %s does not lie below evidenceVolume.mountPath (%s), where the volume is" $key $dir $v.evidenceVolume.mountPath) -}}
{{- end -}}
{{- end -}}
{{- $empty := list -}}
{{- range $v.extraVolumes -}}{{- if hasKey . "emptyDir" -}}{{- $empty = append $empty .name -}}{{- end -}}{{- end -}}
{{- range $v.extraVolumeMounts -}}
{{- if and (has .name $empty) (hasPrefix (printf "%s/" $v.evidenceVolume.mountPath) (printf "%s/" .mountPath)) -}}
{{- fail (printf "extraVolumeMounts: %s is an emptyDir, and evidence in it ends with the pod: use evidenceVolume" .mountPath) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether there may only be one process, as far as the values know: the policy or a variable says `coordination: none`. */}}
{{- define "forgetd.alone" -}}
{{- $said := .Values.config.coordination -}}
{{- range .Values.extraEnv -}}{{- if eq .name "FORGETD__COORDINATION" -}}{{- $said = .value -}}{{- end -}}{{- end -}}
{{- if eq ($said | toString) "none" -}}true{{- end -}}
{{- end -}}

{{/* Whether the volume of evidence is there for the pods of one node, or for one pod, at a time. */}}
{{- define "forgetd.oneNode" -}}
{{- if and .Values.evidenceVolume.enabled (not (has "ReadWriteMany" .Values.evidenceVolume.accessModes)) -}}true{{- end -}}
{{- end -}}
