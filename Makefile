# The one list of commands.
.PHONY: test fmt-check lint

# Everything that CI runs, from a clean clone on a machine with Rust 1.95, make and a C compiler.
test: fmt-check lint
	cargo test --locked

fmt-check:
	cargo fmt --check

lint:
	cargo clippy --locked --all-targets -- -D warnings
