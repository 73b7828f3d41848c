#!/usr/bin/env bash
# Starts a real one-node Kubernetes and waits until its node is Ready. What an earlier run left behind is removed first.
# Needs root; installs the Debian packages that are missing.
#
#   up.sh         for one run of the tests
#   up.sh keep    until down.sh; runs of the tests use it as it is
#   up.sh plane   for one run: etcd, API server and controllers alone, for tests that play the nodes themselves
source "$(dirname "$0")/common.sh"
source "$TESTBED/prerequisites.sh"
source "$TESTBED/pki.sh"
source "$TESTBED/control-plane.sh"
source "$TESTBED/node.sh"

prerequisites
lock
parts=${1:-}
if [ -f "$STATE/kept" ] && node_ready 2>/dev/null; then
  say "it is up already: export KUBECONFIG=$STATE/admin.kubeconfig"
  exit 0
fi
# shellcheck disable=SC2046
"$TESTBED/build.sh" $([ "$parts" != plane ] || echo etcd kube-apiserver kube-controller-manager)
SLIPWAY_CLUSTER_LOCKED=yes "$TESTBED/down.sh"
trap 'code=$?; [ $code = 0 ] || { tail -n 5 "$STATE"/log/*.log >&2; say "the cluster did not start; its logs are in $STATE/log"; }' EXIT

mkdir -p "$STATE/log"
chmod 700 "$STATE"
network
pki
start_etcd
start_apiserver
if [ "$parts" != plane ]; then
  start_containerd
  # The images are packed while the API server starts.
  "$TESTBED/image.sh" basic
fi
await 60 api GET /readyz || fail "the API server does not become ready"
start_controllers
if [ "$parts" != plane ]; then
  start_scheduler
  start_kubelet
  start_proxy
  start_dns
  await 60 node_ready || fail "$NODE does not become Ready"
fi
await 20 api GET /api/v1/namespaces/default/serviceaccounts/default || fail "the controller-manager makes no service account"
[ "$parts" != keep ] || touch "$STATE/kept"
say "it is up: export KUBECONFIG=$STATE/admin.kubeconfig"
