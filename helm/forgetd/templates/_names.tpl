{{/* Names and labels. */}}

{{/* A label's value, also with `-install` behind it. */}}
{{- define "forgetd.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 55 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of every object: the release's, with ours behind it unless it says so already. */}}
{{- define "forgetd.fullname" -}}
{{- $name := include "forgetd.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "forgetd.selectorLabels" -}}
app.kubernetes.io/name: {{ include "forgetd.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Our labels and those of the values, each once: ours win, for selectors go by them, then `more`, then those of all.
Takes the root, `more` (a dictionary), and `as`, what is behind the name of pods that no selector of the others may find. */}}
{{- define "forgetd.labelled" -}}
{{- $root := .root -}}
{{- $labels := fromYaml (include "forgetd.selectorLabels" $root) -}}
{{- with .as -}}
{{- $_ := set $labels "app.kubernetes.io/name" (printf "%s-%s" (include "forgetd.name" $root) .) -}}
{{- end -}}
{{- $_ := set $labels "app.kubernetes.io/version" ($root.Values.image.tag | default $root.Chart.AppVersion | trunc 63) -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (merge $labels (.more | default dict) ($root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{- define "forgetd.labels" -}}
{{- include "forgetd.labelled" (dict "root" .) -}}
{{- end -}}

{{- define "forgetd.metadata" -}}
{{- include "forgetd.metadataWith" (dict "root" .) -}}
{{- end -}}

{{/* With `more` labels. */}}
{{- define "forgetd.metadataWith" -}}
name: {{ include "forgetd.fullname" .root }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "forgetd.labelled" . | nindent 2 }}
{{- end -}}

{{/* Of a sidecar's release there is no account of ours. */}}
{{- define "forgetd.serviceAccountName" -}}
{{- if and .Values.serviceAccount.create (ne .Values.mode "sidecar") -}}
{{- .Values.serviceAccount.name | default (include "forgetd.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "forgetd.configMapName" -}}
{{- .Values.existingConfigMap | default (include "forgetd.fullname" .) -}}
{{- end -}}

{{- define "forgetd.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The label by which a PodMonitor finds pods of an application that have forgetd beside it. */}}
{{- define "forgetd.sidecar.labels" -}}
forgetd/release: {{ include "forgetd.fullname" . }}
{{- end -}}

{{- define "forgetd.podSelector" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- include "forgetd.sidecar.labels" . -}}
{{- else -}}
{{- include "forgetd.selectorLabels" . -}}
{{- end -}}
{{- end -}}
