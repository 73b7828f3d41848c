//! One attempt as its agent holds it.

use super::{
    rig::Rig,
    wires::{Call, Reply},
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) const NONCE: Uuid = Uuid::from_u128(0xB2);

pub(super) struct Own {
    pub(super) task: i64,
    pub(super) attempt: i64,
    pub(super) claim: String,
    pub(super) start_token: String,
    /// The attempt token, once it has started.
    pub(super) token: String,
    pub(super) sent: u64,
    pub(super) crc: u32,
}

impl Own {
    pub(super) fn of(claimed: &Value) -> Self {
        let text = |name: &str| claimed[name].as_str().unwrap().to_owned();
        let (task, attempt) = (claimed["task"].as_i64().unwrap(), claimed["attempt"].as_i64().unwrap());
        Self { task, attempt, claim: text("claim"), start_token: text("startToken"), token: String::new(), sent: 0, crc: 0 }
    }

    pub(super) fn path(&self, verb: &str) -> String {
        format!("/api/v1/attempts/{}/{}/{verb}", self.task, self.attempt)
    }

    pub(super) fn try_start(&self, rig: &Rig, uid: &str, nonce: Uuid) -> Call {
        rig.call("POST", self.path("start")).bearer(&self.start_token).json(&json!({"uid": uid, "nonce": nonce}))
    }

    pub(super) async fn start(&mut self, rig: &Rig) -> Value {
        let started = self.try_start(rig, "pod-1", NONCE).await.expect(200);
        started["attemptToken"].as_str().unwrap().clone_into(&mut self.token);
        started
    }

    pub(super) fn beat(&self, rig: &Rig, body: &Value) -> Call {
        rig.call("POST", self.path("heartbeat")).bearer(&self.token).json(body)
    }

    pub(super) fn put(&self, rig: &Rig, offset: u64, bytes: &[u8]) -> Call {
        let query = format!("log?offset={offset}&crc32c={}", crc32c::crc32c(bytes));
        rig.call("PUT", self.path(&query)).bearer(&self.token).body(bytes.to_vec())
    }

    pub(super) fn gap(&self, rig: &Rig, offset: u64, len: u64) -> Call {
        rig.call("PUT", self.path(&format!("log?offset={offset}&gap={len}"))).bearer(&self.token)
    }

    /// Sends the next piece of the log and remembers what the whole is.
    pub(super) async fn log(&mut self, rig: &Rig, text: &str) -> Value {
        let ack = self.put(rig, self.sent, text.as_bytes()).await.expect(200);
        self.sent += text.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, text.as_bytes());
        ack
    }

    /// A finish that describes the log so far.
    pub(super) fn finish(&self, rig: &Rig, code: i32) -> Call {
        self.finish_with(rig, &json!({"exitCode": code, "logBytes": self.sent, "logCrc": self.crc}))
    }

    pub(super) fn finish_with(&self, rig: &Rig, body: &Value) -> Call {
        rig.call("POST", self.path("finish")).bearer(&self.token).json(body)
    }

    /// What a runner says of it.
    pub(super) fn report(&self, uid: Option<&str>, kind: Value) -> Value {
        let mut item = json!({"task": self.task, "attempt": self.attempt, "claim": self.claim});
        if let Some(uid) = uid {
            item["uid"] = uid.into();
        }
        let (Value::Object(all), Value::Object(more)) = (&mut item, kind) else { unreachable!("both are objects") };
        all.extend(more);
        item
    }

    pub(super) async fn reported(&self, rig: &Rig, uid: Option<&str>, kind: Value) -> Reply {
        rig.post(super::rig::Who::Runner, "/api/v1/runner/attempts:report", &json!({"items": [self.report(uid, kind)]})).await
    }
}
