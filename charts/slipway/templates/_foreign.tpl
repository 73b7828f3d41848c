{{/* Values of ClearML's agent and of a launch agent of W&B, beside our own. What stands in files/foreign.yaml says what becomes of each
key; queues and pod templates go as they are into files that the programs read (docs/CONFIGURATION.md). */}}

{{/* Whether a value says something: not where it is empty, switched off, or a map of such. */}}
{{- define "slipway.says" -}}
{{- if kindIs "map" . -}}
{{- $off := or (and (hasKey . "enabled") (not .enabled)) (and (hasKey . "portModeEnabled") (not .portModeEnabled)) -}}
{{- if not $off }}{{ range $value := . }}{{ if $value }}yes{{ end }}{{ end }}{{ end -}}
{{- else if . }}yes{{ end -}}
{{- end -}}

{{/* Refuses what cannot be, by its name, and what would be said twice. */}}
{{- define "slipway.foreignRefused" -}}
{{- $fates := .Files.Get "files/foreign.yaml" | fromYaml -}}
{{- range $key, $fate := $fates.clearml.glue -}}
{{- if and $fate.refused (include "slipway.says" (index ($.Values.agentk8sglue | default dict) $key)) }}{{ fail (printf "agentk8sglue.%s: %s" $key $fate.refused) }}{{ end -}}
{{- end -}}
{{- $launch := include "slipway.launchFile" . | fromYaml -}}
{{- with $launch.Error }}{{ fail (printf "launchConfig: %s" .) }}{{ end -}}
{{- range $key, $_ := $launch -}}
{{- if not (hasKey $fates.launch.file $key) }}{{ fail (printf "launchConfig.%s: unknown key" $key) }}{{ end -}}
{{- end -}}
{{- if .Values.server.enabled -}}
{{- range $name, $_ := ((.Values.agentk8sglue | default dict).queues | default dict) -}}
{{- if and (kindIs "string" $name) (hasKey $.Values.queues $name) }}{{ fail (printf "queues.%s: agentk8sglue.queues says it too; keep one of the two" $name) }}{{ end -}}
{{- end -}}
{{- else if .Values.queues -}}
{{- fail "queues: the server keeps them, and server.enabled is false; give them to that server: slipway queue apply -f FILE" -}}
{{- else if and .Values.agentk8sglue (or .Values.glue.base .Values.glue.queues) -}}
{{- fail "glue.base and glue.queues: agentk8sglue says it too; keep one of the two" -}}
{{- end -}}
{{- end -}}

{{/* The part of ClearML's values that is about queues, as a file of them. Empty where there is none. */}}
{{- define "slipway.clearml" -}}
{{- $fates := .Files.Get "files/foreign.yaml" | fromYaml -}}
{{- $glue := dict -}}
{{- range $key, $value := (.Values.agentk8sglue | default dict) -}}
{{- if (index $fates.clearml.glue $key | default dict).queues }}{{ $_ := set $glue $key $value }}{{ end -}}
{{- end -}}
{{- if .Values.server.enabled -}}
{{- range $name, $queue := .Values.queues -}}
{{- if or (hasKey ($queue | default dict) "templateOverrides") (hasKey ($queue | default dict) "queueSettings") -}}
{{- $queues := $glue.queues | default dict -}}
{{- if not (kindIs "map" $queues) }}{{ fail "agentk8sglue.queues: write it as a map, since queues names some in ClearML's shape" }}{{ end -}}
{{- $_ := set $glue "queues" (merge (dict $name $queue) $queues) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $glue -}}
{{- $file := dict "agentk8sglue" $glue -}}
{{- with .Values.imageCredentials }}{{ $_ := set $file "imageCredentials" (pick . "enabled" "existingSecret" "extraImagePullSecrets") }}{{ end -}}
{{- toYaml $file -}}
{{- end -}}
{{- end -}}

{{/* The part of a launch agent's values that is about queues, less those that our own values say more of. Empty where there is none. */}}
{{- define "slipway.launch" -}}
{{- $file := include "slipway.launchFile" . | fromYaml -}}
{{- $queues := list -}}
{{- range $name := ($file.queues | default list) -}}
{{- if not (hasKey $.Values.queues (toString $name)) }}{{ $queues = append $queues $name }}{{ end -}}
{{- end -}}
{{- if $queues -}}
{{- $all := dict "launchConfig" (merge (dict "queues" $queues) $file) -}}
{{- with (.Values.agent | default dict).startTimeout }}{{ $_ := set $all "agent" (dict "startTimeout" .) }}{{ end -}}
{{- toYaml $all -}}
{{- end -}}
{{- end -}}

{{/* The launch agent's own file, which stands in its values as a text or a map. */}}
{{- define "slipway.launchFile" -}}
{{- with .Values.launchConfig | default .Values.agentConfig -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toYaml . }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "slipway.launchNamespaces" -}}
{{- toYaml (.Values.additionalTargetNamespaces | default list) -}}
{{- end -}}

{{/* What they say of the pod and the bounds of their controller, by our names. */}}
{{- define "slipway.foreignGlue" -}}
{{- $all := dict -}}
{{- $launch := include "slipway.launchFile" . | fromYaml -}}
{{- with $launch.max_jobs }}{{ $_ := set $all "maxPods" (ternary 100000 (int .) (lt (int .) 0)) }}{{ end -}}
{{- range $from := list (.Values.agent | default dict) (.Values.agentk8sglue | default dict) -}}
{{- range $theirs, $ours := dict "nodeSelector" "nodeSelector" "tolerations" "tolerations" "affinity" "affinity" "labels" "podLabels" "annotations" "podAnnotations" "podAnnotations" "podAnnotations" "maxPods" "maxPods" -}}
{{- with index $from $theirs }}{{ $_ := set $all $ours . }}{{ end -}}
{{- end -}}
{{- range ($from.extraEnvs | default list) -}}
{{- if and (eq .name "K8S_GLUE_MAX_PODS") .value }}{{ $_ := set $all "maxPods" (int .value) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* The settings of a component: our own, and where they say nothing those of foreign values. Takes {root, component}. */}}
{{- define "slipway.settings" -}}
{{- $own := deepCopy (index .root.Values .component) -}}
{{- if eq .component "glue" -}}
{{- range $key, $value := include "slipway.foreignGlue" .root | fromYaml -}}
{{- if not (index $own $key) }}{{ $_ := set $own $key $value }}{{ end -}}
{{- end -}}
{{- if not .root.Values.server.enabled -}}
{{- $launch := include "slipway.launchFile" .root | fromYaml -}}
{{- if and $launch.queues (not $own.queues) }}{{ $_ := set $own "queues" $launch.queues }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $own -}}
{{- end -}}

{{/* What became of keys that mean nothing here, a line each, for the notes. */}}
{{- define "slipway.foreignLeft" -}}
{{- $fates := .Files.Get "files/foreign.yaml" | fromYaml -}}
{{- $places := list
  (list "" $fates.clearml.root .Values)
  (list "agentk8sglue." $fates.clearml.glue (.Values.agentk8sglue | default dict))
  (list "" $fates.launch.root .Values)
  (list "agent." $fates.launch.agent (.Values.agent | default dict))
  (list "launchConfig." $fates.launch.file (include "slipway.launchFile" . | fromYaml)) -}}
{{- range $place := $places -}}
{{- range $key, $fate := index $place 1 -}}
{{- if and $fate.left (include "slipway.says" (index (index $place 2) $key)) }}
  {{ index $place 0 }}{{ $key }}: {{ $fate.left }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
