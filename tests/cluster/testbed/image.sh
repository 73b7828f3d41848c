#!/usr/bin/env bash
# Images for the test cluster, without a registry and without a daemon.
#
#   image.sh load ARCHIVE              import a docker-archive or an OCI archive
#   image.sh pack REF [FLAGS] SRC:DEST…  pack files with the project's own packer (slipway-tools image) and import them
#   image.sh basic                     what every run needs: pause, busybox, and one with nothing but a static program
#   image.sh python                    Debian with Python and git; its files are kept in the cache, the first time is slow
source "$(dirname "$0")/common.sh"

pack() {
  local ref=$1 archive; shift
  archive=$(mktemp "$STATE/image.XXXXXX")
  cargo run --manifest-path "$TESTBED/../../../Cargo.toml" --locked --quiet --no-default-features --features tools \
    --bin slipway-tools -- image --out "$archive" --ref "$ref" "$@"
  load "$archive"
  rm -f "$archive"
}

load() {
  await 20 runtime version || fail "containerd does not answer; is the cluster up?"
  runtime images import "$1" >/dev/null
}

basic() {
  local root=$STATE/images applet
  mkdir -p "$root/bin" "$root/tmp"
  chmod 1777 "$root/tmp"
  gcc -static -Os -o "$root/pause" "$TESTBED/images/pause.c"
  gcc -static -Os -o "$root/hello" "$TESTBED/images/hello.c"
  for applet in $(busybox --list); do ln -sf busybox "$root/bin/$applet"; done
  rm -f "$root/bin/busybox" # it is an applet of itself
  cp "$(command -v busybox)" "$root/bin/busybox"
  pack slipway.test/pause:1 --entrypoint /pause "$root/pause:/pause"
  pack slipway.test/static:1 --entrypoint /hello "$root/hello:/hello"
  pack slipway.test/busybox:1 --cmd /bin/sh --env PATH=/bin "$root/bin:/bin" "$root/tmp:/tmp"
}

python() {
  local root=$CACHE/debian-python
  if [ ! -d "$root" ]; then
    command -v debootstrap >/dev/null || missing "debootstrap is missing: apt-get install debootstrap"
    say "making a Debian with Python and git in $root"
    rm -rf "$root.new"
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,git,ca-certificates stable "$root.new" \
      >"$CACHE/debootstrap.log" 2>&1 || fail "debootstrap failed; see $CACHE/debootstrap.log"
    rm -rf "$root.new"/dev/* "$root.new/var/cache/apt" "$root.new/var/lib/apt/lists"
    mv "$root.new" "$root"
  fi
  pack slipway.test/python:1 --cmd /bin/bash --env PATH=/usr/local/bin:/usr/bin:/bin "$root:/"
}

"$@"
