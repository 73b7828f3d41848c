//! The rows, one file each.

mod agents_cut_off;
mod api_fails;
mod cancel_races;
mod clock_steps;
mod fenced;
mod glue_between;
mod glue_killed;
mod hostile_output;
mod many_pods;
mod real;
mod server_killed;
mod two_glues;
mod uploads;
mod watches_lie;

use crate::row::Row;

/// All rows, in the order in which they run: those with a Kubernetes API last, and of these those on a real node.
pub(crate) fn all() -> Vec<Row> {
    let rows = vec![
        server_killed::ROW,
        agents_cut_off::ROW,
        uploads::ROW,
        cancel_races::ROW,
        hostile_output::ROW,
        clock_steps::ROW,
        glue_killed::ROW,
        glue_between::ROW,
        api_fails::ROW,
        two_glues::ROW,
        watches_lie::ROW,
        many_pods::ROW,
    ];
    rows.into_iter().chain(real::all()).collect()
}
