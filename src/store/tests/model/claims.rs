//! The model's part of claims: what it knows of tasks goes into the book, which says who is served.

use super::{
    book::{Ready, Room},
    ops::Answer,
    reference::{Lease, Model, Task},
};
use crate::{
    domain::{Event, TaskId, TaskState},
    store::Claim,
};
use uuid::Uuid;

impl Model {
    pub(super) fn claim(&mut self, claim: &Claim, answer: &Answer) -> String {
        let Answer::Claimed(_, got) = answer else { panic!("not an answer to a claim: {answer:?}") };
        // Also a repeat looks at what was used.
        self.book.up = self.up;
        self.book.forget();
        let row = |id: &TaskId, t: &Task| (*id, t.life.attempt.0, t.queue.clone(), t.gpus);
        let same = |l: &Lease| l.runner == claim.runner.as_str() && l.claim == claim.claim;
        let live: Vec<_> = self.tasks.iter().filter(|(_, t)| t.lease.as_ref().is_some_and(same)).collect();
        if !live.is_empty() {
            let startable = live.into_iter().filter(|(_, t)| t.lease.as_ref().is_some_and(|l| l.start_token.is_some()));
            return format!("{:?}", startable.map(|(id, t)| row(id, t)).collect::<Vec<_>>());
        }
        // A repeat in the batch of one that got nothing gets nothing.
        if !self.asked.insert((claim.runner.to_string(), claim.claim)) {
            return "[]".into();
        }
        let expires = self.after(self.times.claim_lease_ms);
        let shares = claim.queues.iter().map(|share| (share.queue.clone(), share.max)).collect();
        let mut room = Room::new(claim.runner.as_str(), claim.max, claim.gpus, claim.all_gpus, shares);
        room.except.clone_from(&claim.except);
        self.line_up();
        let mut picked = Vec::new();
        for id in self.book.claim(room) {
            let task = self.tasks.get_mut(&id).expect("it is known");
            assert!(task.take(Event::Claim, self.up, &self.times));
            task.lease = Some(Lease {
                runner: claim.runner.to_string(),
                claim: claim.claim,
                start_token: got.iter().find(|c| c.task == id).map(|c| c.start_token.clone()),
                token: None,
                uid: None,
                nonce: Uuid::nil(),
                expires: Some(expires),
                settle: None,
                saw: None,
            });
            picked.push(row(&id, task));
        }
        format!("{picked:?}")
    }

    /// Writes everything that is queued into the book, as it stands now.
    pub(super) fn line_up(&mut self) {
        self.book.up = self.up;
        let queued = self.tasks.iter().filter(|(_, t)| t.state() == TaskState::Queued);
        let ready = |(id, task): (&TaskId, &Task)| Ready {
            task: *id,
            queue: task.queue.clone(),
            user: task.user.into(),
            band: task.priority.band(),
            boosted: task.boosted,
            rank: task.rank,
            gpus: task.gpus,
            weight: task.weight,
            since: task.since.expect("what is queued is ready since then"),
        };
        self.book.ready = queued.map(ready).collect();
        self.book.left_places();
    }

    /// Attempts whose result is stored, and those that are over, live no longer.
    pub(super) fn end_attempts(&mut self) {
        self.book.up = self.up;
        let over = |task: TaskId| self.tasks.get(&task).is_none_or(|t| t.lease.is_none() || t.has_result());
        let ended: Vec<TaskId> = self.book.live.iter().map(|l| l.task).filter(|task| over(*task)).collect();
        for task in ended {
            self.book.end(task);
        }
    }
}
