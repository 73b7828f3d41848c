//! When to look again where nothing happens.

use super::{ms, over::stays};
use crate::{
    runner::kubernetes::sight::{Observed, Rest},
    wire::{AttemptRef, Hold, Times},
};
use std::{collections::BTreeMap, time::Duration};

/// In how long something is due by time alone, whatever happens in cluster and server; none where nothing is.
pub(in crate::runner::kubernetes) fn due(observed: &[Observed], holds: &BTreeMap<AttemptRef, Hold>, times: &Times) -> Option<Duration> {
    let later = |limit: Duration, passed: Duration| Some(limit.saturating_sub(passed)).filter(|left| !left.is_zero());
    let one = |seen: &Observed| -> Option<Duration> {
        let rests = if let Rest::For(left) = seen.rest { Some(left) } else { None };
        let release = seen.ended_for.and_then(|since| later(ms(times.slot_release_ms), since));
        let mut all = vec![rests, release];
        match holds.get(&seen.of).map(|hold| (hold, hold.job.as_ref())) {
            Some((hold, Some(order))) if hold.uid.is_none() => {
                let waits = [Some(order.pending_timeout_seconds), order.fail_pending_after_seconds];
                all.extend(waits.map(|limit| later(Duration::from_secs(limit?), seen.waited)));
                all.push(later(ms(times.claim_lease_ms), seen.waited).filter(|_| seen.job.is_none()));
                all.push(later(ms(times.image_grace_ms), seen.troubled).filter(|_| !seen.troubled.is_zero()));
                all.push(Some(if seen.job.is_some() { seen.look_in } else { seen.create_in }).filter(|left| !left.is_zero()));
            }
            Some((_, Some(order))) if order.object.is_some() => {
                let limits = [order.timeout_seconds.zip(seen.ran_for), Some((order.pending_timeout_seconds, seen.waited))];
                all.extend(limits.map(|limit| limit.and_then(|(limit, passed)| later(Duration::from_secs(limit), passed))));
                all.push(later(ms(times.image_grace_ms), seen.troubled).filter(|_| !seen.troubled.is_zero()));
                let next = if hold_open(holds, seen) { seen.create_in } else { seen.look_in };
                all.push(Some(next).filter(|left| !left.is_zero() && seen.ran_for.is_none()));
            }
            Some(_) => {}
            None => all.push(seen.ended_for.and_then(|since| later(stays(seen, times), since))),
        }
        all.into_iter().flatten().min()
    };
    observed.iter().filter_map(one).min()
}

/// Whether the start of an attempt is not closed.
fn hold_open(holds: &BTreeMap<AttemptRef, Hold>, seen: &Observed) -> bool {
    holds.get(&seen.of).is_some_and(|hold| hold.start_token.is_some())
}
