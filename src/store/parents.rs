//! Parents: which tasks take children.

use super::{error::Result, lease::parse, sql, submit::Submit, writer::Tx};
use crate::domain::{TaskId, TaskState};
use std::collections::HashMap;

/// The task that a new one is to belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub id: TaskId,
    /// Whose it must be; none where anybody's will do.
    pub of: Option<String>,
}

/// Why a task takes no children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoParent {
    /// There is no such task.
    Absent,
    /// It is somebody else's.
    Foreign(String),
    /// It has ended.
    Ended(TaskState),
    /// Somebody asked to stop it.
    Cancelled,
}

/// What is asked of a parent.
pub(super) struct Standing {
    user: String,
    ended: Option<TaskState>,
    cancelled: bool,
}

/// The tasks that others are to belong to.
pub(super) const PARENTS: &str = "select t.id, t.usr, t.state, coalesce(l.cancel_at, y.cancel_at) is not null as cancelled
    from task t left join lease l on l.task = t.id left join task_array y on y.task = t.id where t.id in list($1: int)";

/// Reads the parents that a batch names.
pub(super) async fn parents(batch: &[Submit], tx: &mut Tx<'_>) -> Result<HashMap<TaskId, Standing>> {
    let named: Vec<TaskId> = batch.iter().flat_map(|s| s.tasks.iter().filter_map(|t| t.parent.as_ref().map(|p| p.id))).collect();
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sql::query(PARENTS).bind(sql::list(named)).fetch_all(&mut *tx.conn).await?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get("id")?;
            let ended = row.try_get::<Option<&str>>("state")?.map(|state| parse("task", id, state)).transpose()?;
            Ok((TaskId(id), Standing { user: row.try_get("usr")?, ended, cancelled: row.try_get("cancelled")? }))
        })
        .collect()
}

/// Why a parent takes no children; none where it does.
pub(super) fn refused(parent: &Parent, known: &HashMap<TaskId, Standing>) -> Option<(TaskId, NoParent)> {
    let why = match known.get(&parent.id) {
        None => NoParent::Absent,
        Some(task) if parent.of.as_ref().is_some_and(|user| *user != task.user) => NoParent::Foreign(task.user.clone()),
        Some(Standing { ended: Some(state), .. }) => NoParent::Ended(*state),
        Some(task) if task.cancelled => NoParent::Cancelled,
        Some(_) => return None,
    };
    Some((parent.id, why))
}
