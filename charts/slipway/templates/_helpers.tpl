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

{{- define "slipway.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* What selects a component's pods: never changed by an upgrade. Takes {root, component}. */}}
{{- define "slipway.selector" -}}
app.kubernetes.io/name: {{ include "slipway.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "slipway.labels" -}}
{{- $own := include "slipway.selector" . | fromYaml -}}
{{- $own = merge $own (dict "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/managed-by" .root.Release.Service "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_")) -}}
{{- toYaml (merge (dict) $own (.labels | default dict) .root.Values.commonLabels) -}}
{{- end -}}

{{/* Takes {root, component} and, where they are not what they are by default, name, namespace, labels, annotations. A namespace of
"" is none. */}}
{{- define "slipway.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "slipway.fullname" .root) .component) }}
{{- if not .everywhere }}
namespace: {{ .namespace | default (include "slipway.namespace" .root) }}
{{- end }}
labels:
  {{- include "slipway.labels" . | nindent 2 }}
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
{{- if not (or $of.serviceAccount.create $of.serviceAccount.name) }}{{ fail (printf "%s.serviceAccount.name: which account it has, since serviceAccount.create is false" .component) }}{{ end -}}
{{- $of.serviceAccount.name | default (printf "%s-%s" (include "slipway.fullname" .root) .component) -}}
{{- end -}}

{{/* Maps merged by key; null takes a key out. */}}
{{- define "slipway.over" -}}
{{- $all := dict -}}
{{- range $key, $value := .base }}{{ if not (and (hasKey $.over $key) (eq (index $.over $key) nil)) }}{{ $_ := set $all $key $value }}{{ end }}{{ end -}}
{{- range $key, $value := .over }}{{ if ne $value nil }}{{ $_ := set $all $key $value }}{{ end }}{{ end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* The restricted profile, with what values put in place of it. Takes {root, component}. */}}
{{- define "slipway.podSecurity" -}}
{{- $own := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- include "slipway.over" (dict "base" $own "over" ((index .root.Values .component | default dict).podSecurityContext | default dict)) -}}
{{- end -}}

{{- define "slipway.containerSecurity" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- include "slipway.over" (dict "base" $own "over" ((index .root.Values .component | default dict).containerSecurityContext | default dict)) -}}
{{- end -}}

{{/* The port of the server's Service: 443 under TLS, where values leave it at 80. */}}
{{- define "slipway.port" -}}
{{- if and .Values.tls.secretName (eq (int .Values.server.service.port) 80) }}443{{ else }}{{ int .Values.server.service.port }}{{ end -}}
{{- end -}}

{{/* Whether the server needs a disk that outlives its pod: with a database and a place for bytes nothing that counts lies on one. */}}
{{- define "slipway.disk" -}}
{{- if and .Values.server.persistence.enabled (not (and .Values.server.database.existingSecret .Values.server.blobs)) }}true{{ end -}}
{{- end -}}

{{/* What the server is: several that stand by for each other need names that stay. */}}
{{- define "slipway.serverKind" -}}
{{- ternary "StatefulSet" "Deployment" (ne .Values.server.database.existingSecret "") -}}
{{- end -}}

{{/* Values of the server that cannot be together. */}}
{{- define "slipway.serverRefused" -}}
{{- $server := .Values.server -}}
{{- if gt (int $server.replicas) 1 -}}
{{- if not $server.database.existingSecret }}{{ fail "server.replicas: several servers need a database that they share (server.database.existingSecret)" }}{{ end -}}
{{- if not $server.blobs }}{{ fail "server.replicas: several servers need a place for bytes that they share (server.blobs)" }}{{ end -}}
{{- end -}}
{{- if $server.database.existingSecret -}}
{{- if and (not (include "slipway.disk" .)) (not $server.adminToken.existingSecret) }}{{ fail "server.adminToken.existingSecret: a server with a database and no disk does not keep the admin token; `slipway admin mint-token` prints one for a Secret" }}{{ end -}}
{{- if and $server.blobs $server.persistence.existingClaim }}{{ fail "server.persistence.existingClaim: with server.database and server.blobs nothing that counts is on a disk" }}{{ end -}}
{{- /* A revision's name is a label of its pods: this one and eleven characters more. */}}
{{- if gt (len (include "slipway.fullname" .)) 45 }}{{ fail "fullnameOverride: 45 characters at most with server.database" }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether there may be authorities beside those of systems; they are files in /etc/slipway-ca. */}}
{{- define "slipway.ca" -}}
{{- if or .Values.customCACerts .Values.caCertsConfigMap (and .Values.server.enabled .Values.tls.secretName) }}true{{ end -}}
{{- end -}}

{{- define "slipway.caVolume" -}}
name: ca
projected:
  sources:
  {{- if .Values.customCACerts }}
  - configMap: {name: {{ include "slipway.fullname" . }}-ca}
  {{- end }}
  {{- with .Values.caCertsConfigMap }}
  - configMap: {name: {{ . }}}
  {{- end }}
  {{- if and .Values.server.enabled .Values.tls.secretName }}
  - secret: {name: {{ .Values.tls.secretName }}, items: [{key: ca.crt, path: slipway-server-ca.crt}], optional: true}
  {{- end }}
{{- end -}}

{{/* Where the server is, for pods of this cluster. */}}
{{- define "slipway.url" -}}
{{- if .Values.server.enabled -}}
{{- $scheme := ternary "https" "http" (ne .Values.tls.secretName "") -}}
{{- $port := int (include "slipway.port" .) -}}
{{- printf "%s://%s-server.%s" $scheme (include "slipway.fullname" .) (include "slipway.namespace" .) -}}
{{- if ne $port (ternary 443 80 (eq $scheme "https")) }}:{{ $port }}{{ end -}}
{{- else -}}
{{- required "glue.serverUrl: where the server is, since server.enabled is false" .Values.glue.serverUrl -}}
{{- end -}}
{{- end -}}

{{/* Whether tokens may travel over plain http: to the own Service they do, where the server has no certificate. */}}
{{- define "slipway.plain" -}}
{{- if or (and .Values.server.enabled (hasPrefix "http://" (include "slipway.url" .))) (and (not .Values.server.enabled) .Values.glue.allowPlainHttp) }}true{{ end -}}
{{- end -}}

{{/* Where it is for people; empty where only a port-forward leads there. */}}
{{- define "slipway.externalUrl" -}}
{{- $route := .Values.server.httpRoute -}}
{{- if .Values.externalUrl -}}
{{- .Values.externalUrl -}}
{{- else if .Values.server.ingress.enabled -}}
{{- ternary "https" "http" (ne .Values.server.ingress.tlsSecret "") }}://{{ .Values.server.ingress.host -}}
{{- else if and $route.enabled $route.hostnames -}}
https://{{ first $route.hostnames -}}
{{- end -}}
{{- end -}}

{{/* Namespaces in which tasks may run, as a list in YAML. */}}
{{- define "slipway.namespaces" -}}
{{- $own := ternary (list (include "slipway.namespace" .)) (list) .Values.glue.releaseNamespace -}}
{{- $all := concat $own .Values.glue.additionalTargetNamespaces (include "slipway.launchNamespaces" . | fromYamlArray) | uniq -}}
{{- if not $all }}{{ fail "glue.releaseNamespace is false and glue.additionalTargetNamespaces is empty: tasks have nowhere to run" }}{{ end -}}
{{- toYaml $all -}}
{{- end -}}

{{- define "slipway.taskAccount" -}}
{{- $account := .Values.tasks.serviceAccount -}}
{{- if or $account.create $account.name -}}
{{- $account.name | default (printf "%s-task" (include "slipway.fullname" .)) -}}
{{- end -}}
{{- end -}}

{{/* What lies under the template of every queue, as YAML: the account of tasks, the Secrets for pulls, glue.base. */}}
{{- define "slipway.base" -}}
{{- $spec := dict -}}
{{- with include "slipway.taskAccount" . }}{{ $_ := set $spec "serviceAccountName" . }}{{ end -}}
{{- with .Values.global.imagePullSecrets }}{{ $_ := set $spec "imagePullSecrets" . }}{{ end -}}
{{- $own := dict -}}
{{- if $spec }}{{ $_ := set $own "podTemplate" (dict "spec" $spec) }}{{ end -}}
{{- toYaml (mergeOverwrite $own (deepCopy .Values.glue.base)) -}}
{{- end -}}

{{/* The pod fields that both components take from values, before their containers. Takes {root, component, settings}. */}}
{{- define "slipway.podFields" -}}
{{- $of := .settings -}}
terminationGracePeriodSeconds: {{ int $of.terminationGracePeriodSeconds }}
securityContext:
  {{- include "slipway.podSecurity" . | nindent 2 }}
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" "runtimeClassName" "hostAliases" "dnsConfig" "initContainers" }}
{{- with index $of $field }}
{{ toYaml (dict $field .) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The fields of a component's container that values say. Takes {root, component, settings}. */}}
{{- define "slipway.containerFields" -}}
{{- $of := .settings -}}
image: {{ include "slipway.image" (dict "root" .root "image" .root.Values.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- $own := list -}}
{{- if include "slipway.ca" .root }}{{ $own = append $own (dict "name" "SLIPWAY_CA_FILE" "value" "/etc/slipway-ca") }}{{ end -}}
{{- if and (eq .component "server") .root.Values.tls.secretName }}{{ $own = append $own (dict "name" "SLIPWAY_URL" "value" "http://127.0.0.1:7226") }}{{ end -}}
{{- /* For commands in this very pod. */}}
{{- if and (eq .component "server") .root.Values.server.adminToken.existingSecret }}{{ $own = append $own (dict "name" "SLIPWAY_TOKEN_FILE" "value" "/etc/slipway-admin/token") }}{{ end -}}
{{- if and (eq .component "server") .root.Values.server.database.existingSecret }}
{{- $database := .root.Values.server.database }}
{{- $secret := dict "name" $database.existingSecret "key" $database.existingSecretKey }}
{{- $own = append $own (dict "name" "SLIPWAY_DATABASE" "valueFrom" (dict "secretKeyRef" $secret)) }}
{{- $own = append $own (dict "name" "SLIPWAY_POD" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name"))) }}
{{- end -}}
{{- with concat $own .root.Values.global.extraEnv $of.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.lifecycle }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "slipway.containerSecurity" . | nindent 2 }}
{{- end -}}

{{/* Labels and annotations of a component's pod. Takes {root, component, settings, sums}. */}}
{{- define "slipway.podMetadata" -}}
labels:
  {{- $selector := include "slipway.selector" . | fromYaml }}
  {{- toYaml (merge (dict) $selector .settings.podLabels .root.Values.commonLabels) | nindent 2 }}
annotations:
  {{- toYaml (merge (dict) .sums .settings.podAnnotations) | nindent 2 }}
{{- end -}}

{{/* A token of the pod's own account, meant for the server. */}}
{{- define "slipway.token" -}}
name: token
projected:
  sources:
  - serviceAccountToken: {audience: slipway, expirationSeconds: 3600, path: token}
{{- end -}}
