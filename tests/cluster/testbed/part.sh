#!/usr/bin/env bash
# part.sh kill|start apiserver: takes the API server from the running cluster, as if it had died, and brings it back.
source "$(dirname "$0")/common.sh"
source "$TESTBED/control-plane.sh"

[ "${2:-}" = apiserver ] || fail "usage: part.sh kill|start apiserver"
case $1 in
  kill)
    pid=$(cat "$STATE/$2.pid")
    rm -f "$STATE/$2.pid"
    alive "$pid" || fail "$2 is not there"
    kill -9 "$pid"
    await 4 gone "$pid" || fail "$2 ($pid) does not end"
    ;;
  start)
    start_apiserver
    await 60 api GET /readyz || fail "$2 does not become ready"
    ;;
  *) fail "usage: part.sh kill|start apiserver" ;;
esac
