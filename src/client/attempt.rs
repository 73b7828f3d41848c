//! The calls of an agent about its attempt.

use super::{Client, Error};
use crate::wire::{
    AttemptRef, FinishRequest, FinishResponse, HeartbeatRequest, HeartbeatResponse, LogAck, LogQuery, Notes, StartRequest, StartResponse,
};
use bytes::Bytes;
use reqwest::Method;
use std::time::Duration;

fn path(of: AttemptRef, what: &str) -> String {
    format!("api/v1/attempts/{}/{}/{what}", of.task, of.attempt)
}

impl Client {
    /// Asks for the exclusive right to run the attempt; the client bears the start token.
    pub async fn start(&self, of: AttemptRef, request: &StartRequest) -> Result<StartResponse, Error> {
        self.call(Method::POST, &path(of, "start")).json(request).send().await
    }

    /// Gives a sign of life; the answer may be held, so `limit` is longer than the request's `waitMs`.
    pub async fn heartbeat(&self, of: AttemptRef, request: &HeartbeatRequest, limit: Duration) -> Result<HeartbeatResponse, Error> {
        self.call(Method::POST, &path(of, "heartbeat")).json(request).timeout(limit).send().await
    }

    /// Sends a piece of the log. Safe to repeat.
    pub async fn put_log(&self, of: AttemptRef, query: &LogQuery, bytes: Bytes) -> Result<LogAck, Error> {
        self.call(Method::PUT, &path(of, "log")).query(query).bytes(bytes).send().await
    }

    /// Says what the attempt says of itself, the whole. Safe to repeat.
    pub async fn put_notes(&self, of: AttemptRef, notes: &Notes) -> Result<(), Error> {
        self.call(Method::PUT, &path(of, "notes")).json(notes).send_empty().await
    }

    /// Reports the result. Safe to repeat.
    pub async fn finish(&self, of: AttemptRef, request: &FinishRequest) -> Result<FinishResponse, Error> {
        self.call(Method::POST, &path(of, "finish")).json(request).send().await
    }
}
