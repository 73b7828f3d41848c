#!/usr/bin/env bash
# Starts a second control plane beside the cluster that is up: another cluster, with authorities of its own and without nodes.
# What runs already stays as it is; down.sh removes it with the first.
source "$(dirname "$0")/common.sh"
source "$TESTBED/pki.sh"
source "$TESTBED/control-plane.sh"

lock
[ -d "$STATE/pki" ] || fail "no cluster is up to be the first: up.sh"
second
ready() { api GET /readyz; }
if [ -d "$STATE" ] && ready >/dev/null 2>&1; then
  say "the second one is up already: export KUBECONFIG=$STATE/admin.kubeconfig"
  exit 0
fi
for name in controller-manager apiserver etcd; do stop $name; done
rm -rf "$STATE"
trap 'code=$?; [ $code = 0 ] || { tail -n 5 "$STATE"/log/*.log >&2; say "the second one did not start; its logs are in $STATE/log"; }' EXIT
mkdir -p "$STATE/log"
pki
start_etcd
start_apiserver
await 60 ready || fail "the second API server does not become ready"
start_controllers
await 20 api GET /api/v1/namespaces/default/serviceaccounts/default || fail "the second controller-manager makes no service account"
say "the second one is up: export KUBECONFIG=$STATE/admin.kubeconfig"
