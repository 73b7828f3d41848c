#!/usr/bin/env bash
# fake.sh COUNT [GPUS]: adds nodes played by kwok, tainted kwok.x-k8s.io/node=fake:NoSchedule and labelled type=kwok.
source "$(dirname "$0")/common.sh"

[ $# -ge 1 ] || fail "usage: fake.sh COUNT [GPUS]"
"$TESTBED/build.sh" kwok

size="{\"cpu\":\"128\",\"memory\":\"1Ti\",\"pods\":\"250\",\"nvidia.com/gpu\":\"${2:-8}\"}"
for ((i = 0; i < $1; i++)); do
  api GET "/api/v1/nodes/fake-$i" >/dev/null 2>&1 && continue
  api POST /api/v1/nodes -H 'Content-Type: application/json' -d @- >/dev/null <<Y
{"apiVersion": "v1", "kind": "Node",
 "metadata": {"name": "fake-$i", "annotations": {"kwok.x-k8s.io/node": "fake"},
  "labels": {"type": "kwok", "kubernetes.io/hostname": "fake-$i", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}},
 "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
 "status": {"allocatable": $size, "capacity": $size}}
Y
done
pid=$(cat "$STATE/kwok.pid" 2>/dev/null || echo none)
[ "$pid" != none ] && alive "$pid" && exit 0
run kwok "$BIN/kwok" --kubeconfig "$STATE/admin.kubeconfig" --config "$TESTBED/conf/stages.yaml" \
  --manage-all-nodes=false --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake
