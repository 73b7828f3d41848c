//! A server as its users see it: everything here goes over the public API.

use super::eventually;
use secrecy::ExposeSecret;
use slipway::{
    app::ambient::SystemRng,
    client::{Client, LogRange},
    domain::{Rng, SecretKind, mint_secret},
    wire::{AttemptNumber, NewTask, Task, TaskId},
};
use std::{fs, path::PathBuf, time::Duration};

/// A server's address and its data directory, in which the tokens lie.
pub(crate) struct Front {
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    /// Authorities (PEM) to trust.
    pub(crate) ca: Option<String>,
}

impl Front {
    /// Makes the data directory with a runner's token, so that a runner may begin before the server.
    pub(crate) fn new(url: String, data: PathBuf) -> Self {
        fs::create_dir(&data).expect("a directory");
        fs::write(data.join("runner-token"), mint_secret(SecretKind::Api, &SystemRng).expose_secret()).expect("a token");
        Self { url, data, ca: None }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// A client with the token of a file of the data directory; waits until a server has made it.
    pub(crate) async fn client_of(&self, file: &str) -> Client {
        let path = self.data().join(file);
        let read = async || fs::read_to_string(&path).ok().filter(|text| text.trim().starts_with("slw_"));
        let token = eventually("a token", read).await;
        let client = Client::trusting(&self.url, Some(token.trim().to_owned().into()), "test/0", self.ca.as_deref());
        client.expect("a client").allowing_plain_http(true).with_timeout(Duration::from_secs(5))
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_of("admin-token").await
    }

    /// Submits, however often it takes.
    pub(crate) async fn submit(&self, task: &NewTask) -> TaskId {
        let (client, key) = (self.client().await, SystemRng.uuid());
        eventually("an answer to the submit", async || client.submit(task, key).await.ok()).await.id
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        let client = self.client().await;
        eventually("an answer about the task", async || client.task(id).await.ok()).await
    }

    /// Waits until a task has ended.
    pub(crate) async fn ended(&self, id: TaskId) -> Task {
        let client = self.client().await;
        eventually(&format!("the end of task {id}"), async || client.task(id).await.ok().filter(|task| task.state.is_terminal())).await
    }

    /// The stored log of an attempt; 0 is the newest.
    pub(crate) async fn log(&self, id: TaskId, attempt: u32) -> Vec<u8> {
        let client = self.client().await;
        let range = LogRange { attempt: (attempt > 0).then_some(AttemptNumber(attempt)), ..LogRange::default() };
        let read = async || client.log(id, range).await.ok()?.bytes().await.ok();
        eventually("the log", read).await.to_vec()
    }
}
