#!/usr/bin/env bash
# Builds the programs of the test cluster from their Go modules, into a cache outside the checkout; what is there is
# skipped. `K8S=v1.33.13 build.sh` builds another minor.
#
#   build.sh [NAME…]     default: all that the tests use
source "$(dirname "$0")/common.sh"

CORE="etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy"
names=("$@")
[ $# -gt 0 ] || read -ra names <<<"$CORE coredns kwok helm3 helm4 kubectl"

lacking=()
for name in "${names[@]}"; do [ -x "$BIN/$name" ] || lacking+=("$name"); done
[ ${#lacking[@]} -gt 0 ] || exit 0
command -v go >/dev/null || missing "go is missing: install Go 1.26 or newer, or fill $BIN"
mkdir -p "$BIN"
say "building ${lacking[*]} into $BIN (the first time takes minutes)"

# Another minor: the same module with other versions, resolved in a copy.
source_dir() {
  local module=$TESTBED/../go pinned copy=$CACHE/src/$K8S
  pinned=$(sed -nE 's/.*k8s.io\/kubernetes (v[0-9.]+).*/\1/p' "$module/go.mod")
  [ "$K8S" = "$pinned" ] && { echo "$module"; return; }
  [ -f "$copy/go.sum" ] && { echo "$copy"; return; }
  mkdir -p "$copy"
  cp -r "$module/cmd" "$copy/"
  {
    sed -nE '/^(module|go) /p' "$module/go.mod"
    sed -nE "s#^\s*(k8s.io/[a-z-]+) (v0.${pinned#v1.}|$pinned)( .*)?\$#\1#p" "$module/go.mod" | sort -u |
      sed -E "s#.*#require & v0.${K8S#v1.}#; s#^(require k8s.io/kubernetes) .*#\1 $K8S#"
  } >"$copy/go.mod"
  (cd "$copy" && go mod tidy >&2)
  echo "$copy"
}

# Without these, `kubectl version` and Helm's kubeVersion check see v0.0.0-master.
flags() {
  local minor=${K8S#v1.} package
  minor=${minor%%.*}
  printf -- '-s -w'
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s' $package "$K8S" $package $package "$minor"
  done
}

# Built beside its place and renamed: an interrupted build leaves nothing that looks whole.
build() { # NAME DIRECTORY PACKAGE
  say "  $1"
  (cd "$2" && go build -ldflags "$(flags)" -o "$BIN/.$1.$$" "$3")
  mv "$BIN/.$1.$$" "$BIN/$1"
}

for name in "${lacking[@]}"; do
  case $name in
    kwok) build kwok "$TESTBED/../go/kwok" sigs.k8s.io/kwok/cmd/kwok ;;
    coredns) build coredns "$TESTBED/../go/coredns" github.com/coredns/coredns ;;
    kubectl) build kubectl "$TESTBED/../go/kubectl" . ;;
    helm3) build helm3 "$TESTBED/../go/helm3" helm.sh/helm/v3/cmd/helm ;;
    helm4) build helm4 "$TESTBED/../go/helm4" helm.sh/helm/v4/cmd/helm ;;
    *) dir=$(source_dir); build "$name" "$dir" "./cmd/$name" ;;
  esac
done
