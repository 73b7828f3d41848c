//! Arrays: what a database knows of them, and how they come into it.
//!
//! An array has no attempt and stands in none of the hot tables: its elements do. Its row of `array` counts them
//! (`gather.rs`).

use super::{
    error::Result,
    events::NewEvent,
    lease::parse,
    sql::{Row, cells},
    submit::NewTask,
    writer::Tx,
};
use crate::domain::{ArraySpec, ElementCounts, Indices, TaskId, UnixMs, array::free_slots};
use serde_json::json;

/// What of an array is no part of its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayRecord {
    /// Its elements.
    pub spec: ArraySpec,
    /// How many of them are in each state.
    pub counts: ElementCounts,
    /// When somebody asked to stop it as a whole.
    pub cancel_at: Option<UnixMs>,
}

/// A task that is more than itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An array.
    Array(ArrayRecord),
    /// An element of one.
    Element {
        /// Its index.
        index: u32,
        /// What it is told as the array's size.
        size: u32,
    },
}

impl Place {
    /// The columns `idx` and `element_size`, and those of `array` as `array_*`.
    pub(super) fn read(row: &Row, id: i64) -> Result<Option<Self>> {
        if let Some(index) = row.try_get("idx")? {
            return Ok(Some(Self::Element { index, size: row.try_get::<Option<u32>>("element_size")?.unwrap_or(0) }));
        }
        let Some(indices) = row.try_get::<Option<&str>>("array_indices")? else { return Ok(None) };
        let counts = ElementCounts {
            waiting: row.try_get("array_waiting")?,
            queued: row.try_get("array_queued")?,
            active: row.try_get("array_active")?,
            succeeded: row.try_get("array_succeeded")?,
            failed: row.try_get("array_failed")?,
            cancelled: row.try_get("array_cancelled")?,
        };
        let indices: Indices = parse("array", id, indices)?;
        let spec = ArraySpec { indices, size: row.try_get("array_size")?, max_parallel: row.try_get("array_max_parallel")? };
        let cancel_at = row.try_get::<Option<i64>>("array_cancel_at")?.map(UnixMs);
        Ok(Some(Self::Array(ArrayRecord { spec, counts, cancel_at })))
    }
}

/// What the rules need of a task's place.
#[derive(Clone, Debug, Default)]
pub(super) struct Kin {
    /// The array that it is an element of.
    pub(super) array: Option<TaskId>,
    /// Whether it is an array itself, that stands in `waiting` as long as its elements are held back together.
    pub(super) gated: Option<bool>,
    /// Whether it waited for a slot when it was loaded.
    pub(super) throttled: bool,
}

impl Kin {
    pub(super) fn read(row: &Row) -> Result<Self> {
        let element = row.try_get::<Option<u32>>("idx")?.is_some();
        let parent = row.try_get::<Option<i64>>("parent")?.map(TaskId);
        Ok(Self {
            array: parent.filter(|_| element),
            gated: row.try_get("gated")?,
            throttled: row.try_get::<Option<bool>>("throttled")?.unwrap_or(false),
        })
    }
}

/// An array that a batch stores.
pub(super) struct NewArray<'a> {
    /// Its id; those of its elements follow.
    pub(super) id: TaskId,
    /// Who submits it.
    pub(super) user: &'a str,
    /// What its elements are like.
    pub(super) task: &'a NewTask,
    /// What tells them apart.
    pub(super) spec: &'a ArraySpec,
    /// Whether something holds all of them back.
    pub(super) gated: bool,
}

impl NewArray<'_> {
    fn count(&self) -> u32 {
        self.spec.indices.count()
    }

    fn slots(&self) -> u32 {
        self.spec.max_parallel.unwrap_or(u32::MAX).min(self.count())
    }

    /// How many elements are out of the throttle from the beginning.
    fn out(&self) -> u32 {
        if self.gated { 0 } else { free_slots(self.slots(), self.count(), self.count()) }
    }

    fn ids(&self, places: std::ops::Range<u32>) -> impl Iterator<Item = TaskId> + use<> {
        let first = self.id.0 + 1;
        places.map(move |place| TaskId(first + i64::from(place)))
    }

    /// The ids of the elements that are out of the throttle, and of those that are in it.
    pub(super) fn elements(&self) -> (impl Iterator<Item = TaskId> + use<>, impl Iterator<Item = TaskId> + use<>) {
        (self.ids(0..self.out()), self.ids(self.out()..self.count()))
    }
}

/// Stores arrays, whose own rows of `task` are there, and the rows of their elements.
pub(super) async fn insert(arrays: &[NewArray<'_>], tx: &mut Tx<'_>) -> Result<()> {
    let mut rows = Vec::with_capacity(arrays.len());
    let mut elements = Vec::new();
    for array in arrays {
        let (count, out) = (array.count(), array.out());
        let spec = array.spec;
        let (up, last_out) = (tx.up.now(), TaskId(array.id.0 + i64::from(out)));
        let queued_up = |id: TaskId| (id <= last_out).then_some(up);
        let waiting = count - out;
        rows.push(cells![
            array.id,
            count,
            spec.size,
            &spec.indices,
            spec.max_parallel,
            array.slots(),
            waiting,
            waiting,
            out,
            0,
            array.gated
        ]);
        for (id, index) in array.ids(0..count).zip(spec.indices.iter()) {
            elements.push(cells![id, array.id, index, queued_up(id)]);
            let data = json!({ "queue": array.task.spec.queue, "name": array.task.spec.name });
            let actor = Some(array.user.to_owned());
            tx.events.push(NewEvent { kind: "task.submitted", task: Some(id), attempt: None, actor, data });
        }
    }
    tx.each(
        "insert into task_array each($1: task int, elements int, size int, indices text, max_parallel int, slots int, waiting int,
             throttled int, queued int, active int, gated int)",
        rows,
    )
    .await?;
    tx.each(INSERT_ELEMENTS, elements).await?;
    Ok(())
}

/// Writes the rows of elements: what each shares with its array, and the place that tells it apart.
pub(super) const INSERT_ELEMENTS: &str = "insert into task (id, queue, usr, name, labels, band, spec, created_at, parent, idx, queued_up)
    select j.element, t.queue, t.usr, t.name, t.labels, t.band, 'null', t.created_at, t.id, j.place, j.since_up
    from each($1: element int, of_array int, place int, since_up int) j, task t where t.id = j.of_array";
