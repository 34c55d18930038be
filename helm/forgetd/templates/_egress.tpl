{{/* Where pods of ours go: to names, and to the databases. */}}
{{- define "forgetd.egress" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{ toYaml .Values.networkPolicy.egress }}
{{- end -}}

{{/* What the pod of a hook may: takes the root, and `as` as labels do. */}}
{{- define "forgetd.outwards" -}}
podSelector:
  matchLabels:
    app.kubernetes.io/name: {{ printf "%s-%s" (include "forgetd.name" .root) .as }}
    app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
policyTypes: [Ingress, Egress]
ingress: []
egress:
  {{- include "forgetd.egress" .root | nindent 2 }}
{{- end -}}
