#!/usr/bin/env bash
# Helm without a cluster, built where it is missing.
#
#   helm.sh DIRECTORY 3|4 ARGS…     what Helm keeps goes into the directory
source "$(dirname "$0")/../cluster/testbed/common.sh"
"$TESTBED/build.sh" helm3 helm4
directory=$1 version=$2; shift 2
export HELM_CACHE_HOME=$directory/cache HELM_CONFIG_HOME=$directory/config HELM_DATA_HOME=$directory/data KUBECONFIG=$directory/none
exec "$BIN/helm$version" "$@"
