//! The rows, one file each.

mod agents_cut_off;
mod cancel_races;
mod clock_steps;
mod fenced;
mod hostile_output;
mod server_killed;
mod uploads;

use crate::row::Row;

/// All rows, in the order in which they run.
pub(crate) fn all() -> Vec<Row> {
    vec![server_killed::ROW, agents_cut_off::ROW, uploads::ROW, cancel_races::ROW, hostile_output::ROW, clock_steps::ROW]
}
