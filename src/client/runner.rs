//! The calls of a runner.

use super::{Client, Error};
use crate::wire::{
    CheckOrder, CheckRequest, CheckResponse, ChecksDue, ChecksReport, ClaimRequest, ClaimResponse, FootingReport, Holds, NodesReport,
    QueueName, RegisterRequest, RegisterResponse, ReportRequest, ReportResponse, RunnerBeatRequest, RunnerBeatResponse, RunnerName,
};
use reqwest::Method;
use std::time::Duration;
use uuid::Uuid;

impl Client {
    /// Introduces a runner. Safe to repeat.
    pub async fn register(&self, name: &RunnerName, request: &RegisterRequest) -> Result<RegisterResponse, Error> {
        self.call(Method::PUT, &format!("api/v1/runners/{}", name.as_str())).json(request).send().await
    }

    /// Tells the nodes of the runner's cluster. Safe to repeat.
    pub async fn report_nodes(&self, name: &RunnerName, report: &NodesReport) -> Result<(), Error> {
        self.call(Method::PUT, &format!("api/v1/runners/{}/nodes", name.as_str())).json(report).send_empty().await
    }

    /// Tells what a glue stands on in its cluster. Safe to repeat.
    pub async fn report_footing(&self, name: &RunnerName, report: &FootingReport) -> Result<(), Error> {
        self.call(Method::PUT, &format!("api/v1/runners/{}/footing", name.as_str())).json(report).send_empty().await
    }

    /// The queues that the runner's cluster may be asked about.
    pub async fn checks_due(&self, name: &RunnerName, instance: Uuid) -> Result<ChecksDue, Error> {
        let query = [("instance", instance.to_string())];
        self.call(Method::GET, &format!("api/v1/runners/{}/checks", name.as_str())).query(&query).send().await
    }

    /// What the cluster is to be asked about a queue.
    pub async fn check_order(&self, name: &RunnerName, instance: Uuid, queue: &QueueName) -> Result<CheckOrder, Error> {
        let query = [("instance", instance.to_string())];
        self.call(Method::GET, &format!("api/v1/runners/{}/checks/{queue}", name.as_str())).query(&query).send().await
    }

    /// Tells what the cluster says of the runner's queues. Safe to repeat.
    pub async fn report_checks(&self, name: &RunnerName, report: &ChecksReport) -> Result<(), Error> {
        self.call(Method::PUT, &format!("api/v1/runners/{}/checks", name.as_str())).json(report).send_empty().await
    }

    /// Asks for work; the answer may be held for `waitSeconds`, so `limit` is longer. Safe to repeat with the same `claimId`.
    pub async fn claim(&self, request: &ClaimRequest, limit: Duration) -> Result<ClaimResponse, Error> {
        self.call(Method::POST, "api/v1/runner/claims").json(request).timeout(limit).send().await
    }

    /// Gives a runner's sign of life.
    pub async fn runner_beat(&self, request: &RunnerBeatRequest) -> Result<RunnerBeatResponse, Error> {
        self.call(Method::POST, "api/v1/runner/heartbeat").json(request).send().await
    }

    /// Everything that the server holds for a runner.
    pub async fn holds(&self, runner: &RunnerName, instance: Uuid) -> Result<Holds, Error> {
        let query = [("runner", runner.as_str().to_owned()), ("instance", instance.to_string())];
        self.call(Method::GET, "api/v1/runner/holds").query(&query).send().await
    }

    /// Asks what the server knows of attempts.
    pub async fn check(&self, request: &CheckRequest) -> Result<CheckResponse, Error> {
        self.call(Method::POST, "api/v1/runner/attempts:check").json(request).send().await
    }

    /// Reports about attempts whose agents cannot. Safe to repeat.
    pub async fn report(&self, request: &ReportRequest) -> Result<ReportResponse, Error> {
        self.call(Method::POST, "api/v1/runner/attempts:report").json(request).send().await
    }
}
