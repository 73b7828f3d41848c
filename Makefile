# The one list of commands.
.PHONY: bench bench-long bench-table bench-kubernetes bench-kubernetes-table
.PHONY: test test-postgres demo fmt-check lint snapshots chart release agent images images-debug
.PHONY: scoreboard scoreboard-full scoreboard-table
.PHONY: test-cluster cluster-build cluster-up cluster-env cluster-down

# Everything that CI runs, from a clean clone on a machine with Rust 1.95, make and a C compiler, git, openssl, and python3 with pip and venv;
# Postgres is installed where it is missing and the caller is root on Debian.
test: fmt-check lint
	cargo test --locked
	cargo test --locked --no-default-features --features tools --lib tools
	$(MAKE) test-postgres

# The store's suite once more, on a Postgres that the tests start; `WHAT="store:: server::"` adds the server's.
WHAT ?= store::
test-postgres:
	sh tests/support/postgres.sh
	SLIPWAY_TEST_DATABASE=postgres cargo test --locked --lib -- $(WHAT)

# A server and a runner on this machine, one sample task, its phases, its log and its result.
demo:
	cargo run --locked --quiet -- up --demo --once --listen 127.0.0.1:0 --data-dir target/demo

fmt-check:
	cargo fmt --check

lint:
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --features agent --bin slipway-agent -- -D warnings
	cargo clippy --locked --no-default-features --features tools --lib --bins --tests -- -D warnings

# The server against what bounds it and against other queues (benches/README.md); under 10 minutes once built.
bench:
	CARGO_INCREMENTAL=0 cargo bench --locked --bench slipway-bench -- $(BENCH)

# The same for longer: more rounds, a snapshot of 10 minutes, 50 kills; then the others as they come, not tuned.
bench-long:
	CARGO_INCREMENTAL=0 cargo bench --locked --bench slipway-bench -- --rounds 9 --seconds 5 --hold 600 --kills 50 $(BENCH)
	CARGO_INCREMENTAL=0 cargo bench --locked --bench slipway-bench -- --rounds 5 --seconds 5 --only rounds --default-peers $(BENCH)

# The newest results into the README.
bench-table:
	CARGO_INCREMENTAL=0 cargo bench --locked --bench slipway-bench -- --table

# Short tasks on a control plane, by us and by others in turn (benches/kubernetes/README.md); `BENCH=--long` plays more of them.
bench-kubernetes:
	CARGO_INCREMENTAL=0 cargo bench --locked --bench kubernetes -- $(BENCH)

# The newest results into its page.
bench-kubernetes-table:
	CARGO_INCREMENTAL=0 cargo bench --locked --bench kubernetes -- --table

# What happens to tasks under faults (docs/RELIABILITY.md): every row in its short form, or `ROW=2`; `SEED=…` repeats a run.
SCOREBOARD = cargo test --locked --test scoreboard -- $(if $(ROW),--row $(ROW)) $(if $(LEVEL),--level $(LEVEL)) \
	$(if $(SEED),--seed $(SEED)) $(if $(TASKS),--tasks $(TASKS))
scoreboard:
	$(SCOREBOARD)

# The full form of one row, at most 20 minutes; its line is kept in docs/reliability.
scoreboard-full:
	@test -n "$(ROW)" || { echo "say which row: make scoreboard-full ROW=2" >&2; exit 2; }
	$(SCOREBOARD) --full

# The last full run of each row into docs/RELIABILITY.md.
scoreboard-table:
	cargo test --locked --test scoreboard -- --table

# Accept the output that the tests found changed; then read the diff.
snapshots: chart
	INSTA_UPDATE=always cargo test --locked

# Schema and README of the chart, from the comments in its values and the types of the code.
chart:
	$(TOOLS) chart

# The programs as they are shipped.
release:
	cargo build --locked --release --bin slipway

# The small static agent for pods.
agent:
	cargo build --locked --profile agent --no-default-features --features agent --bin slipway-agent

# Where cargo puts programs: everything is built for a named target, the host's.
TARGET = $(or $(CARGO_TARGET_DIR),target)
BUILT = $(TARGET)/$(shell rustc --print host-tuple)
TOOLS = cargo run --locked --quiet --no-default-features --features tools --bin slipway-tools --
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# The images of server and agent, made of one static program each; `docker load -i` or `ctr images import` reads them.
images: release agent
	$(call pack,$(BUILT)/release/slipway,$(BUILT)/agent/slipway-agent,$(TARGET)/images,$(VERSION),)

# The same with the programs of the debug build, for tests: quick to make, large.
images-debug:
	cargo build --locked --bin slipway --bin slipway-agent
	$(call pack,$(BUILT)/debug/slipway,$(BUILT)/debug/slipway-agent,$(TARGET)/images/debug,debug,--strip)

# pack SERVER AGENT DIRECTORY TAG FLAGS
define pack
	mkdir -p $(3)
	$(TOOLS) image --out $(3)/slipway.tar --ref slipway:$(4) $(5) --user 65532 --entrypoint /usr/bin/slipway --env PATH=/usr/bin \
		--volume /var/lib/slipway --env SLIPWAY_DATA_DIR=/var/lib/slipway $(1):/usr/bin/slipway
	$(TOOLS) image --out $(3)/slipway-agent.tar --ref slipway-agent:$(4) $(5) --user 65532 --entrypoint /slipway-agent \
		$(2):/slipway-agent
endef

# The tests on a real Kubernetes alone (docs/TESTING.md); `make test-cluster K8S=v1.33.13` takes an older minor.
test-cluster:
	cargo test --locked --test cluster

# The test cluster (docs/TESTING.md): build its programs, start it and leave it up, say how to reach it, remove it.
cluster-build:
	tests/cluster/testbed/build.sh

cluster-up:
	tests/cluster/testbed/up.sh keep

cluster-env:
	@tests/cluster/testbed/env.sh

cluster-down:
	tests/cluster/testbed/down.sh
