#!/usr/bin/env bash
# Images for the test cluster, without a registry and without a build tool.
#
#   image.sh load ARCHIVE           import a docker-archive or an OCI archive
#   image.sh pack DIR REF [CONFIG]  pack a directory as an image of one layer and import it; CONFIG is its JSON config
#   image.sh basic                  what every run needs: pause, busybox, and one with nothing but a static program
source "$(dirname "$0")/common.sh"

pack() {
  local dir=$1 ref=$2 config=${3:-{\}} work layer name
  work=$(mktemp -d "$STATE/pack.XXXXXX")
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$dir" -cf "$work/layer.tar" .
  layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
  printf '{"architecture":"amd64","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$config" "$layer" >"$work/config.json"
  name=$(sha256sum "$work/config.json" | cut -d' ' -f1).json
  mv "$work/config.json" "$work/$name"
  printf '[{"Config":"%s","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$name" "$ref" >"$work/manifest.json"
  tar -C "$work" -cf "$work.tar" manifest.json "$name" layer.tar
  load "$work.tar"
  rm -rf "$work" "$work.tar"
}

load() {
  await 20 runtime version || fail "containerd does not answer; is the cluster up?"
  runtime images import "$1" >/dev/null
}

basic() {
  local root=$STATE/images
  mkdir -p "$root/pause" "$root/static" "$root/busybox/bin" "$root/busybox/tmp"
  gcc -static -Os -o "$root/pause/pause" "$TESTBED/images/pause.c"
  gcc -static -Os -o "$root/static/hello" "$TESTBED/images/hello.c"
  cp "$(command -v busybox)" "$root/busybox/bin/busybox"
  busybox --install -s "$root/busybox/bin"
  find "$root/busybox/bin" -type l -exec ln -sf busybox {} \;
  chmod 1777 "$root/busybox/tmp"
  pack "$root/pause" slipway.test/pause:1 '{"Entrypoint":["/pause"]}'
  pack "$root/static" slipway.test/static:1 '{"Entrypoint":["/hello"]}'
  pack "$root/busybox" slipway.test/busybox:1 '{"Cmd":["/bin/sh"],"Env":["PATH=/bin"]}'
}

"$@"
