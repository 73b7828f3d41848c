//! The routes of tasks.

pub(super) mod abandon;
pub(super) mod arrange;
pub(super) mod attempts;
pub(super) mod batch;
pub(super) mod cancel;
mod depend;
pub(super) mod events;
pub(super) mod get;
pub(super) mod intake;
mod kin;
pub(super) mod list;
pub(super) mod log;
pub(super) mod manifest;
pub(super) mod outputs;
pub(super) mod patch;
mod path;
pub(super) mod rerun;
mod stream;
pub(super) mod submit;
pub(super) mod timeline;
pub(super) mod why;

use super::{
    error::{ApiResult, no_task},
    state::App,
};
use crate::{store::TaskRecord, wire::TaskId};

impl App {
    /// A task, or the problem that there is none.
    async fn record(&self, id: TaskId) -> ApiResult<TaskRecord> {
        self.reads.task(id).await?.ok_or_else(|| no_task(id))
    }
}
