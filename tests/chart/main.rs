//! The chart without a cluster: what Helm 3 and 4 render of every file in `charts/slipway/ci`, and what they refuse. Where Helm is neither
//! built nor can be, the tests are ignored and say why; under `CI=true` they fail.

#[path = "../support/fields.rs"]
mod fields;

mod helm;
mod programs;
mod refused;
mod rendered;
mod watched;

use helm::{Helm, scenarios};
use libtest_mimic::{Arguments, Completion, Trial};
use std::{process::ExitCode, sync::Arc};

type Check = fn(&Helm, &str);

fn main() -> ExitCode {
    let helm = Arc::new(Helm::default());
    let of_files: [(&str, Check); 5] = [
        ("both_helms_render_alike", rendered::both_helms_render_alike),
        ("it_renders_what_it_did", rendered::it_renders_what_it_did),
        ("every_minor_knows_its_fields", rendered::every_minor_knows_its_fields),
        ("every_object_is_ours", rendered::every_object_is_ours),
        ("the_programs_read_their_files", programs::read_their_files),
    ];
    let of_all: [(&str, Check); 7] = [
        ("wrong_values_are_named", refused::wrong_values_are_named),
        ("fields_of_later_minors_are_taken", rendered::fields_of_later_minors_are_taken),
        ("what_is_off_is_absent", rendered::what_is_off_is_absent),
        ("the_role_is_the_table_of_the_code", programs::the_role_is_the_table),
        ("keys_of_others_are_those_that_readers_know", programs::keys_of_others),
        ("the_servers_file_is_that_of_the_code", programs::the_servers_file_is_that_of_the_code),
        ("alerts_and_panels_use_metrics_that_are_there", watched::metrics_are_there),
    ];
    let mut trials = Vec::new();
    let mut add = |name: String, check: Check, file: String| {
        let helm = helm.clone();
        trials.push(Trial::ignorable_test(name, move || match helm.absent() {
            Some(why) if helm::may_skip() => Ok(Completion::ignored_with(why)),
            Some(why) => Err(why.into()),
            None => {
                check(&helm, &file);
                Ok(Completion::Completed)
            }
        }));
    };
    for (name, check) in of_files {
        for file in scenarios() {
            add(format!("{name}::{file}"), check, file);
        }
    }
    for (name, check) in of_all {
        add(name.to_owned(), check, String::new());
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
