//! The rows, one file each.

mod cancel_races;
mod server_killed;

use crate::row::Row;

/// All rows, in the order in which they run.
pub(crate) fn all() -> Vec<Row> {
    vec![server_killed::ROW, cancel_races::ROW]
}
