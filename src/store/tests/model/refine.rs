//! A better reason for an attempt that is over.

use super::reference::{Over, Task};
use crate::domain::{AttemptRef, End, FailureClass, Reason, Status};
use uuid::Uuid;

impl Task {
    pub(super) fn refine(&mut self, at: AttemptRef, claim: Uuid, uid: Option<&str>, saw: u32, since: i64) -> bool {
        let ours = |over: &&mut Over| over.claim == claim && (over.uid.is_none() || over.uid == uid) && over.ended_up >= since;
        let over = self.history.get_mut(&at.attempt.0).filter(ours).filter(|over| over.end != Some(End::Succeeded));
        // What never started is explained by what was seen at its end.
        let Some(over) = over.filter(|over| over.uid.is_some() || over.saw.is_none()) else { return false };
        over.saw = Some(saw);
        let (told, better) = (End::Failed(FailureClass::Infra, Reason::Evicted), End::Failed(FailureClass::Infra, Reason::NodeLost));
        if over.end == Some(told) {
            over.end = Some(better);
            if self.life.attempt == at.attempt && self.life.status == Status::Ended(told) {
                self.life.status = Status::Ended(better);
            }
        }
        true
    }
}
