#!/usr/bin/env bash
# gpu.sh RESOURCE COUNT: gives the real node an extended resource, such as nvidia.com/mig-1g.10gb 7.
source "$(dirname "$0")/common.sh"

[ $# = 2 ] || fail "usage: gpu.sh RESOURCE COUNT"
api PATCH "/api/v1/nodes/$NODE/status" -H 'Content-Type: application/json-patch+json' \
  -d "[{\"op\":\"add\",\"path\":\"/status/capacity/${1//\//~1}\",\"value\":\"$2\"}]" >/dev/null
