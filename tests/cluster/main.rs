//! Server, glue and agents on a real Kubernetes. `testbed/` makes it, `kit/` holds what tests are made of.
//!
//! Shared tests run beside each other, each in a namespace of its own with a resource of its own. Exclusive ones harm
//! node or control plane and run alone, last. Where root or containerd is missing they are ignored and say why; under
//! `CI=true` they fail.

#[path = "../support/bucket.rs"]
mod bucket;
#[path = "../support/luggage.rs"]
mod luggage;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "nobody kills this one")]
mod postgres;
#[path = "../support/record.rs"]
mod record;
#[path = "../support/mod.rs"]
mod support;

#[expect(dead_code, reason = "the scoreboard needs more of it")]
mod kit;

mod accounts;
mod chart;
mod chart_alone;
mod chart_postgres;
mod chart_readme;
mod chart_tls;
mod chart_values;
mod checks;
mod code;
mod colours;
mod crash_points;
mod doctor;
mod endings;
mod faults;
mod formats;
mod ground;
mod images;
mod inside;
mod kills;
mod kinds;
mod launch;
mod masks;
mod nodes;
mod objects;
mod owned;
mod places;
mod ready;
mod reasons;
mod restored;
mod rights;
mod runs;
mod secrets;
mod slices;
mod told;

fn main() -> std::process::ExitCode {
    kit::run(
        [
            ground::tests(),
            runs::tests(),
            restored::tests(),
            slices::tests(),
            accounts::tests(),
            chart::tests(),
            chart_alone::tests(),
            chart_postgres::tests(),
            chart_readme::tests(),
            chart_tls::tests(),
            chart_values::tests(),
            checks::tests(),
            code::tests(),
            doctor::tests(),
            places::tests(),
            masks::tests(),
            crash_points::tests(),
            inside::tests(),
            kills::tests(),
            faults::tests(),
            colours::tests(),
            formats::tests(),
            launch::tests(),
            images::tests(),
            endings::tests(),
            secrets::tests(),
            nodes::tests(),
            reasons::tests(),
            told::tests(),
            objects::tests(),
            kinds::tests(),
            owned::tests(),
            ready::tests(),
            rights::tests(),
        ]
        .into_iter()
        .flatten()
        .collect(),
    )
}
