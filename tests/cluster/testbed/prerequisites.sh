# What the test cluster needs of the machine; sourced by up.sh.

# command or file → Debian package
PACKAGES="containerd=containerd ctr=containerd runc=runc nft=nftables conntrack=conntrack ip=iproute2 openssl=openssl
curl=curl busybox=busybox-static gcc=gcc /usr/lib/cni/bridge=containernetworking-plugins"

prerequisites() {
  [ "$(uname -s)" = Linux ] || missing "it needs Linux"
  [ "$(id -u)" = 0 ] || missing "it needs root: bridge, containers and a kubelet are made"
  local entry lacking=()
  for entry in $PACKAGES; do present "${entry%=*}" || lacking+=("${entry#*=}"); done
  [ ${#lacking[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || missing "these are missing, and there is no apt-get to install them: ${lacking[*]}"
  say "installing ${lacking[*]}"
  { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${lacking[@]}"; } >/dev/null 2>&1 ||
    missing "apt-get could not install ${lacking[*]}"
}

present() {
  case $1 in
    /*) [ -x "$1" ] ;;
    # The dynamic busybox of other distributions runs in no empty image.
    busybox) command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}
