# The real node: bridge, containerd, kubelet, kube-proxy, DNS; sourced by up.sh and by node-fault scripts.

network() {
  cat /proc/sys/net/ipv4/ip_forward >"$STATE/ip_forward"
  # With an address of its own; else it takes the lowest of its ports', which changes as pods come and go, and those that are left
  # send into the void until they ask anew who the gateway is.
  ip link add $BRIDGE address 02:00:0a:58:00:01 type bridge
  ip addr add $GATEWAY/16 dev $BRIDGE
  ip link set $BRIDGE up
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# A file of conf/ with the names of this cluster filled in.
configure() { # NAME TARGET
  sed "s|@STATE@|$STATE|g; s|@GATEWAY@|$GATEWAY|g; s|@BRIDGE@|$BRIDGE|g" "$TESTBED/conf/$1" >"$2"
}

start_containerd() {
  mkdir -p "$STATE/cni"
  configure containerd.toml "$STATE/containerd.toml"
  configure bridge.conflist "$STATE/cni/10-bridge.conflist"
  run containerd containerd --config "$STATE/containerd.toml"
}

# cgroup v1 or v2, whatever the host has.
start_kubelet() {
  echo "nameserver $GATEWAY" >"$STATE/resolv.conf"
  configure kubelet.yaml "$STATE/kubelet.yaml"
  run kubelet "$BIN/kubelet" --config "$STATE/kubelet.yaml" --kubeconfig "$STATE/kubelet.kubeconfig" \
    --hostname-override $NODE --root-dir "$STATE/kubelet" --node-ip $GATEWAY
}

start_proxy() {
  run kube-proxy "$BIN/kube-proxy" --kubeconfig "$STATE/admin.kubeconfig" --hostname-override $NODE \
    --proxy-mode nftables --cluster-cidr 10.88.0.0/16 --conntrack-max-per-core 0 \
    --conntrack-tcp-timeout-established 0s --conntrack-tcp-timeout-close-wait 0s \
    --healthz-bind-address 127.0.0.1:10256 --metrics-bind-address 127.0.0.1:10249
}

start_dns() {
  configure Corefile "$STATE/Corefile"
  run coredns "$BIN/coredns" -conf "$STATE/Corefile"
}

node_ready() { api GET "/api/v1/nodes/$NODE" | grep -q '"type":"Ready","status":"True"'; }
