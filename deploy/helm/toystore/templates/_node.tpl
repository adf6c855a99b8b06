{{/* What all objects, and what the pods of all tiers have in common. */}}

{{- define "toystore.labels" -}}
app.kubernetes.io/name: toystore
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The pods of a tier: its name. */}}
{{- define "toystore.tier" -}}
app.kubernetes.io/name: toystore
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "toystore.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "toystore.secret" -}}
{{ .Values.secret.existing | default "toystore-cluster-token" }}
{{- end }}

{{/* Nothing that "restricted" forbids. Of a pod, and of its container. */}}
{{- define "toystore.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# A large volume whose owner is right is not walked through at each start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "toystore.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods may run, and with what they are fetched. */}}
{{- define "toystore.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{/* The pods of a tier apart from each other: tier, separate, replicas. */}}
{{- define "toystore.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    {{- if .separate }}
    whenUnsatisfiable: DoNotSchedule
    # Else two on one of two machines would be even enough.
    minDomains: {{ .replicas }}
    {{- else }}
    whenUnsatisfiable: ScheduleAnyway
    {{- end }}
    labelSelector:
      matchLabels:
        {{- include "toystore.tier" .tier | nindent 8 }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "toystore.tier" .tier | nindent 8 }}
{{- end }}

{{/*
A pod's template: root, tier, its own values, and, where the tier has them: env, ready (seconds at a
stretch), data, ports, spread, lifecycle.
*/}}
{{- define "toystore.pod" -}}
metadata:
  labels:
    {{- include "toystore.tier" .tier | nindent 4 }}
  annotations:
    # A change of a setting replaces the pods.
    toystore/settings: {{ include "toystore.settings" .root | sha256sum }}
spec:
  serviceAccountName: toystore
  automountServiceAccountToken: false
  # Else each Service of the namespace would become variables of every node.
  enableServiceLinks: false
  # A node drains within two seconds; the rest is for a slow machine, and for what comes before.
  terminationGracePeriodSeconds: 20
  securityContext:
    {{- include "toystore.podSecurity" . | nindent 4 }}
  {{- with include "toystore.placement" .root }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .spread }}
  {{- include "toystore.spread" . | nindent 2 }}
  {{- end }}
  containers:
    - name: node
      image: {{ include "toystore.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .tier }}]
      envFrom:
        - configMapRef: {name: toystore}
      {{- with .env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: 8080}
        {{- range .ports }}
        - {{ toJson . }}
        {{- end }}
      securityContext:
        {{- include "toystore.containerSecurity" . | nindent 8 }}
      # An hour: before it answers, a node reads its whole log, and a frontend waits for the
      # catalog. Who is killed meanwhile begins anew.
      startupProbe:
        httpGet: {path: /health/live, port: http}
        periodSeconds: 2
        failureThreshold: 1800
      readinessProbe:
        httpGet: {path: /health/ready, port: http}
        periodSeconds: 2
        failureThreshold: 2
        {{- with .ready }}
        successThreshold: {{ . }}
        {{- end }}
      # Live is a process that answers. A node without a leader is not ready, and lives: to kill it
      # would make two faults of one.
      livenessProbe:
        httpGet: {path: /health/live, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- with .lifecycle }}
      lifecycle: {{ toJson . }}
      {{- end }}
      resources: {{ toJson .own.resources }}
      volumeMounts:
        - {name: token, mountPath: /run/secrets/toystore, readOnly: true}
        {{- if .own.storage }}
        - {name: data, mountPath: /data}
        {{- end }}
  volumes:
    - name: token
      secret: {secretName: {{ include "toystore.secret" .root }}, defaultMode: 0440}
{{- end }}

{{/* The volume of each pod of a StatefulSet: storage of its tier. */}}
{{- define "toystore.volume" -}}
volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [{{ .accessMode }}]
      {{- with .class }}
      storageClassName: {{ . }}
      {{- end }}
      resources: {requests: {storage: {{ .size }}}}
{{- end }}
