# Shared by the scripts of the test cluster; sourced, never run.
set -euo pipefail

TESTBED=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
K8S=${K8S:-v1.35.4}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/slipway-testbed
BIN=$CACHE/$K8S
# Fixed, and the same for every checkout: bridge, ports and nft tables exist once per machine.
STATE=/var/lib/slipway-cluster
LOCK=/run/lock/slipway-cluster.lock
GATEWAY=10.88.0.1 # the bridge: how pods reach the host, the node's InternalIP, and where the API server listens
BRIDGE=slipway0
NODE=node-1
PORT=6443 ETCD_PORT=23790 PEER_PORT=23800 CONTROLLERS_PORT=10257
API=https://$GATEWAY:$PORT
# What the harness takes for "a prerequisite is missing": a skip for a person, a failure in CI.
readonly MISSING=77

# What follows is about the second control plane (second.sh): a cluster of its own, in a part of the first one's state.
second() {
  STATE=$STATE/second PORT=6444 ETCD_PORT=23791 PEER_PORT=23801 CONTROLLERS_PORT=10258
  API=https://$GATEWAY:$PORT
}

say() { echo "cluster: $*" >&2; }
fail() { say "$*"; exit 1; }
missing() { say "$*"; exit "$MISSING"; }

# One operation at a time. The harness holds the lock for as long as it uses the cluster, and says so.
lock() {
  [ "${SLIPWAY_CLUSTER_LOCKED:-}" = yes ] && return
  exec 9>"$LOCK"
  flock -n 9 && return
  say "another run holds $LOCK; waiting for its end"
  flock 9
}

# Starts NAME in the background, in a session of its own, holding none of our descriptors. Every command line names
# $STATE or $BIN: by that `alive` tells a process of ours from one that was given the same number later. Cores are few here
# and memory is not: Go collects its garbage less often.
run() {
  local name=$1; shift
  GOGC=400 setsid "$@" </dev/null >"$STATE/log/$name.log" 2>&1 9>&- &
  echo $! >"$STATE/$name.pid"
}

alive() { # PID
  local line; line=$(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline") || return 1
  [[ $line == *"$STATE"* || $line == *"$CACHE"* ]]
}

# SIGTERM, wait, SIGKILL, wait: a port still held makes the next start fail.
stop() {
  local pid; pid=$(cat "$STATE/$1.pid" 2>/dev/null) || return 0
  rm -f "$STATE/$1.pid"
  alive "$pid" || return 0
  kill "$pid" 2>/dev/null || return 0
  kill -CONT "$pid" 2>/dev/null || true
  await 4 gone "$pid" || kill -9 "$pid" 2>/dev/null || true
  await 4 gone "$pid" || say "$1 ($pid) does not end"
}
gone() { ! alive "$1"; }

# await SECONDS COMMAND…: asks ten times a second.
await() {
  local left=$(($1 * 10)); shift
  until "$@" >/dev/null 2>&1; do
    ((left-- > 0)) || return 1
    sleep 0.1
  done
}

# The API server as cluster admin: api GET /readyz [curl arguments]
api() {
  local method=$1 path=$2; shift 2
  curl -sS --fail-with-body --max-time 10 -X "$method" --cacert "$STATE/pki/ca.crt" --cert "$STATE/pki/admin.crt" \
    --key "$STATE/pki/admin.key" -H 'User-Agent: testbed' "$@" "$API$path"
}

runtime() { ctr --address "$STATE/containerd.sock" --namespace k8s.io "$@"; }
