//! When a submitted task may start: the flags of `submit` for it.

use super::{context::Context, exit::Failure, span::parse_seconds, task_ref::TaskRef};
use crate::{
    client::Client,
    wire::{Dependee, NewTask, OnFailure, TaskId, Timestamp},
};
use std::{str::FromStr, time::Duration};

/// When a task may start.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "When it may start")]
pub(super) struct OrderArgs {
    /// Not before this time of day, 2026-11-20T18:00:00Z, or so long from now: +2h
    #[arg(long, value_name = "TIME")]
    not_before: Option<When>,
    /// Once this task has succeeded; may be repeated
    #[arg(long = "after", value_name = "TASK")]
    after_success: Vec<TaskRef>,
    /// Once this task has ended, however; may be repeated
    #[arg(long, value_name = "TASK")]
    after_any: Vec<TaskRef>,
    /// Where a task of --after does not succeed: cancel (the default) or fail
    #[arg(long, value_name = "WHAT")]
    on_dependency_failure: Option<OnFailure>,
}

/// A time of day as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    At(Timestamp),
    /// So many seconds from now.
    In(u64),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('+') {
            Some(span) => parse_seconds(span).map(Self::In),
            None => text
                .parse()
                .map(Self::At)
                .map_err(|_| "write a time with its zone, 2026-11-20T18:00:00Z or 2026-11-20T19:00:00+01:00, or +2h".to_owned()),
        }
    }
}

/// The same with every task found.
pub(super) struct Order {
    not_before: Option<Timestamp>,
    after: Vec<TaskId>,
    after_any: Vec<TaskId>,
    on_failure: Option<OnFailure>,
}

impl OrderArgs {
    /// Finds the tasks that it names.
    pub(super) async fn found(&self, context: &Context, client: &Client) -> Result<Order, Failure> {
        let now = context.now();
        let not_before = self.not_before.map(|when| when.from(now)).transpose()?;
        Ok(Order {
            not_before,
            after: ids(&self.after_success, context, client).await?,
            after_any: ids(&self.after_any, context, client).await?,
            on_failure: self.on_dependency_failure,
        })
    }
}

impl When {
    fn from(self, now: Timestamp) -> Result<Timestamp, Failure> {
        match self {
            Self::At(at) => Ok(at),
            Self::In(seconds) => {
                now.checked_add(Duration::from_secs(seconds)).map_err(|_| Failure::usage("--not-before: no calendar reaches that far"))
            }
        }
    }
}

async fn ids(tasks: &[TaskRef], context: &Context, client: &Client) -> Result<Vec<TaskId>, Failure> {
    let mut ids = Vec::with_capacity(tasks.len());
    for task in tasks {
        ids.push(task.id(context, client).await?);
    }
    Ok(ids)
}

impl Order {
    /// Over what a task says itself; the tasks to wait for are added to its own.
    pub(super) fn over(&self, task: &mut NewTask) {
        task.not_before = self.not_before.or(task.not_before);
        if self.after.is_empty() && self.after_any.is_empty() && self.on_failure.is_none() {
            return;
        }
        let depends = task.depends_on.get_or_insert_default();
        depends.after_success.extend(self.after.iter().copied().map(Dependee::Id));
        depends.after_any.extend(self.after_any.iter().copied().map(Dependee::Id));
        depends.on_failure = self.on_failure.or(depends.on_failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::NOW;

    #[test]
    fn a_time_is_one_of_day_or_counts_from_now() {
        let now: Timestamp = NOW.parse().unwrap();
        let at = |text: &str| text.parse::<When>().map(|when| when.from(now).unwrap().to_string());
        assert_eq!(at("+1h30m").unwrap(), "2026-11-20T10:52:41Z");
        assert_eq!(at("2026-11-20T19:00:00+01:00").unwrap(), "2026-11-20T18:00:00Z");
        assert!(at("18:00").unwrap_err().contains("with its zone"));
        assert!(at("+soon").unwrap_err().contains("no duration"));
    }

    #[test]
    fn what_a_task_waits_for_is_added_to_what_its_file_says() {
        let mut task: NewTask =
            serde_json::from_str(r#"{"command": ["x"], "dependsOn": {"afterSuccess": [1], "onFailure": "fail"}}"#).unwrap();
        let order = Order { not_before: None, after: vec![TaskId(2)], after_any: vec![TaskId(3)], on_failure: None };
        order.over(&mut task);
        assert_eq!(
            serde_json::to_value(&task.depends_on).unwrap(),
            serde_json::json!({"afterSuccess": [1, 2], "afterAny": [3], "onFailure": "fail"})
        );
    }
}
