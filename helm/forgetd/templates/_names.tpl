{{/* Names and labels. */}}

{{- define "forgetd.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
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
app.kubernetes.io/name: {{ include "forgetd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "forgetd.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "forgetd.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "forgetd.metadata" -}}
name: {{ include "forgetd.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "forgetd.labels" . | nindent 2 }}
{{- end -}}

{{- define "forgetd.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
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
