#!/usr/bin/env bash
# Runs schemathesis, which makes requests from an API document; installs it into the user's cache where it is missing. With `python` as
# the first argument it runs the interpreter beside it, which has what reads such schemas.
set -euo pipefail
VERSION=4.32.5
home=${XDG_CACHE_HOME:-$HOME/.cache}/slipway/schemathesis/$VERSION
mkdir -p "${home%/*}"
(
  flock 9
  if [[ ! -f $home/complete ]]; then
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$VERSION" >&2
    touch "$home/complete"
  fi
) 9>"${home%/*}/lock"
program=schemathesis
if [[ ${1:-} == python ]]; then
  program=python
  shift
fi
exec "$home/bin/$program" "$@"
