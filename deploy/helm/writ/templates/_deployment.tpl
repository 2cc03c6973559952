{{/* The one way in which a service runs: (root, key, service). */}}

{{/* All variables of a process, as a map, so that no name comes twice: (root, service, component). */}}
{{- define "writ.env" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}{{- $component := index . 2 -}}
{{- $prefix := printf "WRIT_%s" ($service | upper | replace "-" "_") -}}
{{- $env := dict -}}
{{- range $name, $value := $root.Values.settings }}
{{- $_ := set $env (printf "WRIT_%s" ($name | upper | replace "-" "_")) (include "writ.scalar" $value) }}
{{- end }}
{{- range $name, $value := $component.settings }}
{{- $_ := set $env (printf "%s_%s" $prefix ($name | upper | replace "-" "_")) (include "writ.scalar" $value) }}
{{- end }}
{{- if eq $service "scheduler" }}
{{- with $root.Values.playbooks }}
{{- with .httpAllow }}{{ $_ := set $env "WRIT_SCHEDULER_HTTP_ALLOW" (join "," .) }}{{ end }}
{{- with .sshAllow }}{{ $_ := set $env "WRIT_SCHEDULER_SSH_ALLOW" (join "," .) }}{{ end }}
{{- if .secretsSecret }}{{ $_ := set $env "WRIT_SCHEDULER_SECRETS_DIR" "/run/secrets/playbooks" }}{{ end }}
{{- if .sshKnownHosts.configMap }}{{ $_ := set $env "WRIT_SCHEDULER_SSH_KNOWN_HOSTS" (printf "/run/playbooks/%s" .sshKnownHosts.key) }}{{ end }}
{{- end }}
{{- end }}
{{- $_ := set $env (printf "%s_LISTEN" $prefix) (printf "0.0.0.0:%v" $component.ports.http) }}
{{- $_ := set $env (printf "%s_ADMIN_LISTEN" $prefix) (printf "0.0.0.0:%v" $component.ports.admin) }}
{{- $_ := set $env (printf "%s_LINGER" $prefix) (include "writ.scalar" $component.lingerSeconds) }}
{{- $_ := set $env (printf "%s_DRAIN" $prefix) (include "writ.scalar" $component.drainSeconds) }}
{{- $_ := set $env (printf "%s_NO_MIGRATE" $prefix) "true" }}
{{- with include "writ.publicUrl" $root }}{{ $_ := set $env "WRIT_PUBLIC_URL" . }}{{ end }}
{{- with $root.Values.trustedProxies }}{{ $_ := set $env "WRIT_TRUSTED_PROXIES" (join "," .) }}{{ end }}
{{- with $root.Values.log.level }}{{ $_ := set $env "WRIT_LOG" . }}{{ end }}
{{- $_ := set $env "WRIT_LOG_FORMAT" $root.Values.log.format }}
{{- $env = merge $env (include "writ.databaseEnv" . | fromYaml) (include "writ.amqpEnv" $root | fromYaml) (include "writ.migEnv" . | fromYaml) }}
{{- with $root.Values.otel }}
{{- if .endpoint }}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" .endpoint }}
{{- $_ := set $env "OTEL_SERVICE_NAME" $service }}
{{- $attributes := merge (deepCopy .resourceAttributes) (dict "service.namespace" "writ" "service.version" $root.Chart.AppVersion
  "k8s.namespace.name" $root.Release.Namespace "k8s.pod.name" "$(K8S_POD_NAME)") }}
{{- $pairs := list }}{{ range $name, $value := $attributes }}{{ $pairs = append $pairs (printf "%s=%s" $name $value) }}{{ end }}
{{- $_ := set $env "K8S_POD_NAME" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name"))) }}
{{- $_ := set $env "OTEL_RESOURCE_ATTRIBUTES" (join "," $pairs) }}
{{- with .sampler }}{{ $_ := set $env "OTEL_TRACES_SAMPLER" . }}{{ end }}
{{- with .samplerArg }}{{ $_ := set $env "OTEL_TRACES_SAMPLER_ARG" . }}{{ end }}
{{- end }}
{{- end }}
{{- mergeOverwrite $env $component.extraEnv | toYaml }}
{{- end }}

{{/* A map of variables as the list that Kubernetes wants. What others refer to stands first: K8S_POD_NAME sorts before OTEL_. */}}
{{- define "writ.envList" -}}
{{- range $name, $value := . -}}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  {{- toYaml $value | nindent 2 }}
  {{- else }}
  value: {{ include "writ.scalar" $value | quote }}
  {{- end }}
{{ end }}
{{- end }}

{{/* What differs when a role that owns the database migrates: a map of variables. Takes (root, service, component, env). */}}
{{- define "writ.migrationEnv" -}}
{{- $env := index . 3 -}}
{{- if (index . 0).Values.migrations.existingSecret }}
{{- $prefix := printf "WRIT_%s_DATABASE" (index . 1 | upper | replace "-" "_") -}}
{{- $env = mergeOverwrite (deepCopy $env) (dict (printf "%s_USER_FILE" $prefix) "/run/secrets/migrations/username" (printf "%s_PASSWORD_FILE" $prefix) "/run/secrets/migrations/password") }}
{{- end }}
{{- toYaml $env }}
{{- end }}

{{/* What a process of a service has: (root, service, component, env), and true when it migrates. */}}
{{- define "writ.container" -}}
{{- $root := index . 0 -}}{{- $component := index . 2 -}}
image: {{ include "writ.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml $component.containerSecurityContext | nindent 2 }}
env:
  {{- include "writ.envList" (index . 3) | nindent 2 }}
{{- with $component.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - {name: secrets, mountPath: /run/secrets/writ, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if and (gt (len .) 4) $root.Values.migrations.existingSecret }}
  - {name: migrations, mountPath: /run/secrets/migrations, readOnly: true}
  {{- end }}
  {{- if eq (index . 1) "scheduler" }}
  {{- if $root.Values.playbooks.secretsSecret }}
  - {name: playbook-secrets, mountPath: /run/secrets/playbooks, readOnly: true}
  {{- end }}
  {{- if $root.Values.playbooks.sshKnownHosts.configMap }}
  - {name: playbook-hosts, mountPath: /run/playbooks, readOnly: true}
  {{- end }}
  {{- end }}
  {{- with $component.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "writ.volumes" -}}
{{- $root := index . 0 -}}{{- $component := index . 2 -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "writ.secretSources" . | nindent 6 }}
      {{- with include "writ.migSources" . }}{{ . | nindent 6 }}{{ end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if and $root.Values.migrations.existingSecret (ne $root.Values.migrations.mode "none") }}
- name: migrations
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ $root.Values.migrations.existingSecret }}
          items:
            - {key: {{ index . 1 }}-{{ $root.Values.postgresql.usernameKey }}, path: username}
            - {key: {{ index . 1 }}-{{ $root.Values.postgresql.passwordKey }}, path: password}
{{- end }}
{{- if eq (index . 1) "scheduler" }}
{{- with $root.Values.playbooks.secretsSecret }}
- name: playbook-secrets
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with $root.Values.playbooks.sshKnownHosts.configMap }}
- name: playbook-hosts
  configMap: {name: {{ . }}}
{{- end }}
{{- end }}
{{- with $component.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The pod's own fields that a Deployment and a Job share: (root, service, component). */}}
{{- define "writ.podSpec" -}}
{{- $root := index . 0 -}}{{- $component := index . 2 -}}
serviceAccountName: {{ include "writ.serviceAccount" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "writ.pullSecrets" $root }}
securityContext:
  {{- include "writ.podSecurityContext" (list $root $component.podSecurityContext) | nindent 2 }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $component $field }}
{{ $field }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "writ.deployment" -}}
{{- $root := index . 0 -}}{{- $key := index . 1 -}}{{- $service := index . 2 -}}
{{- $component := include "writ.component" (list $root $key) | fromYaml -}}
{{- if $component.enabled -}}
{{- $parts := list $root $service $component -}}
{{- $env := include "writ.env" $parts | fromYaml -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "writ.metadata" (list $root $service (printf "%s-%s" (include "writ.fullname" $root) $service) nil) | nindent 2 }}
spec:
  {{- if not (or $component.autoscaling.enabled (and $root.Values.keda.enabled $component.keda.enabled)) }}
  replicas: {{ $component.replicas }}
  {{- end }}
  minReadySeconds: {{ $component.minReadySeconds }}
  revisionHistoryLimit: 5
  strategy:
    {{- toYaml $component.strategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "writ.selector" (list $root $service) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with $component.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
        {{- include "writ.labels" (list $root $service) | nindent 8 }}
      {{- with merge (dict) $component.podAnnotations $root.Values.global.commonAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "writ.podSpec" $parts | nindent 6 }}
      terminationGracePeriodSeconds: {{ $component.terminationGracePeriodSeconds }}
      {{- if ne $component.topologySpread "off" }}
      topologySpreadConstraints:
        {{- range $topology := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ $topology }}
          {{- /* nodes without a zone are common; a hard rule over zones would leave every pod pending there */}}
          whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" (and (eq $component.topologySpread "hard") (eq $topology "kubernetes.io/hostname")) }}
          nodeTaintsPolicy: Honor
          labelSelector:
            matchLabels:
              {{- include "writ.selector" (list $root $service) | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- end }}
      {{- if eq $root.Values.migrations.mode "initContainer" }}
      initContainers:
        - name: migrate
          args: [{{ $service }}, migrate]
          {{- $migrationEnv := include "writ.migrationEnv" (append $parts $env) | fromYaml }}
          {{- include "writ.container" (concat $parts (list $migrationEnv true)) | nindent 10 }}
          resources:
            {{- toYaml $root.Values.migrations.resources | nindent 12 }}
      {{- end }}
      containers:
        - name: {{ $service }}
          args: [{{ $service }}]
          {{- include "writ.container" (append $parts $env) | nindent 10 }}
          ports:
            - {name: http, containerPort: {{ $component.ports.http }}, protocol: TCP}
            - {name: admin, containerPort: {{ $component.ports.admin }}, protocol: TCP}
          startupProbe:
            httpGet: {path: /livez, port: admin}
            periodSeconds: 2
            failureThreshold: 30
          livenessProbe:
            httpGet: {path: /livez, port: admin}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          resources:
            {{- toYaml $component.resources | nindent 12 }}
      volumes:
        {{- include "writ.volumes" $parts | nindent 8 }}
{{- end }}
{{- end }}
