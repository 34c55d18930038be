{{/* What pods of our own have beside their containers and volumes. */}}
{{- define "forgetd.pod" -}}
{{- with .Values -}}
serviceAccountName: {{ include "forgetd.serviceAccountName" $ }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .podSecurityContext | nindent 2 }}
{{- include "forgetd.placement" $ }}
{{- end -}}
{{- end -}}

{{/* Where pods of our own may run. */}}
{{- define "forgetd.placement" -}}
{{- with .Values -}}
{{- with .imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Takes the root, and `as` as labels do. */}}
{{- define "forgetd.podMetadata" -}}
labels:
  {{- include "forgetd.labelled" (dict "root" .root "as" .as "more" .root.Values.podLabels) | nindent 2 }}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
