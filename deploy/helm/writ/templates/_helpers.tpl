{{/* The five services: the key of each block of values, and the service's name. */}}
{{- define "writ.services" -}}
agentGateway: agent-gateway
investigationApi: investigation-api
loaderManifest: loader-manifest
manualInteraction: manual-interaction
scheduler: scheduler
{{- end }}

{{/* The queues whose backlog KEDA looks at: the streams that each service consumes (proto-docs/asyncapi.yaml). */}}
{{- define "writ.queues" -}}
agent-gateway: [agent-gateway.commands]
investigation-api: [investigation-api.runs]
loader-manifest: [loader-manifest.signers]
manual-interaction: [manual-interaction.steps]
scheduler: [scheduler.actions, scheduler.commands, scheduler.manual]
{{- end }}

{{- define "writ.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for the longest thing that is appended. */}}
{{- define "writ.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- $name := include "writ.name" . -}}
{{ ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Of a component and for ever the same: a Deployment's selector cannot be changed. Takes (root, component). */}}
{{- define "writ.selector" -}}
app.kubernetes.io/name: {{ include "writ.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "writ.labels" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.global.commonLabels }}{{ toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: writ
{{ include "writ.selector" . }}
{{- end }}

{{/* metadata of an object: (root, component, name, annotations). */}}
{{- define "writ.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "writ.labels" (list $root (index . 1)) | nindent 2 }}
{{- with merge (dict) (index . 3 | default dict) $root.Values.global.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "writ.image" -}}
{{- $image := .Values.image -}}
{{- $registry := .Values.global.imageRegistry | default $image.registry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "writ.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "writ.fullname" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "writ.demoSecret" -}}
{{ .Values.demo.existingSecret | default (printf "%s-demo" (include "writ.fullname" .)) }}
{{- end }}

{{/* OpenShift chooses the ids itself and refuses ours: (root, podSecurityContext). */}}
{{- define "writ.podSecurityContext" -}}
{{- $root := index . 0 -}}
{{- $auto := $root.Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- if or (eq $root.Values.platform "openshift") (and (eq $root.Values.platform "auto") $auto) -}}
{{- omit (index . 1) "runAsUser" "runAsGroup" "fsGroup" | toYaml }}
{{- else -}}
{{- toYaml (index . 1) }}
{{- end }}
{{- end }}

{{/* A block over `defaults`: (root, key). */}}
{{- define "writ.component" -}}
{{- $root := index . 0 -}}
{{- mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (index $root.Values (index . 1))) | toYaml }}
{{- end }}

{{/* A number as it was written: Helm reads 134217728 as 1.34217728e+08. */}}
{{- define "writ.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else if kindIs "slice" . }}{{ join "," . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "writ.publicUrl" -}}
{{- if .Values.publicUrl }}{{ trimSuffix "/" .Values.publicUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts }}{{ ternary "https" "http" .Values.ingress.tls.enabled }}://{{ first .Values.ingress.hosts }}
{{- else if and .Values.gateway.enabled .Values.gateway.hostnames }}https://{{ first .Values.gateway.hostnames }}
{{- end }}
{{- end }}

{{/* Whether an object of another operator is wanted: (root, true|false|auto, API). */}}
{{- define "writ.wanted" -}}
{{- if eq (toString (index . 1)) "auto" }}{{ if (index . 0).Capabilities.APIVersions.Has (index . 2) }}yes{{ end }}
{{- else if index . 1 }}yes{{ end }}
{{- end }}

{{/* More than one pod of a component: (component). */}}
{{- define "writ.several" -}}
{{- if .autoscaling.enabled }}{{ if gt (int .autoscaling.minReplicas) 1 }}yes{{ end }}
{{- else if .keda.enabled }}{{ if gt (int .keda.minReplicas) 1 }}yes{{ end }}
{{- else if gt (int .replicas) 1 }}yes{{ end }}
{{- end }}

{{- define "writ.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}
