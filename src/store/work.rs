//! The tasks of a batch in memory: loaded with one statement, changed by the rules of `domain`, written back with
//! one statement per table (`flush.rs`).

use super::{
    arrays::Kin,
    backup::passes_over,
    deadlines::Deadline,
    dependencies,
    error::Result,
    events::{NewEvent, end_data},
    lease::{LeaseRecord, lease_columns, parse, parse_json},
    place::Place,
    record::{Limits, band_priority, terminal},
    sql::{self, Cells, Row, cells},
    waits::Waits,
    writer::Tx,
};
use crate::domain::{
    AttemptNumber, AttemptRef, Dependency, End, Event, Evidence, FailureClass, Illegal, Labels, Lifecycle, Live, Notes, Outcome, Priority,
    QueueName, Reason, Spent, Status, TaskId, TaskState, UnixMs, backoff_ms, hold_ms, order::User,
};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// Everything that the rules need of the tasks in a list of ids.
pub(super) const LOAD: &str = lease_columns!(
    "select t.id as task_id, t.queue as task_queue, t.name, t.labels, t.band, coalesce(p.spec, t.spec) as spec, t.state, t.reason as end_reason, t.class as end_class,
            t.attempt as last_attempt, r.attempt as ready_attempt, w.attempt as waiting_attempt, t.usr as task_user, t.rank as own_rank, t.boosted,
            r.tier, r.usr, r.gpus as ready_gpus, r.weight, r.rank, r.age_up, coalesce(r.since_up, l.since_up, w.since_up) as place_since, w.due_up, w.not_before, w.blockers, w.throttled,
            t.parent, t.idx, y.gated, y.cancel_at as array_cancel_at,
            case when y.active > 0 then 'active' when y.queued > 0 then 'queued' else 'waiting' end as array_state,
            t.not_before as task_not_before, t.queued_up, dl.start_up, dl.end_up, dl.running,
            case when w.blockers > 0 then (select {sqlite: json_group_array(json_array(d.on_task, d.kind, d.on_failure, a.state)); postgres: coalesce(json_agg(json_build_array(d.on_task, d.kind, d.on_failure, a.state)), '[]')::text}
                from dependency d join awaited a on a.task = d.on_task where d.task = t.id and d.ended is null) end as ended_since,
            (select a.started_at from attempt a where a.task = t.id and a.attempt = coalesce(w.attempt, r.attempt, t.attempt)) as newest_started_at,
            (select count(*) from attempt a where a.task = t.id and a.class = 'user') as spent_user,
            (select count(*) from attempt a where a.task = t.id and a.class = 'oom') as spent_oom,
            (select count(*) from attempt a where a.task = t.id and a.class in ('infra', 'lost', 'setup', 'image')) as spent_infra,
            (select count(*) from attempt a where a.task = t.id and a.state is null and a.reason is not null
                and a.attempt > (select coalesce(max(b.attempt), 0) from attempt b where b.task = t.id and b.state is not null)) as holds,
            lg.durable as marked, lg.crc as marked_crc, e.doc as evidence,",
    "from each($1: id int) j{sqlite: , ; postgres:  join }task t{sqlite: ; postgres:  on t.id = j.id}
     left join lease l on l.task = t.id
     left join evidence e on e.task = l.task and e.attempt = l.attempt
     left join log lg on lg.task = l.task and lg.attempt = l.attempt and lg.member = 0
     left join task p on p.id = t.parent and t.idx is not null
     left join task_array y on y.task = t.id
     left join waiting w on w.task = t.id
     left join deadline dl on dl.task = t.id
     left join ready r on r.task = t.id{sqlite:  where t.id = j.id; postgres: }"
);

/// One task while a batch works on it.
pub(super) struct Held {
    pub(super) task: TaskId,
    pub(super) queue: QueueName,
    pub(super) name: Option<String>,
    pub(super) labels: Labels,
    pub(super) priority: Priority,
    pub(super) gpus: u32,
    /// The weight, in thousandths, that its variables say; its labels come first.
    pub(super) weight_by_variables: Option<u64>,
    /// Who submitted it.
    pub(super) user: User,
    /// Where it stands among its user's own, if not where it was submitted.
    pub(super) own_rank: Option<i64>,
    /// Whether an operator put it before every priority.
    pub(super) boosted: bool,
    /// Since when it has been ready, in ms of uptime; kept while it is claimed and has not started.
    pub(super) since_up: Option<i64>,
    /// Its row of `ready` as stored.
    pub(super) placed: Option<Place>,
    /// The rules' view of it; changed by [`Held::take`] alone.
    pub(super) life: Lifecycle,
    /// The live attempt as stored. Its attempt, phase and result are those of `life`.
    pub(super) lease: Option<LeaseRecord>,
    /// What its runner saw of the live attempt, as JSON.
    pub(super) evidence: Option<String>,
    /// How far the live attempt's log is on disk, and the CRC-32C of that.
    marked: Option<(u64, Option<u32>)>,
    /// How many attempts in a row were held for want of a place.
    holds: u32,
    /// Where it stood when it was loaded, which tells the rows to remove.
    pub(super) before: TaskState,
    /// How many numbers its next attempt passes over.
    passes_over: u32,
    /// Its place among parents, children and elements.
    pub(super) kin: Kin,
    /// What holds it back, where it waits.
    pub(super) waits: Waits,
    /// The tasks that it depends on which have ended and have not been counted.
    pub(super) ended: Vec<Dependency>,
    /// The time of day before which it is not started, as it was asked for.
    pub(super) not_before: Option<UnixMs>,
    /// Uptime in ms at which it was queued first.
    pub(super) queued_up: Option<i64>,
    pub(super) max_wait_seconds: Option<u64>,
    pub(super) total_timeout_seconds: Option<u64>,
    pub(super) deadline: Option<Deadline>,
    /// What of these was stored when it was loaded.
    pub(super) stored: (Option<i64>, Option<Deadline>),
    /// When its newest attempt started, once that attempt is over.
    pub(super) started_at: Option<UnixMs>,
    /// The outcome of the attempt that ended the task, and whether its log is complete.
    pub(super) last: Option<(Outcome, Option<bool>)>,
    /// Name, labels or priority changed.
    pub(super) described: bool,
    /// Anything else changed.
    pub(super) touched: bool,
}

/// An attempt that ended in this batch.
pub(super) struct EndedAttempt {
    pub(super) lease: LeaseRecord,
    pub(super) outcome: Outcome,
    pub(super) log_complete: Option<bool>,
}

/// An attempt that was given back before its start in this batch.
pub(super) struct ReturnedAttempt {
    pub(super) lease: LeaseRecord,
    /// Why it found no place.
    pub(super) reason: Option<Reason>,
}

/// What the transitions of a batch share.
pub(super) struct Work<'a, 'tx> {
    pub(super) tx: &'a mut Tx<'tx>,
    pub(super) ended: Vec<EndedAttempt>,
    pub(super) returned: Vec<ReturnedAttempt>,
    /// Evidence that is new, as JSON.
    pub(super) seen: HashMap<AttemptRef, String>,
    /// What attempts say of themselves, as JSON.
    pub(super) notes: HashMap<AttemptRef, String>,
    /// Attempts whose evidence nobody will ask for.
    pub(super) forgotten: Vec<AttemptRef>,
    /// Whose children are to be cancelled: the task, by whom, and where not all of them are, the indices.
    pub(super) cascades: Vec<Cells>,
    /// Arrays that were asked to stop as a whole: the array, by whom, when.
    pub(super) asked: Vec<Cells>,
    /// Arrays that nothing holds back any more.
    pub(super) opened: Vec<TaskId>,
    /// Dependencies that were counted: `[task, on, state]`.
    pub(super) counted: Vec<Cells>,
}

impl<'a, 'tx> Work<'a, 'tx> {
    /// Loads every task named; one that does not exist is absent from the answer.
    pub(super) async fn load(tasks: &[TaskId], tx: &mut Tx<'_>) -> Result<HashMap<TaskId, Held>> {
        let ids: BTreeSet<i64> = tasks.iter().map(|t| t.0).collect();
        let rows = sql::query(LOAD).bind(sql::column(ids)).fetch_all(&mut *tx.conn).await?;
        let up = tx.up.now();
        rows.iter().map(|row| Held::read(row, up).map(|held| (held.task, held))).collect()
    }

    pub(super) fn new(tx: &'a mut Tx<'tx>) -> Self {
        Self {
            tx,
            ended: Vec::new(),
            returned: Vec::new(),
            seen: HashMap::new(),
            notes: HashMap::new(),
            forgotten: Vec::new(),
            cascades: Vec::new(),
            asked: Vec::new(),
            opened: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Keeps what an attempt says of itself; what comes last counts.
    pub(super) fn note(&mut self, of: AttemptRef, notes: &Notes) {
        self.notes.insert(of, json!(notes).to_string());
    }

    /// Records an event about a task's present attempt.
    pub(super) fn event(&mut self, held: &Held, kind: &'static str, actor: Option<&str>, data: Value) {
        let attempt = (held.life.attempt != AttemptNumber::NONE).then_some(held.life.attempt);
        self.tx.events.push(NewEvent { kind, task: Some(held.task), attempt, actor: actor.map(str::to_owned), data });
    }
}

impl Held {
    fn read(row: &Row, up: i64) -> Result<Self> {
        let id: i64 = row.try_get("task_id")?;
        let spec: Limits = parse_json("task", id, row.try_get("spec")?)?;
        let number = |name: &str| row.try_get::<Option<u32>>(name);
        let kin = Kin::read(row)?;
        let lease = row.try_get::<Option<i64>>("task")?.map(|_| LeaseRecord::read(row)).transpose()?;
        let (status, attempt) = if let Some(end) = terminal(row, id)? {
            (Status::Ended(end), AttemptNumber(row.try_get("last_attempt")?))
        } else if kin.gated.is_some() {
            (Status::Array(parse("array", id, row.try_get("array_state")?)?), AttemptNumber::NONE)
        } else if let Some(lease) = &lease {
            let live = Live { started: lease.uid.is_some(), phase: lease.phase, result: lease.result.clone() };
            (Status::Active(live), lease.attempt.attempt)
        } else if let Some(attempt) = number("waiting_attempt")? {
            (Status::Waiting, AttemptNumber(attempt))
        } else {
            let attempt = number("ready_attempt")?.ok_or_else(|| super::StoreError::Corrupt {
                table: "task",
                id,
                what: "it has not ended and stands in none of ready, waiting and lease".into(),
            })?;
            (Status::Queued, AttemptNumber(attempt))
        };
        let spent = Spent { user: row.try_get("spent_user")?, oom: row.try_get("spent_oom")?, infra: row.try_get("spent_infra")? };
        let array_cancelled = row.try_get::<Option<i64>>("array_cancel_at")?.is_some();
        let cancel_requested = array_cancelled || lease.as_ref().is_some_and(|l| l.cancel.is_some());
        let marked = match row.try_get::<Option<i64>>("marked")? {
            Some(durable) => Some((durable.cast_unsigned(), row.try_get("marked_crc")?)),
            None => None,
        };
        let deadline = Deadline::read(row)?;
        let queued_up = row.try_get("queued_up")?;
        let out_of_time = deadline.and_then(|deadline| deadline.end_up).is_some_and(|at| at <= up);
        let life = Lifecycle { attempt, status, spent, budget: spec.retries, cancel_requested, out_of_time };
        let priority = band_priority(row.try_get("band")?);
        Ok(Self {
            task: TaskId(id),
            queue: parse("task", id, row.try_get("task_queue")?)?,
            name: row.try_get("name")?,
            labels: parse_json("task", id, row.try_get("labels")?)?,
            priority,
            gpus: spec.gpus(),
            weight_by_variables: spec.weight_by_variables(),
            user: row.try_get::<&str>("task_user")?.into(),
            own_rank: row.try_get("own_rank")?,
            boosted: row.try_get("boosted")?,
            since_up: row.try_get("place_since")?,
            placed: Place::read(row)?,
            evidence: row.try_get("evidence")?,
            marked,
            holds: row.try_get("holds")?,
            before: life.state(),
            kin,
            waits: Waits::read(row)?,
            ended: dependencies::read(id, row.try_get("ended_since")?)?,
            not_before: row.try_get::<Option<i64>>("task_not_before")?.map(UnixMs),
            queued_up,
            max_wait_seconds: spec.max_wait_seconds,
            total_timeout_seconds: spec.total_timeout_seconds,
            deadline,
            stored: (queued_up, deadline),
            started_at: row.try_get::<Option<i64>>("newest_started_at")?.map(UnixMs),
            life,
            lease,
            last: None,
            passes_over: 0,
            described: false,
            touched: false,
        })
    }

    /// The live attempt, where `attempt` is it.
    pub(super) fn live(&mut self, attempt: AttemptNumber) -> Option<&mut LeaseRecord> {
        self.lease.as_mut().filter(|lease| lease.attempt.attempt == attempt)
    }

    /// Whether what is recorded of the live attempt's log is all of it, by its length and CRC-32C.
    pub(super) fn has_log(&self, (bytes, crc): (u64, u32)) -> bool {
        self.marked.unwrap_or((0, Some(0))) == (bytes, Some(crc))
    }

    /// Applies an event by the rules of `domain` and does what follows from it: an ended attempt goes to the history,
    /// a retry gets its pause, an end is announced. `log_complete` is recorded with an attempt that ends.
    pub(super) fn take(&mut self, event: Event, log_complete: Option<bool>, work: &mut Work<'_, '_>) -> std::result::Result<(), Illegal> {
        let given_up = match &event {
            Event::GiveUp(end, message) => Some((Outcome::without_result(*end, message.clone()), None)),
            _ => None,
        };
        let (life, ended) = self.life.clone().next(event)?;
        self.life = life;
        self.touched = true;
        if let (Status::Active(live), Some(lease)) = (&self.life.status, &mut self.lease) {
            lease.phase = live.phase;
            lease.result.clone_from(&live.result);
        }
        if let Some(outcome) = ended {
            self.attempt_ended(outcome, log_complete, work);
        } else {
            // An attempt that ended earlier in this batch does not tell how the task ends.
            self.last = given_up;
            if !matches!(self.life.status, Status::Active(_)) {
                self.attempt_returned(work);
            }
        }
        self.keep_deadline(work);
        if !self.life.counts() {
            work.tx.attempt_over(self.task);
        }
        match &self.life.status {
            Status::Ended(_) => {
                self.announce_end(work);
                if self.kin.gated.is_some() {
                    // An array that ends by a rule of its own takes its elements with it.
                    work.cascades.push(cells![self.task, &*self.user, None::<&str>]);
                }
            }
            Status::Queued => {
                self.since_up.get_or_insert(work.tx.up.now());
                work.tx.made_ready();
            }
            Status::Waiting | Status::Active(_) | Status::Array(_) => {}
        }
        Ok(())
    }

    /// Tells that the task is over.
    pub(super) fn announce_end(&self, work: &mut Work<'_, '_>) {
        let data = end_data(&self.queue, self.life.state(), self.last.as_ref());
        work.event(self, "task.ended", None, data);
    }

    /// Gives the attempt back because it found no place, and pauses the task, longer each time in a row, so that others
    /// pass.
    pub(super) fn hold(&mut self, event: Event, reason: Reason, work: &mut Work<'_, '_>) -> std::result::Result<(), Illegal> {
        self.take(event, None, work)?;
        if let Some(returned) = work.returned.last_mut() {
            returned.reason = Some(reason);
        }
        self.waits = Waits::pause(work.tx.up.after(hold_ms(self.holds, work.tx.times)));
        self.holds += 1;
        work.tx.deadline_written();
        Ok(())
    }

    /// Keeps what a runner saw of the live attempt; `false` where that is known.
    pub(super) fn saw(&mut self, evidence: &Evidence, work: &mut Work<'_, '_>) -> bool {
        let doc = json!(evidence).to_string();
        let Some(lease) = self.lease.as_ref().filter(|_| self.evidence.as_ref() != Some(&doc)) else { return false };
        work.seen.insert(lease.attempt, doc.clone());
        self.evidence = Some(doc);
        self.refine();
        true
    }

    /// Gives the stored result the reason that the evidence names.
    pub(super) fn refine(&mut self) {
        // Evidence of another version may be unreadable; the reason then stays as it is.
        let Some(evidence) = self.evidence.as_deref().and_then(|doc| serde_json::from_str(doc).ok()) else { return };
        self.life = self.life.clone().refined(&evidence);
        if let (Status::Active(live), Some(lease)) = (&self.life.status, &mut self.lease)
            && lease.result != live.result
        {
            lease.result.clone_from(&live.result);
            self.touched = true;
        }
    }

    /// The number after which the next attempt of a task comes that has none now.
    pub(super) fn rests_at(&self) -> AttemptNumber {
        AttemptNumber(self.life.attempt.0.saturating_add(self.passes_over))
    }

    fn attempt_returned(&mut self, work: &mut Work<'_, '_>) {
        if let Some(lease) = self.lease.take() {
            self.passes_over = passes_over(&lease);
            self.started_at = None;
            self.evidence = None;
            work.returned.push(ReturnedAttempt { lease, reason: None });
        }
    }

    fn attempt_ended(&mut self, outcome: Outcome, log_complete: Option<bool>, work: &mut Work<'_, '_>) {
        let Some(lease) = self.lease.take() else { return };
        self.passes_over = passes_over(&lease);
        self.started_at = lease.started_at;
        self.since_up = None;
        self.holds = 0;
        if self.evidence.take().is_some() && outcome.end == End::Succeeded {
            work.seen.remove(&lease.attempt);
            work.forgotten.push(lease.attempt);
        }
        self.last = Some((outcome.clone(), log_complete));
        if self.life.status == Status::Waiting {
            let nth = match outcome.end.class() {
                Some(FailureClass::User) => self.life.spent.user,
                Some(FailureClass::Oom) => self.life.spent.oom,
                _ => self.life.spent.infra,
            };
            self.waits = Waits::pause(work.tx.up.after(backoff_ms(nth, work.tx.times, work.tx.rng.below(u64::MAX))));
            work.tx.deadline_written();
            let data = end_data(&self.queue, outcome.end.state(), self.last.as_ref());
            work.event(self, "attempt.ended", None, data);
        }
        work.ended.push(EndedAttempt { lease, outcome, log_complete });
    }
}
