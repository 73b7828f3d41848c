# Makes a Postgres in the folder $1, with a socket there and with the settings that follow ("name=value"), serves it, and says `up`
# once it takes connections. A line on the standard input is `kill -9` and another start; its end is the end, and the folder's.
# Postgres refuses to run as root, so root gives itself another number for it.
set -eu
dir=$1; shift
for setting; do shift; set -- "$@" -c "$setting"; done
as=""; if [ "$(id -u)" = 0 ]; then as="unshare --user --map-user=1000"; fi
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1); PATH="$PATH${bin:+:$bin}"
log="$dir/postgres.log"
$as initdb -D "$dir/data" -U slipway --auth=trust -E UTF8 --no-sync --no-instructions > "$log" 2>&1
serve() {
  $as postgres -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c lc_messages=C -c max_connections=800 \
    -c shared_buffers=64MB "$@" >> "$log" 2>&1 &
  pid=$!
}
serve "$@"
until grep -q "ready to accept connections" "$log"; do kill -0 "$pid"; sleep 0.02; done
echo up
while read -r _; do
  kill -KILL "$pid"; wait "$pid" || true
  # What it started ends by itself; until then nobody may start again.
  rm -f "$dir/data/postmaster.pid"; sleep 0.5
  serve "$@"
done
kill -INT "$pid"; wait "$pid" || true
rm -rf "$dir"
