//! The routes of runners: claim, heartbeat, holds, check, report.

pub(super) mod check;
pub(super) mod claim;
pub(super) mod heartbeat;
pub(super) mod holds;
pub(super) mod report;

use super::error::ApiResult;
use crate::wire::{Problem, ProblemCode};

/// The most attempts in one check or report.
const MAX_ITEMS: usize = 1_000;

fn bounded(items: usize) -> ApiResult<()> {
    if items <= MAX_ITEMS {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::ValidationFailed).detail(format!("At most {MAX_ITEMS} items; there are {items}.")).into())
}
