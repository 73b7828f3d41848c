//! How much more may be claimed, counted from what is there. Pure.

use super::{config::Config, sight::Observed};
use crate::wire::{self, AttemptRef, Hold, QueueAsk, QueueName, Times, Verdict, limits};
use std::{collections::BTreeMap, time::Duration};

/// The most attempts whose objects are on their way. More would only wait here for the API server, where another runner could have
/// them: in row 20 of the scoreboard (seed 2427699733) 400 that may be unstarted in four queues took 7 s from claim to create, at 65
/// Jobs a second.
const AHEAD: u32 = 64;

/// Room for more attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// In all.
    pub(super) total: u32,
    /// In each queue that was asked about.
    queues: Vec<(String, u32)>,
}

impl Room {
    /// Whether anything fits.
    pub(super) fn any(&self) -> bool {
        self.total > 0 && self.queues.iter().any(|(_, max)| *max > 0)
    }

    /// Whether a claim with this room would miss what one with `other` would find.
    pub(super) fn misses(&self, other: &Self) -> bool {
        let has = |room: &Self, queue: &str| {
            let share = |name: &str| room.queues.iter().find(|(other, _)| other == name).map(|(_, max)| *max > 0);
            share(queue).or_else(|| share("*")).unwrap_or_default()
        };
        other.queues.iter().chain(&self.queues).any(|(queue, _)| has(other, queue) && !has(self, queue))
    }

    /// As the server is told of it. `u32::MAX` GPUs: on a cluster the scheduler counts them.
    pub(super) fn told(&self) -> wire::Room {
        let mut queues = self.asks();
        queues.truncate(limits::MAX_ROOM_QUEUES);
        wire::Room { max: self.total, gpus: u32::MAX, queues }
    }

    /// As a claim asks.
    pub(super) fn asks(&self) -> Vec<QueueAsk> {
        self.queues.iter().map(|(name, max)| QueueAsk { name: name.clone(), max: Some((*max).min(self.total)) }).collect()
    }
}

/// Counts slots that are taken, in all and of each queue that has a cap, and attempts of each that have not begun to run. `foreign` Jobs bear the runner's
/// name for another installation, and take their slots all the same.
pub(super) fn room(observed: &[Observed], holds: &BTreeMap<AttemptRef, Hold>, foreign: usize, config: &Config, times: &Times) -> Room {
    let mut taken = u32::try_from(foreign).unwrap_or(u32::MAX);
    let mut coming = 0_u32;
    let mut unstarted: BTreeMap<&QueueName, u32> = BTreeMap::new();
    let mut live: BTreeMap<&QueueName, u32> = BTreeMap::new();
    for seen in observed {
        let hold = holds.get(&seen.of);
        if !takes_slot(seen, hold, times) {
            continue;
        }
        taken = taken.saturating_add(1);
        *live.entry(&seen.queue).or_default() += 1;
        let started = hold.is_some_and(|hold| hold.uid.is_some()) || seen.pods.iter().any(|pod| pod.running());
        if !started {
            *unstarted.entry(&seen.queue).or_default() += 1;
        }
        // What is refused waits for others than us.
        if !started && seen.job.is_none() && !seen.was_there && seen.evidence.refusal.is_none() && hold.is_some_and(|hold| !hold.finished) {
            coming += 1;
        }
    }
    let share = |queue: &QueueName| {
        let of = |counts: &BTreeMap<&QueueName, u32>| counts.get(queue).copied().unwrap_or_default();
        let cap = config.caps.get(queue).map_or(u32::MAX, |cap| cap.saturating_sub(of(&live)));
        config.max_unstarted.saturating_sub(of(&unstarted)).min(cap)
    };
    let mut queues: Vec<_> = config.queues.iter().map(|queue| (queue.to_string(), share(queue))).collect();
    if queues.is_empty() {
        queues.push(("*".to_owned(), config.max_unstarted));
        queues.extend(unstarted.keys().map(|queue| (queue.to_string(), share(queue))));
    }
    let total = config.max_pods.saturating_sub(taken).min(AHEAD.saturating_sub(coming)).min(limits::MAX_CLAIM);
    Room { total, queues }
}

/// A slot is free when the pod's phase is terminal, or a while after the end; never by the Job's condition, which comes a
/// second late.
fn takes_slot(seen: &Observed, hold: Option<&Hold>, times: &Times) -> bool {
    let terminal = !seen.pods.is_empty() && seen.pods.iter().all(|pod| pod.facts.is_terminal());
    // The controller of an object may be about to make another pod.
    let goes_on = seen.job.as_ref().is_some_and(|job| job.object.is_some() && job.ended().is_none());
    let terminal = terminal && !goes_on;
    let released = seen.ended_for.is_some_and(|since| since >= Duration::from_millis(times.slot_release_ms));
    if terminal {
        return false;
    }
    if let Some(hold) = hold {
        return !(hold.finished && released);
    }
    let there = !seen.pods.is_empty() || seen.job.as_ref().is_some_and(|job| job.ended().is_none());
    // What the server does not know may run for all we know.
    there && !(released && matches!(seen.verdict, Some(Verdict::Ended | Verdict::Superseded)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::evidence::{ApiRefusal, Evidence},
        runner::kubernetes::examples::{self, hold, job, observed, pod, terminal},
    };

    fn times() -> Times {
        Times::default()
    }

    fn of_all(seen: &[Observed], held: &[Hold], config: &Config) -> Room {
        let held = held.iter().map(|h| (AttemptRef { task: h.task, attempt: h.attempt }, h.clone())).collect();
        room(seen, &held, 0, config, &times())
    }

    #[test]
    fn what_runs_and_what_waits_takes_room() {
        let config = Config { max_pods: 4, max_unstarted: 2, ..examples::config() };
        assert_eq!(of_all(&[], &[], &config), Room { total: 4, queues: vec![("*".into(), 2)] });
        let waits = Observed { job: Some(job(1).into()), ..observed(1) };
        let runs = Observed { job: Some(job(2).into()), pods: vec![pod(2).into()], ..observed(2) };
        let room = of_all(&[waits, runs], &[hold(1, None), hold(2, Some("pod-2"))], &config);
        assert_eq!(room, Room { total: 2, queues: vec![("*".into(), 2), ("default".into(), 1)] });
        assert!(room.any());
    }

    #[test]
    fn no_more_is_claimed_than_can_be_made_soon() {
        let config = Config { max_pods: 500, max_unstarted: 200, ..examples::config() };
        let of = |count: i64, seen: &dyn Fn(i64) -> Observed| {
            let held: Vec<_> = (1..=count).map(|task| hold(task, None)).collect();
            of_all(&(1..=count).map(seen).collect::<Vec<_>>(), &held, &config).total
        };
        let coming = |task| observed(task);
        assert_eq!((of(1, &coming), of(60, &coming), of(64, &coming), of(80, &coming)), (63, 4, 0, 0));
        let made = |task| Observed { job: Some(job(task).into()), was_there: true, ..observed(task) };
        assert_eq!(of(80, &made), 64);
        let refusal = || {
            Some(ApiRefusal {
                verb: "create".into(),
                resource: "jobs".into(),
                status: 403,
                reason: "Forbidden".into(),
                message: "exceeded quota".into(),
            })
        };
        let refused = |task| Observed { evidence: Evidence { refusal: refusal(), ..Evidence::default() }, ..observed(task) };
        assert_eq!(of(80, &refused), 64, "they wait for others than us");
    }

    #[test]
    fn a_queue_with_a_cap_has_no_more_pods_than_that() {
        let queue: QueueName = "default".parse().unwrap();
        let of = |cap: u32, seen: &[Observed], held: &[Hold]| {
            let config = Config {
                max_pods: 9,
                max_unstarted: 5,
                queues: vec![queue.clone()],
                caps: [(queue.clone(), cap)].into(),
                ..examples::config()
            };
            of_all(seen, held, &config).queues[0].1
        };
        let runs = Observed { job: Some(job(1).into()), pods: vec![pod(1).into()], ..observed(1) };
        let waits = Observed { job: Some(job(2).into()), ..observed(2) };
        let held = [hold(1, Some("pod-1")), hold(2, None)];
        assert_eq!(of(3, &[runs.clone(), waits.clone()], &held), 1, "what runs counts as what waits does");
        assert_eq!(of(1, &[runs.clone(), waits], &held), 0);
        let ended = Observed { pods: vec![terminal(1, "Succeeded").into()], ..runs };
        assert_eq!(of(3, &[ended], &held[..1]), 3);
    }

    #[test]
    fn a_slot_is_free_with_the_pods_phase_or_a_while_after_the_end() {
        let config = Config { max_pods: 1, ..examples::config() };
        let running = Observed { job: Some(job(1).into()), pods: vec![pod(1).into()], ..observed(1) };
        let total = |seen: Observed, held: &[Hold]| of_all(&[seen], held, &config).total;
        let held = [hold(1, Some("pod-1"))];
        assert_eq!(total(running.clone(), &held), 0);
        assert_eq!(total(Observed { pods: vec![terminal(1, "Succeeded").into()], ..running.clone() }, &held), 1);
        let ended = |seconds| Observed { ended_for: Some(Duration::from_secs(seconds)), verdict: Some(Verdict::Ended), ..running.clone() };
        assert_eq!((total(ended(4), &[]), total(ended(5), &[])), (0, 1));
        let finished = [Hold { finished: true, ..held[0].clone() }];
        assert_eq!((total(ended(4), &finished), total(ended(5), &finished)), (0, 1));
        let unknown = Observed { verdict: Some(Verdict::Unknown), ..ended(500) };
        assert_eq!(total(unknown, &[]), 0);
    }

    #[test]
    fn a_claim_is_made_anew_only_where_it_would_miss_something() {
        let room = |queues: &[(&str, u32)]| Room { total: 3, queues: queues.iter().map(|(q, n)| ((*q).to_owned(), *n)).collect() };
        let open = room(&[("*", 2), ("gpu", 0)]);
        assert!(!open.misses(&room(&[("*", 2), ("gpu", 0)])));
        assert!(open.misses(&room(&[("*", 2), ("gpu", 1)])));
        assert!(open.misses(&room(&[("*", 2)])), "a queue that is not named has what all have");
        assert!(!room(&[("*", 2)]).misses(&open));
        assert!(!room(&[("gpu", 0)]).any());
    }
}
