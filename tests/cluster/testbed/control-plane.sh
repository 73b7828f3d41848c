# etcd, API server, controller-manager, scheduler; sourced by up.sh and by second.sh.

start_etcd() {
  run etcd "$BIN/etcd" --data-dir "$STATE/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:$ETCD_PORT \
    --advertise-client-urls http://127.0.0.1:$ETCD_PORT --listen-peer-urls http://127.0.0.1:$PEER_PORT \
    --initial-advertise-peer-urls http://127.0.0.1:$PEER_PORT --initial-cluster default=http://127.0.0.1:$PEER_PORT
}

# The audit log counts what each user wrote and which verbs it used. Pods that lose their node are evicted after 10 s.
start_apiserver() {
  local pki=$STATE/pki
  run apiserver "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:$ETCD_PORT --secure-port=$PORT \
    --bind-address=$GATEWAY --advertise-address=$GATEWAY \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/16 \
    --authorization-mode=Node,RBAC --kubelet-preferred-address-types=InternalIP \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
    --kubelet-certificate-authority="$pki/ca.crt" \
    --audit-policy-file="$TESTBED/conf/audit.yaml" --audit-log-path="$STATE/audit.log" --audit-log-format=json \
    --audit-log-maxsize=2000 --default-not-ready-toleration-seconds=10 --default-unreachable-toleration-seconds=10
}

# The suite creates far more Jobs at once than a user does; RATES=default keeps what users have.
rates() { [ "${RATES:-}" = default ] || echo --kube-api-qps=1000 --kube-api-burst=2000; }
syncs() { [ "${RATES:-}" = default ] || echo --concurrent-job-syncs=20; }

start_controllers() {
  local pki=$STATE/pki
  # shellcheck disable=SC2046
  run controller-manager "$BIN/kube-controller-manager" --kubeconfig="$STATE/controller-manager.kubeconfig" \
    --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" --use-service-account-credentials \
    --leader-elect=false --bind-address=127.0.0.1 --secure-port=$CONTROLLERS_PORT --node-monitor-period=1s --node-monitor-grace-period=12s \
    $(rates) $(syncs)
}

start_scheduler() {
  # shellcheck disable=SC2046
  run scheduler "$BIN/kube-scheduler" --kubeconfig="$STATE/scheduler.kubeconfig" --leader-elect=false \
    --bind-address=127.0.0.1 $(rates)
}
