{{/* What the two kinds of monitors have in common. */}}
{{- define "forgetd.scraping" -}}
interval: {{ .interval }}
scrapeTimeout: {{ .scrapeTimeout }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Which series are this release's: a PodMonitor gives the job its namespace too. */}}
{{- define "forgetd.series" -}}
{{- .Values.prometheusRule.selector | default (printf `namespace="%s",job=~"(%s/)?%s"` .Release.Namespace .Release.Namespace (include "forgetd.fullname" .)) -}}
{{- end -}}
