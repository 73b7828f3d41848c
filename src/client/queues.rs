//! Queues, budgets and runners.

use super::{Client, Error};
use crate::wire::{
    Budget, BudgetList, BudgetName, NewBudget, NewQueue, NodeList, PauseRequest, Queue, QueueList, QueueName, QueueRevision,
    QueueRevisionList, RenderQuery, RenderRequest, RenderResponse, RunnerList,
};
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

    /// Creates or replaces a queue. With `revision` only where that is still the present one, else `412`; one that is kept
    /// by another only with `force`, else `409`.
    pub async fn put_queue(&self, name: &QueueName, queue: &NewQueue, revision: Option<i64>, force: bool) -> Result<Queue, Error> {
        let query = if force { "?force=true" } else { "" };
        let mut call = self.call(Method::PUT, &(path(name) + query)).json(queue);
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

    /// Takes no new tasks into a queue; those in it are served.
    pub async fn drain_queue(&self, name: &QueueName, request: &PauseRequest, key: Uuid) -> Result<Queue, Error> {
        self.call(Method::POST, &format!("{}/drain", path(name))).idempotent(key).json(request).send().await
    }

    /// Allows claims and submits again.
    pub async fn resume_queue(&self, name: &QueueName, key: Uuid) -> Result<Queue, Error> {
        self.call(Method::POST, &format!("{}/resume", path(name))).idempotent(key).send().await
    }

    /// The revisions of a queue, newest first.
    pub async fn queue_revisions(&self, name: &QueueName) -> Result<QueueRevisionList, Error> {
        self.call(Method::GET, &format!("{}/revisions", path(name))).send().await
    }

    /// One revision of a queue, with its document.
    pub async fn queue_revision(&self, name: &QueueName, revision: i64) -> Result<QueueRevision, Error> {
        self.call(Method::GET, &format!("{}/revisions/{revision}", path(name))).send().await
    }

    /// What runners would create for a task of a queue: one of them, or all that serve it.
    pub async fn render_queue(&self, name: &QueueName, query: &RenderQuery, request: &RenderRequest) -> Result<RenderResponse, Error> {
        self.call(Method::POST, &format!("{}/render", path(name))).query(query).json(request).send().await
    }

    /// All budgets, by name.
    pub async fn budgets(&self) -> Result<BudgetList, Error> {
        self.call(Method::GET, "api/v1/budgets").send().await
    }

    /// One budget.
    pub async fn budget(&self, name: &BudgetName) -> Result<Budget, Error> {
        self.call(Method::GET, &budget_path(name)).send().await
    }

    /// Creates or replaces a budget: with `revision` only where that is still the present one, without only where there is
    /// none yet; else `412`.
    pub async fn put_budget(&self, name: &BudgetName, budget: &NewBudget, revision: Option<i64>) -> Result<Budget, Error> {
        let call = self.call(Method::PUT, &budget_path(name)).json(budget);
        let call = match revision {
            Some(revision) => call.header("if-match", &format!("\"{revision}\"")),
            None => call.header("if-none-match", "*"),
        };
        call.send().await
    }

    /// Deletes a budget.
    pub async fn delete_budget(&self, name: &BudgetName) -> Result<(), Error> {
        self.call(Method::DELETE, &budget_path(name)).send_empty().await
    }

    /// All runners, by name.
    pub async fn runners(&self) -> Result<RunnerList, Error> {
        self.call(Method::GET, "api/v1/runners").send().await
    }

    /// The nodes of the clusters whose runners may read them.
    pub async fn nodes(&self) -> Result<NodeList, Error> {
        self.call(Method::GET, "api/v1/nodes").send().await
    }
}

/// A queue's name needs no escaping: its alphabet is safe in a path.
fn path(name: &QueueName) -> String {
    format!("api/v1/queues/{name}")
}

/// The same holds for a budget's name.
fn budget_path(name: &BudgetName) -> String {
    format!("api/v1/budgets/{name}")
}
