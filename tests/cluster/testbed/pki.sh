# Certificates and kubeconfigs of the test cluster; sourced by up.sh.

# Elliptic keys: made in milliseconds.
key() { openssl ecparam -genkey -name prime256v1 -noout -out "$1"; }

certificate() { # NAME SUBJECT ALTERNATIVE-NAMES
  key "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3")
}

kubeconfig() { # NAME
  cat >"$STATE/$1.kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: testbed, cluster: {server: "$API", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: testbed, context: {cluster: testbed, user: $1}}]
current-context: testbed
Y
}

pki() (
  mkdir -p "$STATE/pki"
  cd "$STATE/pki"
  local service=kubernetes.default.svc
  key ca.key
  openssl req -x509 -new -key ca.key -days 3650 -subj /CN=testbed-ca -out ca.crt
  key sa.key
  openssl ec -in sa.key -pubout -out sa.pub
  certificate apiserver /CN=kube-apiserver \
    "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:$service,DNS:$service.cluster.local,IP:127.0.0.1,IP:10.96.0.1,IP:$GATEWAY"
  certificate admin /O=system:masters/CN=admin DNS:admin
  certificate controller-manager /O=system:masters/CN=system:kube-controller-manager DNS:controller-manager
  certificate scheduler /O=system:masters/CN=system:kube-scheduler DNS:scheduler
  certificate kubelet "/O=system:nodes/CN=system:node:$NODE" "DNS:$NODE,IP:127.0.0.1,IP:$GATEWAY"
  local name
  for name in admin controller-manager scheduler kubelet; do kubeconfig $name; done
) 2>"$STATE/log/pki.log"
