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
    let mut ticks = interval(Duration::from_millis(times.check_poll_ms.max(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (again, pause) = (Duration::from_millis(times.check_again_ms), Duration::from_millis(times.check_pause_ms));
    let mut known = Known::default();
    loop {
        ticks.tick().await;
        // The glue's own calls say what there is to say about a server or a cluster away; this is tried again.
        let Ok(ChecksDue { items }) = server.checks_due(&name, instance).await else { continue };
        known.serves(&items);
        for due in &items {
            if !known.is_due(due, again, Instant::now()) {
                continue;
            }
            if !hands.cluster.meter.answers() {
                break;
            }
            match hands.asked(&server, &name, instance, &due.queue).await {
                Ok(check) => known.heard(check, Instant::now()),
                Err(failed) => tracing::debug!(queue = %due.queue, %failed, "asking the cluster about a queue"),
            }
            sleep(pause).await;
        }
        if let Some(items) = known.untold(&items, again, Instant::now()) {
            match server.report_checks(&name, &ChecksReport { instance, items }).await {
                Ok(()) => known.told = Some(Instant::now()),
                Err(error) => tracing::debug!(%error, "telling what the cluster says of queues"),
            }
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
struct Known {
    checks: BTreeMap<QueueName, (QueueCheck, Instant)>,
    /// When it was told last; none where it has changed since.
    told: Option<Instant>,
}

impl Known {
    /// Forgets what is not served any more.
    fn serves(&mut self, items: &[CheckDue]) {
        let before = self.checks.len();
        self.checks.retain(|queue, _| items.iter().any(|due| due.queue == *queue));
        if self.checks.len() != before {
            self.told = None;
        }
    }

    /// Whether the cluster is to be asked about a queue: it has changed, or what was said is old.
    fn is_due(&self, due: &CheckDue, again: Duration, now: Instant) -> bool {
        self.checks.get(&due.queue).is_none_or(|(check, at)| check.of != due.of || now.duration_since(*at) >= again)
    }

    fn heard(&mut self, check: QueueCheck, now: Instant) {
        if self.checks.get(&check.queue).is_none_or(|(before, _)| *before != check) {
            self.told = None;
        }
        self.checks.insert(check.queue.clone(), (check, now));
    }

    /// What is to be told: where it changed, where the server has forgotten it, and now and then.
    fn untold(&self, items: &[CheckDue], again: Duration, now: Instant) -> Option<Vec<QueueCheck>> {
        let has = |due: &&CheckDue| self.checks.get(&due.queue).is_some_and(|(check, _)| check.of == due.of);
        let forgotten = items.iter().filter(has).any(|due| !due.told);
        let due = forgotten || self.told.is_none_or(|at| now.duration_since(at) >= again);
        let all = || self.checks.values().take(limits::MAX_CHECKS).map(|(check, _)| check.clone()).collect();
        (due && !(self.checks.is_empty() && self.told.is_none() && items.is_empty())).then(all)
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
        assert!(known.is_due(&due("a", "1", false), AGAIN, now));
        known.heard(check("a", "1"), now);
        assert!(!known.is_due(&due("a", "1", false), AGAIN, now), "however many tasks come");
        assert!(known.is_due(&due("a", "2", false), AGAIN, now));
        let now = now + AGAIN;
        assert!(known.is_due(&due("a", "1", true), AGAIN, now));
    }

    #[test]
    fn only_what_changed_is_told_and_what_the_server_forgot() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert_eq!(known.untold(&[], AGAIN, now), None, "nothing is known of nothing");
        known.heard(check("a", "1"), now);
        assert_eq!(known.untold(&[due("a", "1", false)], AGAIN, now), Some(vec![check("a", "1")]));
        known.told = Some(now);
        assert_eq!(known.untold(&[due("a", "1", true)], AGAIN, now), None);
        known.heard(check("a", "1"), now);
        assert_eq!(known.untold(&[due("a", "1", true)], AGAIN, now), None, "the same again");
        assert!(known.untold(&[due("a", "1", false)], AGAIN, now).is_some(), "a server that was started anew");
        assert_eq!(known.untold(&[due("a", "2", false)], AGAIN, now), None, "what is not known yet");
        known.heard(check("b", "1"), now);
        assert_eq!(known.untold(&[due("a", "1", true), due("b", "1", false)], AGAIN, now).unwrap().len(), 2);
        known.told = Some(now);
        known.serves(&[due("b", "1", true)]);
        assert_eq!(known.untold(&[due("b", "1", true)], AGAIN, now), Some(vec![check("b", "1")]));
        known.told = Some(now);
        let now = now + AGAIN;
        assert!(known.untold(&[due("b", "1", true)], AGAIN, now).is_some(), "so that its age is known");
    }

    #[test]
    fn no_more_is_told_than_a_server_takes() {
        let one = |said: String| judge::missing(refers::Kind::Claim, "/spec", "data", "a", said);
        let many = bounded((0..80).map(|_| one("é".repeat(2_000))).collect());
        assert_eq!((many.len(), many[0].said.len()), (limits::MAX_FINDINGS, limits::MAX_FINDING_TEXT));
    }
}
