{{/*
forgetd in the pod of another chart, which calls these with the context of its dependency:

  labels:         {{- include "forgetd.sidecar.labels" .Subcharts.forgetd | nindent 8 }}
  initContainers: {{- include "forgetd.sidecar.initContainers" .Subcharts.forgetd | nindent 8 }}
  containers:     {{- include "forgetd.sidecar.containers" .Subcharts.forgetd | nindent 8 }}
  volumes:        {{- include "forgetd.sidecar.volumes" .Subcharts.forgetd | nindent 8 }}

One of the two lists of containers is empty: `sidecar.native` says which. Put initContainers behind what forgetd needs
(a proxy to the database, for example) and before nothing that it waits for.

No readiness and no startup probe: a container that is not ready takes the whole pod out of its Services, and one that is
not started keeps the application from starting. Neither is worth a purge.
*/}}
{{- define "forgetd.sidecar.container" -}}
- name: forgetd
  {{- if .Values.sidecar.native }}
  restartPolicy: Always
  {{- end }}
  {{- include "forgetd.serving" (dict "root" . "kept" "sidecar") | nindent 2 }}
{{- end -}}

{{- define "forgetd.sidecar.initContainers" -}}
{{- if .Values.sidecar.native -}}
{{- include "forgetd.sidecar.container" . -}}
{{- end -}}
{{- end -}}

{{- define "forgetd.sidecar.containers" -}}
{{- if not .Values.sidecar.native -}}
{{- include "forgetd.sidecar.container" . -}}
{{- end -}}
{{- end -}}

{{- define "forgetd.sidecar.volumes" -}}
{{- include "forgetd.volumes" . -}}
{{- end -}}
