#!/usr/bin/env bash
# Stops the test cluster and removes everything it made: processes, containers, mounts, bridge, nft tables, iptables
# chains, cgroups, state. Also after a run that was killed. Does nothing where there is nothing.
source "$(dirname "$0")/common.sh"

[ -d "$STATE" ] || exit 0
[ "$(id -u)" = 0 ] || missing "it needs root"
lock

# In a shell of its own, where the names are those of the second control plane.
[ ! -d "$STATE/second" ] || (second; for name in controller-manager apiserver etcd; do stop $name; done)
for name in kwok coredns kube-proxy kubelet scheduler controller-manager apiserver etcd; do stop $name; done

# Containers outlive the kubelet. They are ended through the runtime, which may itself be gone: then a shim is found by
# its command line.
tasks() { timeout 5 ctr --address "$STATE/containerd.sock" --namespace k8s.io tasks "$@" 2>/dev/null; }
ended() { ! tasks ls | grep -q RUNNING; }
if [ -S "$STATE/containerd.sock" ] && tasks ls >/dev/null; then
  for task in $(tasks ls -q); do tasks kill --signal KILL "$task" || true; done
  await 5 ended || say "containers do not end"
  for task in $(tasks ls -q); do tasks rm "$task" >/dev/null || true; done
fi
stop containerd
for proc in /proc/[0-9]*; do
  pid=${proc#/proc/}
  line=$(tr '\0' ' ' 2>/dev/null <"$proc/cmdline") || continue
  case $line in
    *containerd-shim*"$STATE"*) kill -9 $(cat "$proc/task/$pid/children" 2>/dev/null) "$pid" 2>/dev/null || true ;;
  esac
done

# By depth: a mount inside another one goes first.
mounts() { awk -v s="$STATE/" 'index($2, s) == 1 {print $2}' /proc/mounts | sort -r; }
mounts | xargs -r -n1 umount -l 2>/dev/null || true

for family in ip ip6; do nft delete table $family kube-proxy 2>/dev/null || true; done
for tool in iptables ip6tables; do
  command -v $tool-save >/dev/null || continue
  for table in mangle nat filter; do
    rules=$($tool-save -t $table 2>/dev/null | grep -E '^(:|-A [A-Z-]+ .*)KUBE-|^-A KUBE-' || true)
    [ -n "$rules" ] || continue
    grep -- '^-A' <<<"$rules" | sed 's/^-A/-D/' | while read -r rule; do eval "$tool -w -t $table $rule" || true; done
    grep -o '^:KUBE-[A-Z-]*' <<<"$rules" | while read -r chain; do $tool -w -t $table -X "${chain#:}" || true; done
  done
done
ip link delete $BRIDGE 2>/dev/null || true
[ -s "$STATE/ip_forward" ] && cat "$STATE/ip_forward" >/proc/sys/net/ipv4/ip_forward

for root in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
  [ -d "$root" ] && find "$root" -depth -type d -exec rmdir {} + 2>/dev/null || true
done
# Places that the kubelet and the network plugins do not let anybody choose.
for link in /var/log/containers/*; do
  case $(readlink "$link" 2>/dev/null) in "$STATE"/*) rm -f "$link" ;; esac
done
for shim in "$STATE"/containerd-run/io.containerd.runtime.v2.task/k8s.io/*; do
  rm -f "/var/lib/cni/results/cni-loopback-${shim##*/}-lo"
  socket=$(cat "$shim/address" 2>/dev/null) && rm -f "${socket#unix://}"
done
rm -f /var/lib/cni/results/slipway-cluster-* /var/lib/cni/cache/results/slipway-cluster-*
rmdir /var/log/containers 2>/dev/null || true
rmdir /var/lib/cni/results /var/lib/cni /var/lib/kubelet/device-plugins /var/lib/kubelet 2>/dev/null || true
rm -rf "$STATE"
