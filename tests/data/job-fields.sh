#!/usr/bin/env bash
# Writes job-fields.json anew: what a Job may say in each minor of Kubernetes, from the API documents that lie in the modules
# of its releases. It needs Go, jq and the Go module proxy; the tests need none of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

RELEASES="v1.28.15 v1.29.6 v1.30.14 v1.31.14 v1.32.13 v1.33.13 v1.34.4 v1.35.4 v1.36.3"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'module fields\n' >"$work/go.mod"
echo '{}' >"$work/all.json"
for release in $RELEASES; do
  minor=${release#v1.}
  minor=${minor%%.*}
  module=$(cd "$work" && go mod download -json "k8s.io/kubernetes@$release" | jq -r .Dir)
  jq --arg minor "$minor" --slurpfile document "$module/api/openapi-spec/v3/apis__batch__v1_openapi.json" \
    '. + {($minor): $document[0]}' "$work/all.json" >"$work/more.json"
  mv "$work/more.json" "$work/all.json"
done
jq --sort-keys --from-file job-fields.jq "$work/all.json" >job-fields.json
