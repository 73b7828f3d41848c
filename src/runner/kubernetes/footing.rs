//! What the glue stands on in its cluster, told to the server: what its file says, and which of its rights it does not have.
//!
//! The API server itself is asked, one right after the other (`SelfSubjectAccessReview`, which every account may): at the start,
//! then now and then, and more often while something is missing. Nothing is guarded by what it says; a right that is missing is
//! still met where it is needed.

use super::{
    act::Hands,
    cluster::{Cluster, Failed},
    config::Config,
    rbac::{Need, needs},
};
use crate::{
    client::Client,
    wire::{Footing, FootingReport, MissingRight, RunnerName, limits},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

/// While something is missing, the pause between two askings for each right: many namespaces are not asked about without end.
const EACH: Duration = Duration::from_millis(50);
/// After so many looks the server is told again, in case it has forgotten.
const AGAIN_LOOKS: u32 = 4;

/// Asks for the glue's own rights and tells the server, for ever.
pub(super) async fn tell(hands: Hands, server: Client, name: RunnerName, instance: Uuid) {
    let poll = Duration::from_millis(hands.times.check_poll_ms.max(10));
    let again = Duration::from_millis(hands.times.check_again_ms);
    let mut ticks = interval(poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = Known::default();
    loop {
        ticks.tick().await;
        if hands.cluster.meter.answers() && known.is_due(again, Instant::now()) {
            known.heard(asked(&hands.cluster, &hands.config).await, Instant::now());
        }
        let Some(footing) = known.untold(poll * AGAIN_LOOKS, Instant::now()) else { continue };
        match server.report_footing(&name, &FootingReport { instance, footing: footing.clone() }).await {
            Ok(()) => known.told = Some((footing, Instant::now())),
            // A server before this call has no such route; what there is to say the glue's own calls say.
            Err(error) => tracing::debug!(%error, "telling what the glue stands on"),
        }
    }
}

/// Asks for every right.
async fn asked(cluster: &Cluster, config: &Config) -> Footing {
    let needed = needs(&config.namespaces, config.check_queues, config.read_nodes);
    let mut footing = Footing {
        agent_url: config.agent_url.clone(),
        namespaces: config.namespaces.clone(),
        reads_nodes: config.read_nodes,
        checks_queues: config.check_queues,
        needed: u32::try_from(needed.len()).unwrap_or(u32::MAX),
        ..Footing::default()
    };
    for need in needed {
        match cluster.may(need.verb, (need.group, need.resource), need.namespace).await {
            Ok((true, _)) => {}
            Ok((false, said)) => footing.missing.push(missing(need, said)),
            Err(failed) => {
                footing.unknown.get_or_insert(failed.to_string());
                // Where nobody answers there is nothing to wait for; a refusal may be of this one alone.
                if matches!(failed, Failed::Later(_)) {
                    break;
                }
            }
        }
    }
    footing.missing.truncate(limits::MAX_MISSING_RIGHTS);
    footing
}

fn missing(need: Need<'_>, said: String) -> MissingRight {
    let Need { namespace, group, resource, verb, why } = need;
    let [group, resource, verb, why] = [group, resource, verb, why].map(str::to_owned);
    MissingRight { namespace: namespace.map(str::to_owned), group, resource, verb, why, said }
}

/// What the cluster said last, and what the server was told.
#[derive(Default)]
struct Known {
    heard: Option<(Footing, Instant)>,
    told: Option<(Footing, Instant)>,
}

impl Known {
    /// Whether to ask: at the start, while something is missing or not known, and where what was said is old.
    fn is_due(&self, again: Duration, now: Instant) -> bool {
        let Some((footing, at)) = &self.heard else { return true };
        let troubled = !footing.missing.is_empty() || footing.unknown.is_some();
        let pause = if troubled { again.min(EACH * footing.needed) } else { again };
        now.duration_since(*at) >= pause
    }

    /// Takes what the cluster said, and says in the log what is new about it.
    fn heard(&mut self, footing: Footing, at: Instant) {
        let before: BTreeSet<_> = self.heard.iter().flat_map(|(before, _)| &before.missing).collect();
        for right in footing.missing.iter().filter(|right| !before.contains(right)) {
            let MissingRight { namespace, resource, verb, why, said, .. } = right;
            let namespace = namespace.as_deref().unwrap_or("*");
            tracing::error!(verb, resource, namespace, why, said, "a right is missing; slipway glue rbac prints all of them");
        }
        if footing.missing.is_empty() && footing.unknown.is_none() {
            let first = self.heard.is_none();
            if first || !before.is_empty() {
                tracing::info!(rights = footing.needed, "every right that is needed is there");
            }
        }
        self.heard = Some((footing, at));
    }

    /// What to tell: what the server has not heard, and the same again after a while.
    fn untold(&self, again: Duration, now: Instant) -> Option<Footing> {
        let (footing, _) = self.heard.as_ref()?;
        let known = self.told.as_ref().is_some_and(|(told, at)| told == footing && now.duration_since(*at) < again);
        (!known).then(|| footing.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::kubernetes::rbac::{CHECKS, NODES, RIGHTS, Right, objects};

    const AGAIN: Duration = Duration::from_mins(5);
    const MINUTE: Duration = Duration::from_mins(1);

    fn right(verb: &'static str) -> MissingRight {
        missing(Need { namespace: Some("a"), group: "", resource: "pods", verb, why: "x" }, String::new())
    }

    #[test]
    fn what_is_missing_is_asked_for_again_soon_and_the_rest_now_and_then() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert!(known.is_due(AGAIN, now));
        known.heard(Footing::default(), now);
        assert!(!known.is_due(AGAIN, now + MINUTE) && known.is_due(AGAIN, now + AGAIN));
        known.heard(Footing { missing: vec![right("get")], needed: 20, ..Footing::default() }, now);
        assert!(!known.is_due(AGAIN, now) && known.is_due(AGAIN, now + Duration::from_secs(1)));
        known.heard(Footing { unknown: Some("no answer".into()), ..Footing::default() }, now);
        assert!(known.is_due(AGAIN, now));
    }

    #[test]
    fn the_server_hears_what_is_new_and_the_same_again_after_a_while() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert_eq!(known.untold(MINUTE, now), None, "nothing is known");
        known.heard(Footing::default(), now);
        let told = known.untold(MINUTE, now).unwrap();
        known.told = Some((told, now));
        assert_eq!(known.untold(MINUTE, now), None);
        assert!(known.untold(MINUTE, now + MINUTE).is_some());
        known.heard(Footing { missing: vec![right("get")], ..Footing::default() }, now);
        assert_eq!(known.untold(MINUTE, now).unwrap().missing, [right("get")]);
    }

    #[test]
    fn every_verb_of_the_table_is_asked_for_in_every_namespace() {
        let namespaces = ["a", "b"].map(str::to_owned);
        let verbs = |rights: &[Right]| rights.iter().map(|right| right.verbs.len()).sum::<usize>();
        assert_eq!(needs(&namespaces, false, false).len(), 2 * verbs(RIGHTS));
        let all = needs(&namespaces, true, true);
        assert_eq!(all.len(), 2 * (verbs(RIGHTS) + verbs(CHECKS)) + NODES.verbs.len());
        assert_eq!(all.iter().filter(|need| need.namespace.is_none()).count(), NODES.verbs.len());
        // What the Role gives is what is asked for.
        let role = &objects("glue", "a", "a", &[], true)[1];
        for need in all.iter().filter(|need| need.namespace == Some("a")) {
            let gives = |rule: &&serde_json::Value| {
                let has = |field: &str, value: &str| rule[field].as_array().is_some_and(|all| all.iter().any(|one| one == value));
                has("apiGroups", need.group) && has("resources", need.resource) && has("verbs", need.verb)
            };
            assert!(role["rules"].as_array().unwrap().iter().any(|rule| gives(&rule)), "{need:?}");
        }
    }
}
