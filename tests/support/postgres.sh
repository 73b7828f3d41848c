#!/bin/sh
# Postgres for the tests: nothing to do where its programs are; root on Debian gets them, anybody else is told how to.
set -eu
PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)"
if command -v postgres >/dev/null && command -v initdb >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "the tests need Postgres 14 or later: install the package postgresql (its server need not run)" >&2
  exit 1
fi
# The tests make a database of their own; the package's would only take memory.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql
