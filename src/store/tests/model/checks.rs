//! What store and model must agree on after every batch, and what the tables promise each other.

use super::{History, reference::Task};
use crate::{
    domain::{Status, TaskId, TaskState, order::Resource},
    store::{TaskFilter, TaskRecord, sql},
};

/// The states of tasks that go on.
pub(super) const OPEN: &[TaskState] = &[TaskState::Waiting, TaskState::Queued, TaskState::Active];

impl History {
    /// Tasks of these states, of all where none is named, are the same in both.
    pub(super) async fn compare(&mut self, step: u64, states: &[TaskState]) {
        let seed = self.seed;
        let filter = TaskFilter { limit: 100_000, states: states.to_vec(), ..TaskFilter::default() };
        let (records, more) = self.rig.store.tasks(&filter).await.unwrap();
        let known = self.model.tasks.values().filter(|t| states.is_empty() || states.contains(&t.life.state())).count();
        assert!(!more && records.len() == known, "seed {seed}, step {step}: {} tasks of {known}", records.len());
        for record in &records {
            let model = self.model.tasks.get_mut(&record.id).expect("no task out of nowhere");
            assert_eq!(described(record), expected(model), "seed {seed}, step {step}: task {}", record.id);
        }
        let waiting: Vec<(i64, i64)> =
            self.rig.rows("select task, due_up from waiting").await.iter().map(|row| (row.at(0).unwrap(), row.at(1).unwrap())).collect();
        for (task, due) in waiting {
            let model = self.model.tasks.get_mut(&TaskId(task)).unwrap();
            assert!(
                (model.due.0..=model.due.1).contains(&due),
                "seed {seed}, step {step}: a pause until {due}, not within {:?}",
                model.due
            );
            model.due = (due, due);
        }
    }

    /// What is kept of attempts is the same in both.
    pub(super) async fn history_agrees(&self, step: u64) {
        let seed = self.seed;
        let kept: Vec<(i64, u32, String)> = self
            .rig
            .rows("select task, attempt, doc from evidence order by task, attempt")
            .await
            .iter()
            .map(|row| (row.at(0).unwrap(), row.at(1).unwrap(), row.at(2).unwrap()))
            .collect();
        assert_eq!(kept, self.model.evidence(), "seed {seed}, step {step}: the evidence that is kept");
        let ends: Vec<(i64, u32, Option<String>)> = self
            .rig
            .rows("select task, attempt, reason from attempt where ended_at is not null order by task, attempt")
            .await
            .iter()
            .map(|row| (row.at(0).unwrap(), row.at(1).unwrap(), row.at(2).unwrap()))
            .collect();
        assert_eq!(ends, self.model.ends(), "seed {seed}, step {step}: how attempts ended");
    }

    /// Use, reservations and counts are the same in both; all else of the order follows from them and the ready tasks.
    pub(super) async fn order_is_kept(&self, step: u64) {
        let (seed, book) = (self.seed, &self.model.book);
        let used: Vec<(String, String, i64)> = self
            .rig
            .rows("select queue, usr, used from usage where used > 0 order by queue, usr")
            .await
            .iter()
            .map(|row| (row.at(0).unwrap(), row.at(1).unwrap(), row.at(2).unwrap()))
            .collect();
        let expected =
            book.used.iter().filter(|(_, used)| **used > 0).map(|((queue, user), used)| (queue.to_string(), user.clone(), *used));
        assert_eq!(used, expected.collect::<Vec<_>>(), "seed {seed}, step {step}: what users used, after {}\n{book}", self.last);
        let held: Vec<(String, String, i64)> = self
            .rig
            .rows("select kind, name, task from reservation order by kind, name")
            .await
            .iter()
            .map(|row| (row.at(0).unwrap(), row.at(1).unwrap(), row.at(2).unwrap()))
            .collect();
        let budgets = book.budget_holders.iter().map(|(name, holder)| ("budget".to_owned(), name.to_string(), holder.place.5.0));
        let runners = book.runner_holders.iter().map(|(name, holder)| ("runner".to_owned(), name.clone(), holder.place.5.0));
        assert_eq!(
            held,
            budgets.chain(runners).collect::<Vec<_>>(),
            "seed {seed}, step {step}: who reserves what, after {}\n{book}",
            self.last,
        );
        for queue in self.rig.store.queues().await.unwrap() {
            let of = |state| self.model.tasks.values().filter(|t| t.queue == queue.name && t.life.state() == state).count() as u64;
            let expected = (of(TaskState::Waiting), of(TaskState::Queued), of(TaskState::Active));
            assert_eq!((queue.waiting, queue.queued, queue.active), expected, "seed {seed}, step {step}: counts of {}", queue.name);
        }
    }

    /// No limit is exceeded, as the leases alone tell: where one is by now, a change of rules did it, and nothing was claimed since.
    pub(super) async fn limits_hold(&self, step: u64) {
        let rows: Vec<(i64, String, String, i64, i64)> = self.rig.rows("select l.task, l.queue, t.usr, l.load_gpus, l.load_weight from lease l join task t on t.id = l.task where l.result is null").await.iter().map(|row| (row.at(0).unwrap(), row.at(1).unwrap(), row.at(2).unwrap(), row.at(3).unwrap(), row.at(4).unwrap())).collect();
        let newly = |task: i64| self.model.book.newly.contains(&TaskId(task));
        for (name, queue) in &self.model.book.queues {
            let mine: Vec<_> = rows.iter().filter(|row| row.1 == name.as_str()).collect();
            let within = |of: &[&&(i64, String, String, i64, i64)], max: Option<u32>, what: &str| {
                let over = max.is_some_and(|max| of.len() > max as usize) && of.iter().any(|row| newly(row.0));
                assert!(!over, "seed {}, step {step}: {what} of {name} is exceeded: {of:?}", self.seed);
            };
            within(&mine.iter().collect::<Vec<_>>(), queue.rules.limits.max_running, "maxRunning");
            for user in mine.iter().map(|row| &row.2) {
                let of: Vec<_> = mine.iter().filter(|row| row.2 == *user).collect();
                within(&of, queue.rules.limits.max_running_per_user, "maxRunningPerUser");
            }
        }
        for (name, budget) in &self.model.book.budgets {
            let drawn = |row: &&(i64, String, String, i64, i64)| {
                let queue = self.model.book.queues.iter().find(|(queue, _)| queue.as_str() == row.1);
                queue.is_some_and(|(_, queue)| queue.rules.budgets.contains_key(name))
            };
            let cost = |row: &(i64, String, String, i64, i64)| if budget.resource == Resource::Gpus { row.3 } else { row.4 };
            let on: Vec<_> = rows.iter().filter(drawn).filter(|row| cost(row) > 0).collect();
            let sum: i64 = on.iter().map(|row| cost(row)).sum();
            let over = sum.unsigned_abs() > budget.max.0 && on.iter().any(|row| newly(row.0));
            assert!(!over, "seed {}, step {step}: {sum} of budget {name} with {}: {on:?}", self.seed, budget.max);
        }
    }

    /// What the tables promise each other; each statement finds the rows that break a promise.
    pub(super) async fn tables_agree(&self, step: u64) {
        let promises = [
            (
                "an open task stands in exactly one place, an ended one in none",
                "select t.id from task t where (case when t.state is null then 1 else 0 end) !=
                ((select count(*) from ready r where r.task = t.id) + (select count(*) from waiting w where w.task = t.id)
                 + (select count(*) from lease l where l.task = t.id))",
            ),
            (
                "places belong to tasks, under their queue and band",
                "select r.task from ready r left join task t on t.id = r.task
                where t.queue is distinct from r.queue or t.usr is distinct from r.usr or r.tier > t.band + 1
                union all select l.task from lease l left join task t on t.id = l.task where t.queue is distinct from l.queue
                union all select w.task from waiting w left join task t on t.id = w.task where t.queue is distinct from w.queue",
            ),
            (
                "an attempt stands in its lease or in the history, and never in both",
                "select l.task from lease l join attempt a on a.task = l.task and a.attempt >= l.attempt",
            ),
            (
                "every attempt of the history has ended, and one that started has an end",
                "select task from attempt where ended_at is null or ended_up is null or (state is null and started_at is not null)",
            ),
            (
                "an ended task tells its newest attempt's end",
                "select t.id from task t join attempt a on a.task = t.id and a.attempt = t.attempt
                where t.state is not null and a.started_at is distinct from t.started_at",
            ),
            ("only what has not started can expire", "select task from lease where (expires_up is null) != (uid is not null)"),
        ];
        for (promise, broken) in promises {
            let broken: Vec<i64> = sql::query_scalar(broken).fetch_all(&self.rig.store.readers).await.unwrap();
            assert!(broken.is_empty(), "seed {}, step {step}: {promise}; tasks {broken:?}", self.seed);
        }
    }
}

fn described(record: &TaskRecord) -> String {
    let lease = record.lease.as_ref().map(|l| {
        let token = l.token_hash.clone();
        (
            l.phase,
            l.start_token.clone(),
            token,
            l.expires_up,
            l.settle_up,
            l.cancel.is_some(),
            l.result.clone(),
            l.runner.to_string(),
            l.claim,
        )
    });
    let end = record.ended.as_ref().map(|(outcome, _)| outcome.end);
    format!("{:?} {} {:?} {end:?} {lease:?}", record.state, record.attempt, record.spec.priority)
}

fn expected(task: &Task) -> String {
    let life = &task.life;
    let lease = task.lease.as_ref().map(|l| {
        let Status::Active(running) = &life.status else { panic!("a lease of a task that is {}", life.state()) };
        let token = l.token.map(|t| t.to_vec());
        let result = running.result.clone();
        (running.phase, l.start_token.clone(), token, l.expires, l.settle, life.cancel_requested, result, l.runner.clone(), l.claim)
    });
    let end = if let Status::Ended(end) = life.status { Some(end) } else { None };
    assert_eq!(lease.is_some(), life.state() == TaskState::Active);
    format!("{:?} {} {:?} {end:?} {lease:?}", life.state(), life.attempt, task.priority)
}
