#!/usr/bin/env bash
# What a shell needs to use the test cluster: eval "$(make cluster-env)"
source "$(dirname "$0")/common.sh"

[ -f "$STATE/admin.kubeconfig" ] || fail "it is not up; start it with: make cluster-up"
echo "export KUBECONFIG=$STATE/admin.kubeconfig"
echo "export PATH=$BIN:\$PATH"
