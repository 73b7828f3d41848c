//! What passed: writes by task, faults by kind, and for how long watches were away.

use super::{
    call::{Call, Class},
    fate::{Answer, Fate},
};
use crate::kit::audit::task_of;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The counts of a proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// All calls.
    pub(crate) calls: u64,
    /// Calls that failed by the proxy, by what was done: `act` or `refuse`, and the answer.
    pub(crate) faults: BTreeMap<String, u64>,
    /// Writes by task, those that failed too.
    pub(crate) writes: BTreeMap<i64, u64>,
    /// Writes by what they asked: `Create Jobs`.
    pub(crate) kinds: BTreeMap<String, u64>,
    /// Jobs whose creation the API server answered well.
    pub(crate) created: u64,
    /// When each watch was lost; those that are open are not in it.
    away: BTreeMap<(Class, String), Instant>,
    /// The longest time without one.
    pub(crate) deaf: Duration,
}

impl Tally {
    /// Notes a call as it comes in.
    pub(super) fn called(&mut self, call: Call, path: &str, body: &[u8], fate: Fate) {
        self.calls += 1;
        if fate.answer != Answer::Own {
            let kind = format!("{} {:?}", if fate.acts { "act" } else { "refuse" }, fate.answer);
            *self.faults.entry(kind).or_default() += 1;
        }
        if !call.writes() {
            return;
        }
        *self.kinds.entry(format!("{:?} {:?}", call.verb, call.class)).or_default() += 1;
        let named = path.rsplit('/').next().and_then(task_of);
        let of_body = || task_of(serde_json::from_slice::<Value>(body).ok()?.pointer("/metadata/name")?.as_str()?);
        if let Some(task) = named.or_else(of_body) {
            *self.writes.entry(task).or_default() += 1;
        }
    }

    /// Counts calls and writes anew.
    pub(super) fn reset(&mut self) {
        (self.calls, self.writes, self.kinds) = (0, BTreeMap::new(), BTreeMap::new());
    }

    /// All writes.
    pub(crate) fn written(&self) -> u64 {
        self.writes.values().sum()
    }

    /// A watch is open.
    pub(super) fn heard(&mut self, class: Class, path: &str) {
        if let Some(since) = self.away.remove(&(class, path.to_owned())) {
            self.deaf = self.deaf.max(since.elapsed());
        }
    }

    /// A watch has ended.
    pub(super) fn lost(&mut self, class: Class, path: &str) {
        self.away.entry((class, path.to_owned())).or_insert_with(Instant::now);
    }
}
