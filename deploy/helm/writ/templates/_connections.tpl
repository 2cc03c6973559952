{{/*
Where the database and the broker are and whose word opens them. Secrets are files below /run/secrets/writ, from one projected
volume; the environment has only their names.
*/}}

{{/* (root, service, component): the sources of the projected volume. */}}
{{- define "writ.secretSources" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}{{- $component := index . 2 -}}
{{- $pg := $root.Values.postgresql -}}{{- $mq := $root.Values.rabbitmq -}}
{{- if $root.Values.demo.enabled -}}
- secret:
    name: {{ include "writ.demoSecret" $root }}
    items:
      - {key: {{ $service }}-username, path: database/username}
      - {key: {{ $service }}-password, path: database/password}
      - {key: rabbitmq-username, path: amqp/username}
      - {key: rabbitmq-password, path: amqp/password}
{{- else }}
{{- $own := $component.postgresql.existingSecret }}
{{- $prefix := ternary "" (printf "%s-" $service) (ne $own "") -}}
- secret:
    name: {{ $own | default $pg.existingSecret }}
    items:
      {{- if $pg.uriKey }}
      - {key: {{ $prefix }}{{ $pg.uriKey }}, path: database/uri}
      {{- else }}
      - {key: {{ $prefix }}{{ $pg.usernameKey }}, path: database/username}
      - {key: {{ $prefix }}{{ $pg.passwordKey }}, path: database/password}
      {{- end }}
- secret:
    name: {{ $component.rabbitmq.existingSecret | default $mq.existingSecret }}
    items:
      {{- if $mq.uriKey }}
      - {key: {{ $mq.uriKey }}, path: amqp/uri}
      {{- else }}
      - {key: {{ $mq.usernameKey }}, path: amqp/username}
      - {key: {{ $mq.passwordKey }}, path: amqp/password}
      {{- end }}
{{- with $pg.caSecret.name }}
- secret:
    name: {{ . }}
    items: [{key: {{ $pg.caSecret.key }}, path: database/ca.crt}]
{{- end }}
{{- with $pg.clientCertSecret }}
- secret:
    name: {{ . }}
    items: [{key: tls.crt, path: database/tls.crt}, {key: tls.key, path: database/tls.key}]
{{- end }}
{{- if $mq.tls.enabled }}
{{- with $mq.tls.caSecret.name }}
- secret:
    name: {{ . }}
    items: [{key: {{ $mq.tls.caSecret.key }}, path: amqp/ca.crt}]
{{- end }}
{{- with $mq.tls.clientCertSecret }}
- secret:
    name: {{ . }}
    items: [{key: tls.crt, path: amqp/tls.crt}, {key: tls.key, path: amqp/tls.key}]
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* (root, service): what agent-gateway needs for the broker of MIG's agents, as sources of the volume and as variables. */}}
{{- define "writ.migSources" -}}
{{- $mig := (index . 0).Values.mig -}}
{{- if eq (index . 1) "agent-gateway" }}
{{- with $mig.urlSecret.name }}
- secret:
    name: {{ . }}
    items: [{key: {{ $mig.urlSecret.key }}, path: mig/url}]
{{- end }}
{{- with $mig.caSecret.name }}
- secret:
    name: {{ . }}
    items: [{key: {{ $mig.caSecret.key }}, path: mig/ca.crt}]
{{- end }}
{{- with $mig.whitelist.configMap }}
- configMap:
    name: {{ . }}
    items: [{key: {{ $mig.whitelist.key }}, path: mig/whitelist}]
{{- end }}
{{- end }}
{{- end }}

{{- define "writ.migEnv" -}}
{{- $mig := (index . 0).Values.mig -}}
{{- $files := "/run/secrets/writ/mig" -}}
{{- if eq (index . 1) "agent-gateway" }}
{{- if $mig.urlSecret.name }}
WRIT_AGENT_GATEWAY_MIG_AMQP_URL_FILE: {{ $files }}/url
{{- end }}
{{- if $mig.caSecret.name }}
WRIT_AGENT_GATEWAY_MIG_AMQP_CA_FILE: {{ $files }}/ca.crt
{{- end }}
{{- if $mig.whitelist.configMap }}
WRIT_AGENT_GATEWAY_MIG_WHITELIST: {{ $files }}/whitelist
{{- end }}
{{- end }}
{{- end }}

{{/* (root, service, component): the variables, as a map. */}}
{{- define "writ.databaseEnv" -}}
{{- $root := index . 0 -}}{{- $component := index . 2 -}}
{{- $prefix := printf "WRIT_%s_DATABASE" (index . 1 | upper | replace "-" "_") -}}
{{- $pg := $root.Values.postgresql -}}
{{- $files := "/run/secrets/writ/database" -}}
{{- if $root.Values.demo.enabled }}
{{ $prefix }}_URL: postgres://{{ include "writ.fullname" $root }}-demo-postgresql:5432/{{ $component.postgresql.database }}?sslmode=disable
{{- else if $pg.uriKey }}
{{ $prefix }}_URL_FILE: {{ $files }}/uri
{{- else }}
{{- $certificate := ternary (printf "&sslcert=%s/tls.crt&sslkey=%s/tls.key" $files $files) "" (ne $pg.clientCertSecret "") }}
{{ $prefix }}_URL: postgres://{{ $pg.host }}:{{ $pg.port }}/{{ $component.postgresql.database }}?sslmode={{ $pg.sslmode }}{{ $certificate }}
{{- end }}
{{- if or $root.Values.demo.enabled (not $pg.uriKey) }}
{{ $prefix }}_USER_FILE: {{ $files }}/username
{{ $prefix }}_PASSWORD_FILE: {{ $files }}/password
{{- end }}
{{- if and $pg.caSecret.name (not $root.Values.demo.enabled) }}
{{ $prefix }}_CA_FILE: {{ $files }}/ca.crt
{{- end }}
{{- end }}

{{- define "writ.amqpEnv" -}}
{{- $mq := .Values.rabbitmq -}}
{{- $files := "/run/secrets/writ/amqp" -}}
{{- if .Values.demo.enabled }}
AMQP_URL: amqp://{{ include "writ.fullname" . }}-demo-rabbitmq:5672/writ
{{- else if $mq.uriKey }}
AMQP_URL_FILE: {{ $files }}/uri
{{- else }}
{{- $certificate := ternary (printf "?certfile=%s/tls.crt&keyfile=%s/tls.key" $files $files) "" (and $mq.tls.enabled (ne $mq.tls.clientCertSecret "")) }}
AMQP_URL: {{ ternary "amqps" "amqp" $mq.tls.enabled }}://{{ $mq.host }}:{{ $mq.port }}/{{ $mq.vhost | urlquery }}{{ $certificate }}
{{- end }}
{{- if or .Values.demo.enabled (not $mq.uriKey) }}
AMQP_USER_FILE: {{ $files }}/username
AMQP_PASSWORD_FILE: {{ $files }}/password
{{- end }}
{{- if and $mq.tls.enabled $mq.tls.caSecret.name (not .Values.demo.enabled) }}
AMQP_CA_FILE: {{ $files }}/ca.crt
{{- end }}
{{- end }}
