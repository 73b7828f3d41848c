{{- define "slipway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "slipway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "slipway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "slipway.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects a component's pods: never changed by an upgrade. Takes {root, component}. */}}
{{- define "slipway.selector" -}}
app.kubernetes.io/name: {{ include "slipway.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "slipway.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "slipway.fullname" .root) .component) }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "slipway.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes {root, image}. */}}
{{- define "slipway.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "slipway.account" -}}
{{- $of := index .root.Values .component -}}
{{- $of.serviceAccount.name | default (printf "%s-%s" (include "slipway.fullname" .root) .component) -}}
{{- end -}}

{{/* The restricted profile, with what values put in place of it. Takes {root, component}. */}}
{{- define "slipway.podSecurity" -}}
{{- $own := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- include "slipway.over" (dict "base" $own "over" ((index .root.Values .component | default dict).podSecurityContext | default dict)) -}}
{{- end -}}

{{/* Maps merged by key; null takes a key out. */}}
{{- define "slipway.over" -}}
{{- $all := dict -}}
{{- range $key, $value := .base }}{{ if not (and (hasKey $.over $key) (eq (index $.over $key) nil)) }}{{ $_ := set $all $key $value }}{{ end }}{{ end -}}
{{- range $key, $value := .over }}{{ if ne $value nil }}{{ $_ := set $all $key $value }}{{ end }}{{ end -}}
{{- toYaml $all -}}
{{- end -}}

{{- define "slipway.containerSecurity" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- include "slipway.over" (dict "base" $own "over" ((index .root.Values .component | default dict).containerSecurityContext | default dict)) -}}
{{- end -}}

{{/* Where the server is, for pods of this cluster. */}}
{{- define "slipway.url" -}}
{{- if .Values.server.enabled -}}
{{- printf "http://%s-server.%s" (include "slipway.fullname" .) .Release.Namespace -}}
{{- if ne (int .Values.server.service.port) 80 }}:{{ .Values.server.service.port }}{{ end -}}
{{- else -}}
{{- required "glue.serverUrl: where the server is, since server.enabled is false" .Values.glue.serverUrl -}}
{{- end -}}
{{- end -}}

{{/* Whether tokens may travel over plain http: to the own Service they do, where the server has no certificate. */}}
{{- define "slipway.plain" -}}
{{- if or (and .Values.server.enabled (hasPrefix "http://" (include "slipway.url" .))) (and (not .Values.server.enabled) .Values.glue.allowPlainHttp) }}true{{ end -}}
{{- end -}}

{{/* Namespaces in which tasks may run, as a list in YAML. */}}
{{- define "slipway.namespaces" -}}
{{- $own := ternary (list .Release.Namespace) (list) .Values.glue.releaseNamespace -}}
{{- $all := concat $own .Values.glue.additionalTargetNamespaces | uniq -}}
{{- if not $all }}{{ fail "glue.releaseNamespace is false and glue.additionalTargetNamespaces is empty: tasks have nowhere to run" }}{{ end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* The pod fields that both components take from values. Takes {root, component}. */}}
{{- define "slipway.podFields" -}}
{{- $of := index .root.Values .component -}}
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $of.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A token of the pod's own account, meant for the server. Takes the volume's name. */}}
{{- define "slipway.token" -}}
name: token
projected:
  sources:
  - serviceAccountToken: {audience: slipway, expirationSeconds: 3600, path: token}
{{- end -}}
