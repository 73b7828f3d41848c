//! Server, glue and agents on a real Kubernetes. `testbed/` makes it, `kit/` holds what tests are made of.
//!
//! Shared tests run beside each other, each in a namespace of its own with a resource of its own. Exclusive ones harm
//! node or control plane and run alone, last. Where root or containerd is missing they are ignored and say why; under
//! `CI=true` they fail.

#[path = "../support/mod.rs"]
mod support;

mod kit;

mod checks;
mod crash_points;
mod endings;
mod faults;
mod formats;
mod ground;
mod images;
mod kills;
mod nodes;
mod objects;
mod rights;
mod runs;
mod secrets;
mod slices;

fn main() -> std::process::ExitCode {
    kit::run(
        [
            ground::tests(),
            runs::tests(),
            slices::tests(),
            checks::tests(),
            crash_points::tests(),
            kills::tests(),
            faults::tests(),
            formats::tests(),
            images::tests(),
            endings::tests(),
            secrets::tests(),
            nodes::tests(),
            objects::tests(),
            rights::tests(),
        ]
        .into_iter()
        .flatten()
        .collect(),
    )
}
