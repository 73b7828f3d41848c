//! What the cluster says of the queues that are served, before a task meets it, told to the server where the glue may ask.
//!
//! Each queue is asked about by itself: when its document or the glue's own layers change, and now and then because clusters
//! change. Nothing is asked for tasks, and nothing is created: the API server is asked by dry run what it would say.

mod ask;
mod judge;
mod refers;

use super::{act::Hands, cluster::Failed};
use crate::{
    client::{Client, Error},
    wire::{CheckDue, ChecksDue, ChecksReport, QueueCheck, QueueName, RunnerName, TemplateFinding, limits},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

/// Asks the cluster about the queues and tells the server, for ever.
pub(super) async fn tell(hands: Hands, server: Client, name: RunnerName, instance: Uuid) {
    let times = hands.times.clone();
    let poll = Duration::from_millis(times.check_poll_ms.max(10));
    let mut ticks = interval(poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (again, pause) = (Duration::from_millis(times.check_again_ms), Duration::from_millis(times.check_pause_ms));
    let mut known = Known::default();
    loop {
        ticks.tick().await;
        // The glue's own calls say what there is to say about a server or a cluster away; this is tried again.
        let Ok(ChecksDue { items }) = server.checks_due(&name, instance).await else { continue };
        let begun = Instant::now();
        for queue in known.due(&items, again, begun) {
            // What changes meanwhile does not wait for all the others.
            if begun.elapsed() >= poll || !hands.cluster.meter.answers() {
                break;
            }
            match hands.asked(&server, &name, instance, &queue).await {
                Ok(check) => known.heard(check, Instant::now()),
                Err(failed) => tracing::debug!(%queue, %failed, "asking the cluster about a queue"),
            }
            sleep(pause).await;
        }
        let items = known.untold(&items);
        if items.is_empty() {
            continue;
        }
        let queues: Vec<_> = items.iter().map(|check| check.queue.clone()).collect();
        match server.report_checks(&name, &ChecksReport { instance, items }).await {
            Ok(()) => known.told(&queues),
            Err(error) => tracing::debug!(%error, "telling what the cluster says of queues"),
        }
    }
}

/// Why a queue was not asked about.
#[derive(Debug, thiserror::Error)]
enum Vain {
    #[error("{0}")]
    Server(#[from] Error),
    #[error("{0}")]
    Cluster(Failed),
}

impl Hands {
    async fn asked(&self, server: &Client, name: &RunnerName, instance: Uuid, queue: &QueueName) -> Result<QueueCheck, Vain> {
        let order = server.check_order(name, instance, queue).await?;
        let findings = match order.job {
            Some(job) => self.findings(queue, job).await.map_err(Vain::Cluster)?,
            None => Vec::new(),
        };
        let findings = bounded(findings);
        if !findings.is_empty() {
            let codes = findings.iter().map(|finding| finding.code.as_ref()).collect::<Vec<_>>().join(", ");
            tracing::debug!(%queue, codes, "the cluster has something to say of a queue");
        }
        Ok(QueueCheck { queue: order.queue, of: order.of, findings })
    }
}

/// No more of it than a server takes.
fn bounded(mut findings: Vec<TemplateFinding>) -> Vec<TemplateFinding> {
    findings.sort_by_key(|finding| finding.level);
    findings.truncate(limits::MAX_FINDINGS);
    for finding in &mut findings {
        for text in [&mut finding.pointer, &mut finding.found, &mut finding.message, &mut finding.fix, &mut finding.said] {
            text.truncate(text.floor_char_boundary(limits::MAX_FINDING_TEXT));
        }
    }
    findings
}

/// What the cluster said last.
#[derive(Default)]
struct Known(BTreeMap<QueueName, Heard>);

struct Heard {
    check: QueueCheck,
    at: Instant,
    told: bool,
}

impl Known {
    /// The queues that the cluster is to be asked about: those that are new or have changed, then those of which what was said
    /// is old, the oldest first. What is not served any more is forgotten.
    fn due(&mut self, items: &[CheckDue], again: Duration, now: Instant) -> Vec<QueueName> {
        self.0.retain(|queue, _| items.iter().any(|due| due.queue == *queue));
        let asked = |due: &CheckDue| self.0.get(&due.queue).filter(|heard| heard.check.of == due.of).map(|heard| heard.at);
        let mut found: Vec<_> = items.iter().map(|due| (asked(due), &due.queue)).collect();
        found.retain(|(at, _)| at.is_none_or(|at| now.duration_since(at) >= again));
        found.sort();
        found.into_iter().map(|(_, queue)| queue.clone()).collect()
    }

    fn heard(&mut self, check: QueueCheck, at: Instant) {
        self.0.insert(check.queue.clone(), Heard { check, at, told: false });
    }

    /// What is to be told: what was heard since, and what the server has forgotten.
    fn untold(&self, items: &[CheckDue]) -> Vec<QueueCheck> {
        let lacks = |due: &CheckDue| {
            let heard = self.0.get(&due.queue).filter(|heard| heard.check.of == due.of)?;
            (!heard.told || !due.told).then(|| heard.check.clone())
        };
        items.iter().filter_map(lacks).take(limits::MAX_CHECKS).collect()
    }

    fn told(&mut self, queues: &[QueueName]) {
        for queue in queues {
            if let Some(heard) = self.0.get_mut(queue) {
                heard.told = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(queue: &str, of: &str, told: bool) -> CheckDue {
        CheckDue { queue: queue.parse().unwrap(), of: of.to_owned(), told }
    }

    fn check(queue: &str, of: &str) -> QueueCheck {
        QueueCheck { queue: queue.parse().unwrap(), of: of.to_owned(), findings: Vec::new() }
    }

    const AGAIN: Duration = Duration::from_mins(5);

    #[test]
    fn the_cluster_is_asked_when_something_changed_and_now_and_then() {
        let (mut known, now) = (Known::default(), Instant::now());
        let second = Duration::from_secs(1);
        let asks =
            |known: &mut Known, items: &[CheckDue], now| known.due(items, AGAIN, now).iter().map(ToString::to_string).collect::<Vec<_>>();
        let both = [due("a", "1", false), due("b", "1", false)];
        assert_eq!(asks(&mut known, &both, now), ["a", "b"]);
        known.heard(check("b", "1"), now);
        known.heard(check("a", "1"), now + second);
        assert_eq!(asks(&mut known, &both, now + second), [""; 0], "however many tasks come");
        let later = now + AGAIN + second;
        assert_eq!(asks(&mut known, &[due("a", "1", true), due("b", "1", true), due("c", "1", false)], later), ["c", "b", "a"]);
        assert_eq!(asks(&mut known, &[due("a", "1", true), due("b", "2", false)], now + second), ["b"], "what changed");
        assert_eq!(asks(&mut known, &[due("a", "1", true)], now + second), [""; 0]);
        assert_eq!(asks(&mut known, &both, now + second), ["b"], "it was not served in between");
    }

    #[test]
    fn what_was_heard_is_told_once_and_again_where_the_server_forgot_it() {
        let (mut known, now) = (Known::default(), Instant::now());
        let (fresh, kept) = ([due("a", "1", false)], [due("a", "1", true)]);
        assert_eq!(known.untold(&fresh), [], "nothing is known of it");
        known.heard(check("a", "1"), now);
        assert_eq!(known.untold(&fresh), [check("a", "1")]);
        known.told(&["a".parse().unwrap()]);
        assert_eq!(known.untold(&kept), []);
        assert_eq!(known.untold(&fresh), [check("a", "1")], "a server that was started anew");
        assert_eq!(known.untold(&[due("a", "2", false)]), [], "what is not known yet");
        known.heard(check("a", "1"), now);
        assert_eq!(known.untold(&kept), [check("a", "1")], "so that its age is known");
    }

    #[test]
    fn no_more_is_told_than_a_server_takes() {
        let one = |said: String| judge::missing(refers::Kind::Claim, "/spec", "data", "a", said);
        let many = bounded((0..80).map(|_| one("é".repeat(2_000))).collect());
        assert_eq!((many.len(), many[0].said.len()), (limits::MAX_FINDINGS, limits::MAX_FINDING_TEXT));
    }
}
