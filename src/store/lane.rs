//! What a batch holds of one kind of operation.

use super::writer::Reply;

/// All operations of one kind in a batch.
pub(super) struct Lane<O, T> {
    pub(super) ops: Vec<O>,
    pub(super) replies: Vec<Reply<T>>,
    pub(super) outputs: Vec<T>,
}

impl<O, T> Lane<O, T> {
    pub(super) const fn new() -> Self {
        Self { ops: Vec::new(), replies: Vec::new(), outputs: Vec::new() }
    }

    pub(super) fn push(&mut self, op: O, reply: Reply<T>) {
        self.ops.push(op);
        self.replies.push(reply);
    }

    pub(super) fn answer(self) {
        for (reply, output) in self.replies.into_iter().zip(self.outputs) {
            // Nobody waits where the caller gave up; what was committed stands.
            let _ = reply.send(Ok(output));
        }
    }
}
