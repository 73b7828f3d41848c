#!/usr/bin/env bash
# Writes job-fields.json and chart-fields.json anew: what a Job, and the objects of the chart, may say in each minor of Kubernetes, from
# the API documents that lie in the modules of its releases. It needs Go, jq and the Go module proxy; the tests need none of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

RELEASES="v1.28.15 v1.29.6 v1.30.14 v1.31.14 v1.32.13 v1.33.13 v1.34.4 v1.35.4 v1.36.3"
DOCUMENTS="api__v1 apis__apps__v1 apis__batch__v1 apis__networking.k8s.io__v1 apis__policy__v1 apis__rbac.authorization.k8s.io__v1"
JOB='["io.k8s.api.batch.v1.Job"]'
CHART='["io.k8s.api.apps.v1.Deployment", "io.k8s.api.apps.v1.StatefulSet", "io.k8s.api.core.v1.ConfigMap", "io.k8s.api.core.v1.PersistentVolumeClaim",
  "io.k8s.api.core.v1.Pod", "io.k8s.api.core.v1.Secret", "io.k8s.api.core.v1.Service", "io.k8s.api.core.v1.ServiceAccount",
  "io.k8s.api.networking.v1.Ingress", "io.k8s.api.networking.v1.NetworkPolicy", "io.k8s.api.policy.v1.PodDisruptionBudget",
  "io.k8s.api.rbac.v1.ClusterRole", "io.k8s.api.rbac.v1.ClusterRoleBinding", "io.k8s.api.rbac.v1.Role",
  "io.k8s.api.rbac.v1.RoleBinding"]'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'module fields\n' >"$work/go.mod"
echo '{}' >"$work/all.json"
for release in $RELEASES; do
  minor=${release#v1.}
  minor=${minor%%.*}
  module=$(cd "$work" && go mod download -json "k8s.io/kubernetes@$release" | jq -r .Dir)
  files=()
  for document in $DOCUMENTS; do files+=("$module/api/openapi-spec/v3/${document}_openapi.json"); done
  jq --slurp '{components: {schemas: (map(.components.schemas) | add)}}' "${files[@]}" >"$work/document.json"
  jq --arg minor "$minor" --slurpfile document "$work/document.json" '. + {($minor): $document[0]}' "$work/all.json" >"$work/more.json"
  mv "$work/more.json" "$work/all.json"
done
jq --sort-keys --argjson roots "$JOB" --from-file job-fields.jq "$work/all.json" >job-fields.json
jq --sort-keys --argjson roots "$CHART" --from-file job-fields.jq "$work/all.json" >chart-fields.json
