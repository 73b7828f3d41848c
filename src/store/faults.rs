//! Faults that tests put into the writer, where a database has its own.

#[cfg(test)]
use crate::domain::{Times, order::Board};
use std::{sync::Arc, time::Duration};

/// What befalls the next transaction, told the kinds of operation in it, such as `Cancel`. It is asked again for each
/// try of a batch that failed.
pub type Faults = Arc<dyn Fn(&[&'static str]) -> Fault + Send + Sync>;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None.
    None,
    /// The first statement fails.
    Before,
    /// A statement fails after all others have acted; they are undone.
    After,
    /// The transaction is committed and its answer is lost.
    Answer,
    /// None, but the board must be the same as one made anew from what the batch has written.
    #[cfg(test)]
    Audit,
    /// The transaction begins late.
    Delay(Duration),
}

impl Fault {
    pub(super) async fn delay(self) {
        if let Fault::Delay(by) = self {
            tokio::time::sleep(by).await;
        }
    }
}

#[cfg(test)]
impl Fault {
    /// Compares the board with one made anew, where that is asked for.
    pub(super) async fn audit(self, board: Option<&Board>, conn: &mut super::sql::Conn, times: &Times, now_up: i64) {
        if let (Self::Audit, Some(board)) = (self, board) {
            let anew = super::board::load(conn, times, now_up, None).await.expect("the board can be made anew");
            assert_eq!(board.differs(&anew), None, "the board differs from one made anew");
        }
    }
}

/// What an injected fault says.
pub(super) fn injected() -> sqlx::Error {
    sqlx::Error::Protocol("injected by a test".to_owned())
}
