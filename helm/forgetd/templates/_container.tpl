{{/* What every container of forgetd has, whoever's pod it is in. */}}

{{/* Where, as whom, with what. Takes the root, `env` and `files` (this container's secret
variables and files), and `evidence`, whether it has the volume of evidence. */}}
{{- define "forgetd.container" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
image: {{ include "forgetd.image" $root }}
imagePullPolicy: {{ .image.pullPolicy }}
env:
  - name: FORGETD_LOG_FORMAT
    value: {{ .log.format }}
  {{- if .log.level }}
  - name: FORGETD_LOG
    value: {{ .log.level | quote }}
  {{- end }}
  {{- range $env := $.env }}
  - name: {{ $env.name }}
    valueFrom:
      secretKeyRef:
        name: {{ $env.existingSecret }}
        key: {{ $env.key }}
  {{- end }}
  {{- with .extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- toYaml .securityContext | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "forgetd.volumeMounts" $ | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* A container that serves. */}}
{{- define "forgetd.serving" -}}
{{- with .root.Values -}}
args:
  - serve
  - --mode={{ $.kept }}
  - --listen={{ .listen.address }}:{{ .listen.port }}
  {{- range .extraArgs }}
  - {{ . | quote }}
  {{- end }}
ports:
  - name: forgetd-http
    containerPort: {{ .listen.port }}
    protocol: TCP
livenessProbe:
  httpGet:
    path: /livez
    port: forgetd-http
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
{{ include "forgetd.container" (dict "root" .root "env" .root.Values.secretEnv "files" .root.Values.secretFiles "evidence" true) }}
{{- end -}}

{{- define "forgetd.volumeMounts" -}}
- name: forgetd-config
  mountPath: /etc/forgetd
  readOnly: true
{{- if .files }}
- name: forgetd-secrets
  mountPath: /run/secrets/forgetd
  readOnly: true
{{- end }}
{{- if and .evidence .root.Values.evidenceVolume.enabled }}
- name: forgetd-evidence
  mountPath: {{ .root.Values.evidenceVolume.mountPath }}
{{- end }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volumes of a pod with such a container. Takes the root, `configMap`, `files` and `evidence`. */}}
{{- define "forgetd.volumesOf" -}}
- name: forgetd-config
  projected:
    sources:
      - configMap:
          name: {{ .configMap }}
      {{- range .root.Values.rulesConfigMaps }}
      - configMap:
          name: {{ .name }}
          items:
            - key: {{ .key }}
              path: conf.d/{{ .file | default .key }}
      {{- end }}
{{- if .files }}
- name: forgetd-secrets
  projected:
    # Nobody but our container has this volume, and only that user is in it.
    defaultMode: 0444
    sources:
      {{- range .files }}
      - secret:
          name: {{ .existingSecret }}
          items:
            - key: {{ .key }}
              path: {{ .file }}
      {{- end }}
{{- end }}
{{- if and .evidence .root.Values.evidenceVolume.enabled }}
- name: forgetd-evidence
  persistentVolumeClaim:
    claimName: {{ .root.Values.evidenceVolume.existingClaim | default (printf "%s-evidence" (include "forgetd.fullname" .root)) }}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "forgetd.volumes" -}}
{{- include "forgetd.volumesOf" (dict "root" . "configMap" (include "forgetd.configMapName" .) "files" .Values.secretFiles "evidence" true) -}}
{{- end -}}
