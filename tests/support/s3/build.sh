#!/usr/bin/env bash
# Builds the S3-compatible server of the tests from its Go module, into a cache outside the checkout, and says where it is.
# Exit status 77: it is not there, and Go is missing; under CI=true that is a failure.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/slipway-testbed
VERSION=$(sed -nE 's/.*versity\/versitygw (v[0-9.]+).*/\1/p' "$HERE/go.mod")
BIN=$CACHE/versitygw-$VERSION

if [ ! -x "$BIN" ]; then
  if ! command -v go >/dev/null; then
    echo "s3: go is missing: install Go 1.26 or newer, or put $BIN there" >&2
    [ "${CI:-}" = true ] && exit 1
    exit 77
  fi
  mkdir -p "$CACHE"
  exec 9>"$BIN.lock"
  flock 9
  # Built beside its place and renamed: an interrupted build leaves nothing that looks whole.
  if [ ! -x "$BIN" ]; then
    echo "s3: building $BIN (the first time takes minutes)" >&2
    (cd "$HERE" && go build -ldflags '-s -w' -o "$BIN.$$" github.com/versity/versitygw/cmd/versitygw)
    mv "$BIN.$$" "$BIN"
  fi
fi
echo "$BIN"
