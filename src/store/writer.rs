//! Operations, their batches, and their answers; `commit.rs` runs them.

use super::{
    Store,
    abandon::Abandon,
    audit::{Audit, ForgetAudit},
    beat::Beat,
    budgets::{ApplyBudget, BudgetRefusal, DeleteBudget},
    cancel::{Cancel, Cancelled},
    cascade::{CancelElements, Cascade, Cascaded},
    claim::{Claim, ClaimedAttempt},
    deadlines::Overdue,
    dependencies::{ForgetAwaited, Unblock},
    due::{Expire, SettleOverdue},
    error::{Result, StoreError},
    evidence::Refine,
    finish::{Finish, Finished, Settle},
    gather::Release,
    halt::{DrainQueue, PauseQueue},
    lane::Lane,
    late::CompleteLog,
    lease::Refusal,
    logs::MarkLogs,
    moves::{Boost, Boosted, Move, Moved},
    notes::Note,
    parked::Parked,
    patch::{Patch, Patched},
    place::Age,
    queues::{ApplyQueue, DeleteQueue, QueueRefusal},
    report::{Report, ReportOutcome},
    retention::{BytesGone, Prune, Shrink},
    runners::{Register, Renew},
    start::Start,
    submit::{ForgetKeys, Submit, Submitted},
    supersede::Supersede,
    tokens::{CreateToken, RevokeToken, TokenCreated, TokensUsed},
    uploads::{ForgetUploads, RecordOutput, RecordUpload},
    uptime::KeepUptime,
    waits::Wake,
    work::{Held, Work},
};
use crate::domain::{Sha256, TaskId, TaskState};
use secrecy::SecretString;
use tokio::sync::oneshot;

pub(super) use super::tx::Tx;

/// An operation that does its own SQL, for all of its kind in a batch at once.
pub(super) trait Statement: Sized + Send + 'static {
    type Output: Send + 'static;
    /// Runs a batch and answers in its order. An error fails the whole batch.
    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>>;
}

/// An operation on one task, as plain code over what the writer loaded.
pub(super) trait Transition: Send + 'static {
    type Output: Send + 'static;
    fn task(&self) -> TaskId;
    /// Applies it. `held` is the task, `None` where there is none of that id.
    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output;
}

/// An operation that [`Store::run`] takes.
#[expect(private_interfaces, reason = "jobs are made by this module alone")]
pub trait Operation: Sized + Send + 'static {
    /// Its answer, given after the commit.
    type Output: Send + 'static;
    #[doc(hidden)]
    fn into_job(self, reply: Reply<Self::Output>) -> Job;
}

pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// Lists every operation once: the job enum, the batch, and what runs in which order come from this list.
macro_rules! operations {
    (
        first { $($s:ident: $S:ident => $so:ty),+ $(,)? }
        transitions { $($t:ident: $T:ident => $to:ty),+ $(,)? }
        then { $($m:ident: $M:ident => $mo:ty),+ $(,)? }
        last { $($l:ident: $L:ident => $lo:ty),+ $(,)? }
    ) => {
        /// One operation and who waits for it.
        pub(super) enum Job {
            $($S($S, Reply<$so>),)+
            $($T($T, Reply<$to>),)+
            $($M($M, Reply<$mo>),)+
            $($L($L, Reply<$lo>),)+
        }

        $(#[expect(private_interfaces, reason = "jobs are made by this module alone")]
        impl Operation for $S {
            type Output = $so;
            fn into_job(self, reply: Reply<Self::Output>) -> Job { Job::$S(self, reply) }
        })+
        $(#[expect(private_interfaces, reason = "jobs are made by this module alone")]
        impl Operation for $T {
            type Output = $to;
            fn into_job(self, reply: Reply<Self::Output>) -> Job { Job::$T(self, reply) }
        })+
        $(#[expect(private_interfaces, reason = "jobs are made by this module alone")]
        impl Operation for $M {
            type Output = $mo;
            fn into_job(self, reply: Reply<Self::Output>) -> Job { Job::$M(self, reply) }
        })+
        $(#[expect(private_interfaces, reason = "jobs are made by this module alone")]
        impl Operation for $L {
            type Output = $lo;
            fn into_job(self, reply: Reply<Self::Output>) -> Job { Job::$L(self, reply) }
        })+

        pub(super) struct Batch {
            $($s: Lane<$S, $so>,)+
            $($t: Lane<$T, $to>,)+
            $($m: Lane<$M, $mo>,)+
            $(pub(super) $l: Lane<$L, $lo>,)+
        }

        impl Batch {
            pub(super) fn of(jobs: impl IntoIterator<Item = Job>) -> Self {
                let mut batch = Self { $($s: Lane::new(),)+ $($t: Lane::new(),)+ $($m: Lane::new(),)+ $($l: Lane::new(),)+ };
                for job in jobs {
                    match job {
                        $(Job::$S(op, reply) => batch.$s.push(op, reply),)+
                        $(Job::$T(op, reply) => batch.$t.push(op, reply),)+
                        $(Job::$M(op, reply) => batch.$m.push(op, reply),)+
                        $(Job::$L(op, reply) => batch.$l.push(op, reply),)+
                    }
                }
                batch
            }

            /// Runs all of it; the claims in `parked` take part where it makes something claimable.
            pub(super) async fn run(&mut self, tx: &mut Tx<'_>, parked: &mut Parked) -> Result<()> {
                $(if !self.$s.ops.is_empty() {
                    self.$s.outputs = $S::run(&self.$s.ops, tx).await?;
                })+
                let mut tasks: Vec<TaskId> = Vec::new();
                $(tasks.extend(self.$t.ops.iter().map(Transition::task));)+
                if !tasks.is_empty() {
                    let mut held = Work::load(&tasks, tx).await?;
                    let mut work = Work::new(tx);
                    $(for op in &self.$t.ops {
                        self.$t.outputs.push(op.apply(held.get_mut(&op.task()), &mut work));
                    })+
                    work.flush(held).await?;
                }
                $(if !self.$m.ops.is_empty() {
                    self.$m.outputs = $M::run(&self.$m.ops, tx).await?;
                })+
                if tx.ready && !tx.rules {
                    parked.join(&mut self.claim);
                }
                $(if !self.$l.ops.is_empty() {
                    self.$l.outputs = $L::run(&self.$l.ops, tx).await?;
                })+
                Ok(())
            }

            pub(super) fn answer(self) {
                $(self.$s.answer();)+
                $(self.$t.answer();)+
                $(self.$m.answer();)+
                $(self.$l.answer();)+
            }

            /// The same operations in the order in which a batch runs them; results of a failed try are forgotten.
            pub(super) fn split(self) -> Vec<Job> {
                let mut jobs = Vec::new();
                $(jobs.extend(self.$s.ops.into_iter().zip(self.$s.replies).map(|(op, reply)| Job::$S(op, reply)));)+
                $(jobs.extend(self.$t.ops.into_iter().zip(self.$t.replies).map(|(op, reply)| Job::$T(op, reply)));)+
                $(jobs.extend(self.$m.ops.into_iter().zip(self.$m.replies).map(|(op, reply)| Job::$M(op, reply)));)+
                $(jobs.extend(self.$l.ops.into_iter().zip(self.$l.replies).map(|(op, reply)| Job::$L(op, reply)));)+
                jobs
            }

            /// Tells every waiter.
            pub(super) fn fail(self, mut error: impl FnMut() -> StoreError) {
                $(for reply in self.$s.replies { let _ = reply.send(Err(error())); })+
                $(for reply in self.$t.replies { let _ = reply.send(Err(error())); })+
                $(for reply in self.$m.replies { let _ = reply.send(Err(error())); })+
                $(for reply in self.$l.replies { let _ = reply.send(Err(error())); })+
            }

            /// The kinds of operation in it, as [`super::Faults`] sees them.
            pub(super) fn kinds(&self) -> Vec<&'static str> {
                let mut kinds = Vec::new();
                $(if !self.$s.ops.is_empty() { kinds.push(stringify!($S)); })+
                $(if !self.$t.ops.is_empty() { kinds.push(stringify!($T)); })+
                $(if !self.$m.ops.is_empty() { kinds.push(stringify!($M)); })+
                $(if !self.$l.ops.is_empty() { kinds.push(stringify!($L)); })+
                kinds
            }
        }
    };
}

operations! {
    first {
        apply_queue: ApplyQueue => std::result::Result<bool, QueueRefusal>,
        pause_queue: PauseQueue => std::result::Result<(), QueueRefusal>,
        drain_queue: DrainQueue => std::result::Result<(), QueueRefusal>,
        delete_queue: DeleteQueue => std::result::Result<(), QueueRefusal>,
        apply_budget: ApplyBudget => std::result::Result<bool, BudgetRefusal>,
        delete_budget: DeleteBudget => std::result::Result<(), BudgetRefusal>,
        create_token: CreateToken => TokenCreated,
        revoke_token: RevokeToken => bool,
        tokens_used: TokensUsed => (),
        audit: Audit => (),
        forget_audit: ForgetAudit => bool,
        register: Register => (),
        renew: Renew => (),
        mark_logs: MarkLogs => (),
        complete_log: CompleteLog => (),
        keep_uptime: KeepUptime => (),
        forget_keys: ForgetKeys => (),
        release: Release => (),
        cascade: Cascade => Cascaded,
        bytes_gone: BytesGone => (),
        record_upload: RecordUpload => (),
        record_output: RecordOutput => (),
        forget_uploads: ForgetUploads => Vec<Sha256>,
        shrink: Shrink => bool,
        forget_awaited: ForgetAwaited => (),
        submit: Submit => Submitted,
        shift: Move => Moved,
    }
    transitions {
        start: Start => std::result::Result<SecretString, Refusal>,
        beat: Beat => std::result::Result<bool, Refusal>,
        note: Note => std::result::Result<(), Refusal>,
        finish: Finish => std::result::Result<Finished, Refusal>,
        settle: Settle => bool,
        settle_overdue: SettleOverdue => bool,
        report: Report => ReportOutcome,
        cancel: Cancel => Option<Cancelled>,
        cancel_elements: CancelElements => Option<Cancelled>,
        abandon: Abandon => std::result::Result<TaskState, Refusal>,
        supersede: Supersede => bool,
        expire: Expire => bool,
        overdue: Overdue => bool,
        unblock: Unblock => bool,
        wake: Wake => bool,
        patch: Patch => Patched,
        boost: Boost => Boosted,
    }
    then {
        refine: Refine => bool,
        age: Age => (),
    }
    last {
        claim: Claim => Vec<ClaimedAttempt>,
        prune: Prune => usize,
    }
}

impl Store {
    /// Runs an operation and answers after its commit.
    ///
    /// # Errors
    /// A fault of the database; then nothing of the operation was stored, but for `Unsure`, where nobody can tell. A
    /// caller that stops waiting does not stop the operation.
    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Output> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(operation.into_job(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}
