//! What a runner tells of itself with a sign of life.

use super::QueueAsk;
use serde::{Deserialize, Serialize};

/// How a runner stands now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunnerState {
    /// What it would take now. Absent while it cannot tell: it has not compared yet, or does not see its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    /// How it sees its cluster; absent for a process runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterSight>,
}

/// Room for more attempts, as the next claim would ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Room {
    /// In all.
    pub max: u32,
    /// The GPUs free for them; 4,294,967,295 where the runner does not count them.
    #[serde(default)]
    pub gpus: u32,
    /// In each queue, at most 1,000 of them; one that is not named has what `*` has.
    pub queues: Vec<QueueAsk>,
}

impl Room {
    /// How many attempts of a queue fit.
    #[must_use]
    pub fn of(&self, queue: &str) -> u32 {
        let named = |name: &str| self.queues.iter().find(|ask| ask.name == name);
        named(queue).or_else(|| named("*")).map_or(0, |ask| ask.max.unwrap_or(self.max).min(self.max))
    }
}

/// How a glue sees its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSight {
    /// Whether the API server answered the last call.
    pub answers: bool,
    /// The watches that have heard neither an event nor a bookmark for too long, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<SilentWatch>,
    /// What stands in it under the runner's name and is of no attempt that the server knows; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownJobs>,
}

/// Jobs that a glue leaves alone because the server does not know them: begun after the backup that a server was restored from, or by
/// another installation. They take slots, and `slipway admin reap` removes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnknownJobs {
    /// How many.
    pub count: u32,
    /// At most 20 of them, as `namespace/name`.
    pub named: Vec<String>,
}

/// A watch that hears nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SilentWatch {
    /// Of what: `jobs`, `pods`.
    pub resource: String,
    /// Where.
    pub namespace: String,
    /// Since how many seconds.
    pub seconds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_not_named_has_the_room_of_all() {
        let ask = |name: &str, max| QueueAsk { name: name.into(), max };
        let room = Room { max: 3, gpus: 0, queues: vec![ask("*", None), ask("gpu", Some(0)), ask("cpu", Some(9))] };
        assert_eq!((room.of("gpu"), room.of("cpu"), room.of("other")), (0, 3, 3));
        assert_eq!(Room { max: 3, gpus: 0, queues: vec![ask("cpu", None)] }.of("gpu"), 0);
    }
}
