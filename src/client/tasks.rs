//! Tasks, their attempts and their logs.

use super::{Client, Error};
use crate::wire::{
    AbandonRequest, AttemptList, AttemptNumber, BatchRequest, BatchResponse, BoostRequest, CancelRequest, EventList, EventQuery, Indices,
    MoveRequest, NewTask, OutputList, RerunRequest, Sha256, Task, TaskId, TaskList, TaskManifest, TaskPatch, TaskQuery, Timeline,
    UploadRange, Why,
};
use reqwest::{Method, Response};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// A download may take as long as it moves: the limit only ends what hangs for ever.
const DOWNLOAD: Duration = Duration::from_hours(24);

/// Which part of a log to fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogRange {
    /// The attempt; the newest where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptNumber>,
    /// The position of the first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// At most so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

impl Client {
    /// Submits a task. A repeat with the same `key` submits nothing new.
    pub async fn submit(&self, task: &NewTask, key: Uuid) -> Result<Task, Error> {
        self.call(Method::POST, "api/v1/tasks").idempotent(key).json(task).send().await
    }

    /// Submits several tasks: all are stored, or none.
    pub async fn submit_batch(&self, batch: &BatchRequest, key: Uuid) -> Result<BatchResponse, Error> {
        self.call(Method::POST, "api/v1/tasks:batch").idempotent(key).json(batch).send().await
    }

    /// One page of tasks, newest first.
    pub async fn tasks(&self, query: &TaskQuery) -> Result<TaskList, Error> {
        self.call(Method::GET, "api/v1/tasks").query(query).send().await
    }

    /// One task.
    pub async fn task(&self, id: TaskId) -> Result<Task, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}")).send().await
    }

    /// The element of an array with an index.
    pub async fn element(&self, array: TaskId, index: u32) -> Result<Task, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{array}_{index}")).send().await
    }

    /// Changes name, labels or priority of a task that is neither active nor ended.
    pub async fn patch_task(&self, id: TaskId, patch: &TaskPatch) -> Result<Task, Error> {
        self.call(Method::PATCH, &format!("api/v1/tasks/{id}")).json(patch).send().await
    }

    /// Asks to stop a task. Asking again, or for a task that has ended, is no error; the answer says where it stands.
    pub async fn cancel_task(&self, id: TaskId, key: Uuid) -> Result<Task, Error> {
        self.call(Method::POST, &format!("api/v1/tasks/{id}/cancel")).idempotent(key).send().await
    }

    /// Asks to stop some elements of an array; the answer is the array.
    pub async fn cancel_elements(&self, array: TaskId, indices: Indices, key: Uuid) -> Result<Task, Error> {
        let request = CancelRequest { indices: Some(indices) };
        self.call(Method::POST, &format!("api/v1/tasks/{array}/cancel")).idempotent(key).json(&request).send().await
    }

    /// Submits an array once more with some of its elements, which keep their indices.
    pub async fn rerun_elements(&self, array: TaskId, request: &RerunRequest, key: Uuid) -> Result<Task, Error> {
        self.call(Method::POST, &format!("api/v1/tasks/{array}/rerun")).idempotent(key).json(request).send().await
    }

    /// Moves a task among its user's own.
    pub async fn move_task(&self, id: TaskId, request: &MoveRequest, key: Uuid) -> Result<Task, Error> {
        self.call(Method::POST, &format!("api/v1/tasks/{id}/move")).idempotent(key).json(request).send().await
    }

    /// Puts a task before every priority, or takes that back. For operators.
    pub async fn boost_task(&self, id: TaskId, request: &BoostRequest, key: Uuid) -> Result<Task, Error> {
        self.call(Method::POST, &format!("api/v1/tasks/{id}/boost")).idempotent(key).json(request).send().await
    }

    /// Submits the same task once more; the new one names the old in `rerunOf`.
    pub async fn rerun_task(&self, id: TaskId, key: Uuid) -> Result<Task, Error> {
        self.call(Method::POST, &format!("api/v1/tasks/{id}/rerun")).idempotent(key).send().await
    }

    /// Every attempt of a task, oldest first.
    pub async fn attempts(&self, id: TaskId) -> Result<AttemptList, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/attempts")).send().await
    }

    /// One page of what happened to a task, oldest first.
    pub async fn events(&self, id: TaskId, query: &EventQuery) -> Result<EventList, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/events")).query(query).send().await
    }

    /// Where a task's time went.
    pub async fn timeline(&self, id: TaskId) -> Result<Timeline, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/timeline")).send().await
    }

    /// Why a task is where it is, or ended as it did.
    pub async fn why(&self, id: TaskId) -> Result<Why, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/why")).send().await
    }

    /// The files that one attempt of a task left; the newest that left any where none is named.
    pub async fn outputs(&self, id: TaskId, attempt: Option<AttemptNumber>) -> Result<OutputList, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/outputs")).query(&[("attempt", attempt)]).send().await
    }

    /// The bytes of a file that a task left, from `offset` on.
    pub async fn output(&self, id: TaskId, sha256: &Sha256, offset: u64) -> Result<Response, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/outputs/{sha256}"))
            .query(&UploadRange { offset })
            .timeout(DOWNLOAD)
            .response()
            .await
    }

    /// The object of the newest attempt of a task.
    pub async fn manifest(&self, id: TaskId) -> Result<TaskManifest, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/manifest")).send().await
    }

    /// Ends an attempt without proof that it is over. For operators.
    pub async fn abandon_attempt(&self, id: TaskId, attempt: AttemptNumber, request: &AbandonRequest, key: Uuid) -> Result<(), Error> {
        let path = format!("api/v1/tasks/{id}/attempts/{attempt}/abandon");
        self.call(Method::POST, &path).idempotent(key).json(request).send_empty().await
    }

    /// The stored bytes of a log as they come; read the answer piece by piece, it may be large.
    pub async fn log(&self, id: TaskId, range: LogRange) -> Result<Response, Error> {
        self.call(Method::GET, &format!("api/v1/tasks/{id}/log")).query(&range).timeout(DOWNLOAD).response().await
    }

    /// The last bytes of a log: with status 206 and a `Content-Range`, or, where it has gaps, all of it.
    ///
    /// # Errors
    /// A problem with status 416 where it is empty.
    pub async fn log_end(&self, id: TaskId, attempt: Option<AttemptNumber>, bytes: u64) -> Result<Response, Error> {
        let call = self.call(Method::GET, &format!("api/v1/tasks/{id}/log")).query(&LogRange { attempt, ..LogRange::default() });
        call.header("range", &format!("bytes=-{bytes}")).timeout(DOWNLOAD).response().await
    }
}
