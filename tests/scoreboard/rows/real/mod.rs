//! The rows on a real node, one file each.

mod api_gone;
mod clinging;
mod clocks;
mod cut_off;
mod disturbed;
mod glue_killed;
mod images;
mod memory;
mod node_paused;
mod places;
mod server_gone;
mod two_glues;

use crate::row::Row;

/// All of them, in the order in which they run: those that harm the whole cluster last.
pub(crate) fn all() -> Vec<Row> {
    vec![
        memory::ROW,
        clinging::ROW,
        disturbed::ROW,
        images::ROW,
        places::ROW,
        clocks::ROW,
        glue_killed::ROW,
        two_glues::ROW,
        cut_off::ROW,
        server_gone::ROW,
        api_gone::ROW,
        node_paused::ROW,
    ]
}
