//! Waiting for the end of everything, and what the API says then.

use crate::{judge::Stored, procs::uptime, support::Front};
use slipway::wire::{Task, TaskId, TaskQuery};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// Where nothing ends for so long although something is left, nothing will. Far more than the fifteen minutes of the usual times come
/// to at the scale of the tests, since a busy machine may starve what runs.
const STUCK: Duration = Duration::from_mins(4);

/// Every task that the API lists, once all have ended or nothing ends any more.
pub(crate) async fn all_ended(front: &Front) -> Vec<Task> {
    all_seen_to_end(front).await.0
}

/// The same, and when each was first seen to have ended, in seconds of the machine's uptime.
pub(crate) async fn all_seen_to_end(front: &Front) -> (Vec<Task>, BTreeMap<TaskId, f64>) {
    let (mut open, mut since, mut seen) = (usize::MAX, Instant::now(), BTreeMap::new());
    loop {
        if let Some(tasks) = listed(front).await {
            let now = uptime();
            for task in tasks.iter().filter(|task| task.state.is_terminal()) {
                seen.entry(task.id).or_insert(now);
            }
            let left = tasks.iter().filter(|task| !task.state.is_terminal()).count();
            if left != open {
                eprintln!("{left} of {} tasks are open", tasks.len());
                (open, since) = (left, Instant::now());
            }
            if left == 0 || since.elapsed() > STUCK {
                return (tasks, seen);
            }
        }
        assert!(since.elapsed() < 2 * STUCK, "the server gives no list of tasks");
        sleep(Duration::from_millis(500)).await;
    }
}

/// All tasks that the API lists; none where a page does not come.
async fn listed(front: &Front) -> Option<Vec<Task>> {
    let client = front.client().await;
    let (mut tasks, mut query) = (Vec::new(), TaskQuery { limit: Some(1_000), ..TaskQuery::default() });
    loop {
        let page = client.tasks(&query).await.ok()?;
        tasks.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return Some(tasks);
        }
    }
}

/// What the judge needs of them.
pub(crate) fn stored(tasks: &[Task]) -> BTreeMap<i64, Stored> {
    tasks.iter().map(|task| (task.id.0, Stored { state: task.state, attempt: task.attempt.0 })).collect()
}
