{{- define "platereel.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "platereel.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "platereel.labels" -}}
{{ include "platereel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "platereel.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "platereel.configMap" -}}
{{ .Values.existingConfigMap | default (printf "%s-config" (include "platereel.name" .)) }}
{{- end -}}

{{/* The command's words of each process. */}}
{{- define "platereel.arguments" -}}
{{- $process := index .root.Values.processes .name -}}
{{- $queues := dict "writer" "parts" "finisher" "finalise" "upkeep" "retention,consistency,backup" -}}
{{- if hasKey $queues .name -}}
[worker, --queues, {{ index $queues .name | quote }}, --concurrency, {{ $process.concurrency | quote }}]
{{- else -}}
[{{ .name }}]
{{- end -}}
{{- end -}}

{{- define "platereel.environment" -}}
- {name: PLATEREEL_CONFIG, value: /etc/platereel/platereel.yaml}
- {name: PLATEREEL_DATABASE_URL_FILE, value: /run/secrets/servers/database_url}
- {name: PLATEREEL_FRAMES_URL_FILE, value: /run/secrets/servers/frames_url}
- {name: PLATEREEL_BROKER_URL_FILE, value: /run/secrets/servers/broker_url}
- {name: PLATEREEL_STORAGE_URL_FILE, value: /run/secrets/servers/storage_url}
- {name: PLATEREEL_LOG_FORMAT, value: {{ .Values.logFormat }}}
{{- range .Values.secrets.named.variables }}
- {name: {{ . }}_FILE, value: /run/named/{{ . }}}
{{- end }}
{{- range $name, $value := .Values.environment }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "platereel.mounts" -}}
- {name: config, mountPath: /etc/platereel, readOnly: true}
- {name: servers, mountPath: /run/secrets/servers, readOnly: true}
{{- if .Values.secrets.named.secret }}
- {name: named, mountPath: /run/named, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "platereel.volumes" -}}
- name: config
  configMap: {name: {{ .configMap }}}
- name: servers
  secret: {secretName: {{ .root.Values.secrets.servers }}, defaultMode: 0440}
{{- if .root.Values.secrets.named.secret }}
- name: named
  secret:
    secretName: {{ .root.Values.secrets.named.secret }}
    defaultMode: 0440
{{- end }}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end -}}

{{/* What every pod of ours has in common: no root, no rights, no token of the cluster. */}}
{{- define "platereel.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "platereel.container" -}}
image: {{ include "platereel.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}
