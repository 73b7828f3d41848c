#!/usr/bin/env bash
# Runs a script as a person's shell would, with kubectl and Helm 4 for the test cluster.
#
#   shell.sh FILE
source "$(dirname "$0")/common.sh"
export HELM_CACHE_HOME=$STATE/helm/cache HELM_CONFIG_HOME=$STATE/helm/config HELM_DATA_HOME=$STATE/helm/data
export KUBECONFIG=${KUBECONFIG:-$STATE/admin.kubeconfig} PATH=$BIN:$PATH
exec bash -euo pipefail "$1"
