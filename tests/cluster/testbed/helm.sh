#!/usr/bin/env bash
# Helm against the test cluster.
#
#   helm.sh 3|4 ARGS…
source "$(dirname "$0")/common.sh"
version=$1; shift
export HELM_CACHE_HOME=$STATE/helm/cache HELM_CONFIG_HOME=$STATE/helm/config HELM_DATA_HOME=$STATE/helm/data
exec "$BIN/helm$version" --kubeconfig "${KUBECONFIG:-$STATE/admin.kubeconfig}" "$@"
