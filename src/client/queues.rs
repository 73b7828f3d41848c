//! Queues and runners.

use super::{Client, Error};
use crate::wire::{NewQueue, PauseRequest, Queue, QueueList, QueueName, RunnerList};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// All queues, by name.
    pub async fn queues(&self) -> Result<QueueList, Error> {
        self.call(Method::GET, "api/v1/queues").send().await
    }

    /// One queue.
    pub async fn queue(&self, name: &QueueName) -> Result<Queue, Error> {
        self.call(Method::GET, &path(name)).send().await
    }

    /// Creates or replaces a queue. With `revision` only where that is still the present one, else `412`.
    pub async fn put_queue(&self, name: &QueueName, queue: &NewQueue, revision: Option<i64>) -> Result<Queue, Error> {
        let mut call = self.call(Method::PUT, &path(name)).json(queue);
        if let Some(revision) = revision {
            call = call.header("if-match", &format!("\"{revision}\""));
        }
        call.send().await
    }

    /// Deletes a queue.
    pub async fn delete_queue(&self, name: &QueueName) -> Result<(), Error> {
        self.call(Method::DELETE, &path(name)).send_empty().await
    }

    /// Stops claims from a queue; its running tasks go on.
    pub async fn pause_queue(&self, name: &QueueName, request: &PauseRequest, key: Uuid) -> Result<Queue, Error> {
        self.call(Method::POST, &format!("{}/pause", path(name))).idempotent(key).json(request).send().await
    }

    /// Allows claims again.
    pub async fn resume_queue(&self, name: &QueueName, key: Uuid) -> Result<Queue, Error> {
        self.call(Method::POST, &format!("{}/resume", path(name))).idempotent(key).send().await
    }

    /// All runners, by name.
    pub async fn runners(&self) -> Result<RunnerList, Error> {
        self.call(Method::GET, "api/v1/runners").send().await
    }
}

/// A queue's name needs no escaping: its alphabet is safe in a path.
fn path(name: &QueueName) -> String {
    format!("api/v1/queues/{name}")
}
