//! A runner and its agents over REST: it claims, they start, it reports what they left behind.

use crate::{Failure, fresh, http, server::Server};
use futures::future::try_join_all;
use serde_json::json;
use slipway::{
    domain::Role,
    wire::{ClaimResponse, ClaimedTask, NewToken, RegisterRequest, ReportResponse, RunnerName},
};
use tokio::net::TcpStream;
use uuid::Uuid;

/// As many agents start at once for each runner of a drain.
pub(crate) const AGENTS: usize = 16;
/// What carries an attempt.
const UID: &str = "bench";
const INSTANCE: Uuid = Uuid::from_u128(0xB);

/// One registered runner with its connections.
pub(crate) struct Runner {
    name: String,
    token: String,
    address: String,
    own: TcpStream,
    agents: Vec<TcpStream>,
}

impl Runner {
    /// A token for runners.
    pub(crate) async fn token(server: &Server) -> Result<String, Failure> {
        let token = NewToken { user: "runner".into(), role: Role::Runner, queues: None, expires_in_seconds: None };
        Ok(server.client(&server.token)?.create_token(&token, fresh()).await?.secret)
    }

    pub(crate) async fn register(server: &Server, token: &str, name: &str, agents: usize) -> Result<Self, Failure> {
        let offer = RegisterRequest {
            kind: "process".into(),
            instance: INSTANCE,
            version: "0".into(),
            slots: 1_000_000,
            gpus: 0,
            queues: vec!["*".into()],
            cluster: None,
        };
        server.client(token)?.register(&name.parse::<RunnerName>()?, &offer).await?;
        let agents = try_join_all((0..agents).map(|_| http::connect(&server.address))).await?;
        let own = http::connect(&server.address).await?;
        Ok(Self { name: name.into(), token: token.into(), address: server.address.clone(), own, agents })
    }

    /// Connects anew: the server closes what is idle for long.
    pub(crate) async fn connect(&mut self) -> Result<(), Failure> {
        self.own = http::connect(&self.address).await?;
        for agent in &mut self.agents {
            *agent = http::connect(&self.address).await?;
        }
        Ok(())
    }

    /// Claims at most `max`, and waits for them as long.
    pub(crate) async fn claim(&mut self, max: usize, wait_seconds: u64) -> Result<Vec<ClaimedTask>, Failure> {
        let body = json!({"runner": self.name, "instance": INSTANCE, "claimId": fresh(), "max": max, "gpus": 0,
            "queues": [{"name": "*"}], "waitSeconds": wait_seconds});
        let request = Server::request("POST", "/api/v1/runner/claims", &self.token, &body.to_string());
        let answer = http::exchange(&mut self.own, &request, &["200"]).await?;
        Ok(serde_json::from_slice::<ClaimResponse>(&answer)?.items)
    }

    /// Starts each, over its agents' connections, as one call each: there is no other way, since an agent has its own attempt alone.
    pub(crate) async fn start(&mut self, tasks: &[ClaimedTask]) -> Result<(), Failure> {
        let share = tasks.len().div_ceil(self.agents.len()).max(1);
        try_join_all(self.agents.iter_mut().zip(tasks.chunks(share)).map(|(agent, tasks)| async move {
            for task in tasks {
                let path = format!("/api/v1/attempts/{}/{}/start", task.task, task.attempt);
                let body = json!({"uid": UID, "nonce": fresh()}).to_string();
                http::exchange(agent, &Server::request("POST", &path, &task.start_token, &body), &["200"]).await?;
            }
            Ok::<_, Failure>(())
        }))
        .await?;
        Ok(())
    }

    /// Starts each and reports it.
    pub(crate) async fn finish(&mut self, tasks: &[ClaimedTask]) -> Result<(), Failure> {
        for some in tasks.chunks(1_000) {
            self.start(some).await?;
            self.report(some).await?;
        }
        Ok(())
    }

    /// Reports all as succeeded; every one must have counted.
    pub(crate) async fn report(&mut self, tasks: &[ClaimedTask]) -> Result<(), Failure> {
        let report = |t: &ClaimedTask| {
            json!({"task": t.task, "attempt": t.attempt, "claim": t.claim, "uid": UID, "kind": "finish",
                "result": {"exitCode": 0, "logBytes": 0, "logCrc": 0}})
        };
        let body = json!({"items": tasks.iter().map(report).collect::<Vec<_>>()}).to_string();
        let request = Server::request("POST", "/api/v1/runner/attempts:report", &self.token, &body);
        let answer: ReportResponse = serde_json::from_slice(&http::exchange(&mut self.own, &request, &["200"]).await?)?;
        match answer.items.iter().find(|item| !item.applied) {
            Some(item) => Err(format!("the end of task {} was not taken: {:?}", item.task, item.verdict).into()),
            None => Ok(()),
        }
    }
}
