//! Arrays: many tasks of one description, told apart by an index.

use super::{Code, ElementCounts, Indices, TaskId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Makes a task an array of 1 to 10,000 elements, which differ in their index. `{index}` in the arguments of the command
/// becomes the index, and the environment tells it as `SLIPWAY_ARRAY_INDEX`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewArray {
    /// The number of elements, with the indices from 0 on. Beside `indices`, what the elements are told as the array's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// The indices of the elements, where they are not all from 0 on: `3-7,12`, each at most 999,999.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub indices: Option<Indices>,
    /// At most so many elements are queued or active at once; the others wait. An element that pauses between two attempts
    /// counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
}

/// An array, or the place of one of its elements in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskArray {
    /// Of an element: the array that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TaskId>,
    /// Of an element: its index. `ID_INDEX` names the element wherever an id stands in a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// What the elements are told as the array's size: the number of its elements, and where it repeats a part of another
    /// array, that one's.
    pub size: u32,
    /// Of an array: the indices of its elements, where they are not 0 to `size` − 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub indices: Option<Indices>,
    /// Of an array: how many elements are queued or active at once at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// Of an array: how many of its elements are in each state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ElementCounts>,
}

/// The body of `POST /tasks/{id}/cancel`; it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelRequest {
    /// Of an array: only these elements, as `0-31,40`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub indices: Option<Indices>,
}

/// Which elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum OnlyElements {
    /// Those that have failed.
    Failed,
}

/// The body of `POST /tasks/{id}/rerun`; it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RerunRequest {
    /// Of an array: only these elements. They keep their indices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<OnlyElements>,
    /// Of an array: only these elements, as `0-31,40`. They keep their indices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub indices: Option<Indices>,
    /// Another queue; what the first one's defaults gave the task stays with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Another number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// Values of the queue's variables, over those that the task has; checked as those of a new task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Object>))]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// Code in place of the task's own; checked as that of a new task. `workingDir` and `environment` stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}
