//! What a batch shares while it runs.

use super::{
    board,
    error::Result,
    events::NewEvent,
    sql::{self, Cells, Conn},
    uptime::Uptime,
};
use crate::domain::{Clock, Rng, TaskId, Times, UnixMs, order::Board};

/// The transaction of a batch, as statements see it.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing that the batch does")]
pub(super) struct Tx<'a> {
    pub(super) conn: &'a mut Conn,
    pub(super) now: UnixMs,
    pub(super) up: &'a Uptime,
    pub(super) times: &'a Times,
    pub(super) rng: &'a dyn Rng,
    pub(super) clock: &'a dyn Clock,
    pub(super) events: Vec<NewEvent>,
    pub(super) board: &'a mut Board,
    pub(super) ready: bool,
    pub(super) rules: bool,
    pub(super) due: bool,
    pub(super) deadline: bool,
    pub(super) forgotten: Option<i64>,
}

impl Tx<'_> {
    /// Runs a statement for each of some rows; answers how many rows it wrote.
    pub(super) async fn each(&mut self, sql: &'static str, rows: Vec<Cells>) -> Result<u64> {
        if rows.is_empty() { Ok(0) } else { Ok(sql::query(sql).bind(rows).execute(&mut *self.conn).await?) }
    }

    /// Rules of queues or budgets are among what is written.
    pub(super) fn rules_written(&mut self) {
        self.board.outdate();
        self.rules = true;
    }

    /// The board with the rules as they are now.
    pub(super) async fn fresh_board(&mut self) -> Result<()> {
        if self.board.is_outdated() {
            board::load_rules(self.board, self.conn).await?;
            self.made_ready();
        }
        Ok(())
    }

    /// An attempt counts no more, so others may go that a limit held back.
    pub(super) fn attempt_over(&mut self, task: TaskId) {
        if self.board.end(task, self.up.now()) {
            self.ready |= self.board.holds_back();
        }
    }

    /// Tasks may have become claimable.
    pub(super) fn made_ready(&mut self) {
        self.ready = true;
    }

    /// Something fell due that the clockwork serves.
    pub(super) fn made_due(&mut self) {
        self.due = true;
    }

    /// A deadline is among what is written, so the uptime it counts from is written with it.
    pub(super) fn deadline_written(&mut self) {
        self.deadline = true;
    }

    /// Events up to this one were deleted.
    pub(super) fn forgot_events(&mut self, newest: i64) {
        self.forgotten = self.forgotten.max(Some(newest));
    }
}
