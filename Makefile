# The one list of commands.
.PHONY: test demo fmt-check lint snapshots release agent cluster-build cluster-up cluster-down cluster-env

# Everything that CI runs, from a clean clone on a machine with Rust 1.95, make and a C compiler.
test: fmt-check lint
	cargo test --locked

# A server and a runner on this machine, one sample task, its phases, its log and its result.
demo:
	cargo run --locked --quiet -- up --demo --once --listen 127.0.0.1:0 --data-dir target/demo

fmt-check:
	cargo fmt --check

lint:
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --features agent --bin slipway-agent -- -D warnings

# Accept the output that the tests found changed; then read the diff.
snapshots:
	INSTA_UPDATE=always cargo test --locked

# The programs as they are shipped.
release:
	cargo build --locked --release --bin slipway

# The small static agent for pods.
agent:
	cargo build --locked --profile agent --no-default-features --features agent --bin slipway-agent

# The test cluster (docs/TESTING.md): build its programs, start it and leave it up, say how to reach it, remove it.
cluster-build:
	tests/cluster/testbed/build.sh

cluster-up:
	tests/cluster/testbed/up.sh keep

cluster-env:
	@tests/cluster/testbed/env.sh

cluster-down:
	tests/cluster/testbed/down.sh
