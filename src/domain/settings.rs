//! Every time of the protocol in one place, each a setting, so that tests can scale the whole.

use serde::{Deserialize, Serialize};

macro_rules! times {
    ($($(#[$doc:meta])* $field:ident = $default:literal),+ $(,)?) => {
        /// The times of the protocol, all in milliseconds. The server owns them and hands them to runners and agents
        /// in its answers, so that one setting rules all parts.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase", default)]
        pub struct Times { $($(#[$doc])* pub $field: u64),+ }

        impl Default for Times {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl Times {
            /// The same times divided by `factor`, none below 10 ms.
            #[must_use]
            pub fn divided_by(self, factor: u64) -> Self {
                Self { $($field: (self.$field / factor.max(1)).max(10)),+ }
            }
        }
    };
}

times! {
    /// How long a claim holds before the attempt starts; renewed by the runner's heartbeat.
    claim_lease_ms = 60_000,
    /// The pause between two heartbeats of a runner.
    runner_heartbeat_ms = 10_000,
    /// A runner not heard for this long no longer holds its name.
    runner_expiry_ms = 60_000,
    /// How long an agent's heartbeat is held open; also the pause between heartbeats that are not held.
    heartbeat_hold_ms = 15_000,
    /// After this much silence an attempt shows `HeartbeatLost`; it keeps its slot.
    heartbeat_lost_ms = 600_000,
    /// In an idempotent queue: after this much silence of the server an agent asks its command to end, unless the queue says
    /// otherwise.
    stop_after_ms = 540_000,
    /// There the command is dead so long before the server may start another attempt.
    stop_margin_ms = 10_000,
    /// How long a stored result waits for the rest of its log.
    log_settle_ms = 60_000,
    /// The pause between two syncs of open logs.
    log_sync_ms = 1_000,
    /// The longest wait before the agent sends a partly filled log frame.
    log_flush_ms = 1_000,
    /// How long an agent goes on trying to report its end: longer than a network is away for a quarter of an hour, with the pause and
    /// the call that may straddle its return.
    finish_retry_ms = 1_200_000,
    /// The longest pause between two tries of a call that failed.
    call_retry_max_ms = 60_000,
    /// The limit on one call that is not held open.
    call_timeout_ms = 30_000,
    /// After the command's end: how long its leftover output is read before the pipe is closed.
    drain_output_ms = 5_000,
    /// Beyond the grace period of a cancel: how long the runner waits for the agent before it acts itself.
    cancel_overdue_ms = 30_000,
    /// The pause before the first retry of a task.
    retry_backoff_ms = 1_000,
    /// The longest pause before a retry of a task.
    retry_backoff_max_ms = 300_000,
    /// After this much silence an attempt whose pod is gone is over (`docs/ARCHITECTURE.md`, proof of death).
    gone_silence_ms = 60_000,
    /// How long the reason of an ended attempt may be refined by what its cluster says.
    refine_ms = 30_000,
    /// The pause of a task whose attempt found no place, before the next try.
    pending_hold_ms = 60_000,
    /// The longest such pause.
    pending_hold_max_ms = 1_800_000,
    /// A queued task rises one priority for each such time, up to `critical`.
    aging_ms = 21_600_000,
    /// A queued task that a budget, or a runner's free GPUs, cannot serve keeps what it needs from later ones after this
    /// time.
    reserve_ms = 600_000,
    /// After this time half of what a user used is forgotten.
    half_life_ms = 86_400_000,
    /// An attempt that lives counts at least this long in its user's use.
    charge_least_ms = 60_000,
    /// How long a failing image pull, or a container that cannot be made, is borne with.
    image_grace_ms = 120_000,
    /// How long a slot stays taken after the finish of an attempt whose pod lingers.
    slot_release_ms = 5_000,
    /// How long code and environment of an attempt may take to be prepared.
    setup_limit_ms = 3_600_000,
    /// A glue's pause between two full comparisons, and the least age of a Secret without an owner that it removes is
    /// ten times this.
    sweep_ms = 60_000,
    /// A glue's pause between two looks at which queues its cluster is to be asked about.
    check_poll_ms = 15_000,
    /// How long what a cluster said of a queue counts that has not changed; then it is asked again.
    check_again_ms = 300_000,
    /// A glue's pause between asking its cluster about one queue and about the next.
    check_pause_ms = 200,
    /// Nothing of a task is removed within this time after its end, whatever its queue says: by then nobody repeats its
    /// submit, no Job of it stands, and whoever waited for it knows how it ended.
    keep_least_ms = 90_000_000,
    /// After a restore nothing is claimed for so long: longer than an agent waits between two calls, so that one whose
    /// attempt the backup did not know hears that it is over.
    restore_quiet_ms = 150_000,
    /// The pause between two steps of removing what is over its time.
    prune_pause_ms = 50,
    /// The pause between two rounds of the server's clockwork.
    tick_ms = 250,
    /// What should get on and has not for so long is stuck: said in the log, in the metrics, by `doctor` and by `why`.
    stuck_ms = 120_000,
    /// A watch of a glue that has heard neither an event nor a bookmark for so long is deaf; bookmarks come every minute.
    watch_silent_ms = 180_000,
    /// A gap between two rounds beyond this is an outage of ours: it expires nobody.
    outage_ms = 5_000,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_another_version_are_read_over_and_those_that_are_missing_are_as_usual() {
        // The server hands its times to runners and agents of other versions.
        let times: Times = serde_json::from_str(r#"{"tickMs": 7, "madeUpLaterMs": 1}"#).unwrap();
        assert_eq!(times, Times { tick_ms: 7, ..Times::default() });
    }

    /// Scoreboard, row 13, seed 11: a cut of a quarter of an hour that began right before the end of a command cost the rest of its log,
    /// because its agent gave up as the network came back.
    #[test]
    fn an_agent_reports_its_end_beyond_a_cut_of_a_quarter_of_an_hour() {
        let times = Times::default();
        assert!(times.finish_retry_ms >= 15 * 60_000 + times.call_retry_max_ms + 2 * times.call_timeout_ms);
    }
}
