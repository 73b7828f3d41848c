//! How often one caller may call: a bucket for each credential and kind of call (`domain::Rates`), and for callers who have shown
//! nothing yet one for each address. What is left is told with each answer (`RateLimit`, `RateLimit-Policy`: IETF draft
//! httpapi-ratelimit-headers, version 10).
//!
//! The buckets are GCRA states of 8 bytes; those that are full again are forgotten, so that memory follows the callers of the last
//! minutes and nothing else.

use super::error::ApiError;
use crate::{
    domain::{Action, Clock, Rate, Rates as Limits},
    wire::{Problem, ProblemCode},
};
use axum::http::{HeaderValue, Response};
use governor::{
    NotUntil, Quota, RateLimiter, clock::Clock as Ticking, middleware::StateInformationMiddleware, state::keyed::HashMapStateStore,
};
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A credential that held is no stranger's for so long.
const KNOWN: Duration = Duration::from_mins(5);
/// The most credentials that are remembered so.
const MAX_KNOWN: usize = 100_000;

/// The header of what is left.
pub(super) const LEFT: &str = "ratelimit";
/// The header of the limit.
pub(super) const POLICY: &str = "ratelimit-policy";

/// The server's clock, as the library asks for it.
#[derive(Clone)]
struct Uptime(Arc<dyn Clock>);

impl Ticking for Uptime {
    type Instant = Duration;
    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Bucket<K> = RateLimiter<K, HashMapStateStore<K>, Uptime, StateInformationMiddleware>;

/// The bucket of a credential: a part of its fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Credential(u64);

impl Credential {
    pub(super) fn of(fingerprint: &[u8; 32]) -> Self {
        let bytes = fingerprint.first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(bytes))
    }
}

/// The buckets of all callers.
pub(super) struct Rates {
    limits: Limits,
    known: Mutex<HashMap<Credential, Duration>>,
    clock: Arc<dyn Clock>,
    credentials: Vec<(Action, Bucket<Credential>)>,
    strangers: Option<Bucket<Ipv6Addr>>,
}

impl Rates {
    pub(super) fn new(limits: &Limits, clock: &Arc<dyn Clock>) -> Self {
        let of = |action: &Action| Some((*action, bucket(limits.of(*action), clock)?));
        Self {
            limits: limits.clone(),
            known: Mutex::default(),
            clock: clock.clone(),
            credentials: Action::ALL.iter().filter(|action| **action != Action::Stranger).filter_map(of).collect(),
            strangers: bucket(limits.stranger, clock),
        }
    }

    /// Takes a call of a credential out of its bucket.
    pub(super) fn call(&self, action: Action, who: Credential) -> Result<Option<Left>, ApiError> {
        let Some((_, bucket)) = self.credentials.iter().find(|(of, _)| *of == action) else { return Ok(None) };
        let state = bucket.check_key(&who).map_err(|until| self.refused(action, &until))?;
        Ok(Some(Left { action, rate: self.limits.of(action), rest: state.remaining_burst_capacity() }))
    }

    /// Takes a call out of the bucket of an address, whose caller has not shown who it is.
    pub(super) fn stranger(&self, from: IpAddr) -> Result<(), ApiError> {
        let Some(bucket) = &self.strangers else { return Ok(()) };
        bucket.check_key(&place(from)).map(drop).map_err(|until| self.refused(Action::Stranger, &until))
    }

    /// Whether a credential held in the last minutes.
    pub(super) fn knows(&self, who: Credential) -> bool {
        let now = self.clock.monotonic();
        self.lock().get(&who).is_some_and(|last| now.saturating_sub(*last) < KNOWN)
    }

    /// A credential held.
    pub(super) fn held(&self, who: Credential) {
        let now = self.clock.monotonic();
        let mut known = self.lock();
        if known.len() >= MAX_KNOWN && !known.contains_key(&who) {
            known.retain(|_, last| now.saturating_sub(*last) < KNOWN);
            if known.len() >= MAX_KNOWN {
                return;
            }
        }
        known.insert(who, now);
    }

    /// Forgets whom it need not remember.
    pub(super) fn forget(&self) {
        let now = self.clock.monotonic();
        self.lock().retain(|_, last| now.saturating_sub(*last) < KNOWN);
        for (_, bucket) in &self.credentials {
            bucket.retain_recent();
            bucket.shrink_to_fit();
        }
        if let Some(strangers) = &self.strangers {
            strangers.retain_recent();
            strangers.shrink_to_fit();
        }
    }

    /// How many buckets and credentials it remembers.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let buckets: usize = self.credentials.iter().map(|(_, bucket)| bucket.len()).sum();
        buckets + self.strangers.as_ref().map_or(0, RateLimiter::len) + self.lock().len()
    }

    fn refused(&self, action: Action, until: &NotUntil<Duration>) -> ApiError {
        let wait = until.wait_time_from(self.clock.monotonic());
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let rate = self.limits.of(action);
        let whose = if action == Action::Stranger { "an address without a credential that holds" } else { "one credential" };
        let detail = format!("More than {} calls of the kind {} a second by {whose}.", rate.per_second, action.as_str());
        let mut problem = Problem::new(ProblemCode::RateLimited)
            .detail(detail)
            .hint("Call less often: wait for changes with watch or ?follow, submit many tasks by one tasks:batch.");
        problem.retry_after_seconds = Some(seconds.max(1));
        problem.into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Credential, Duration>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bucket<K: Clone + Hash + Eq>(rate: Rate, clock: &Arc<dyn Clock>) -> Option<Bucket<K>> {
    let quota = Quota::per_second(NonZeroU32::new(rate.per_second)?).allow_burst(NonZeroU32::new(rate.burst.max(1))?);
    Some(RateLimiter::new(quota, HashMapStateStore::default(), Uptime(clock.clone())))
}

/// An address as one caller has it: of version 6 a network of 64 bits.
fn place(from: IpAddr) -> Ipv6Addr {
    match from.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)),
    }
}

/// What is left in a bucket after a call.
pub(super) struct Left {
    action: Action,
    rate: Rate,
    rest: u32,
}

impl Left {
    /// Tells the caller.
    pub(super) fn tell<B>(&self, response: &mut Response<B>) {
        let Self { action, rate: Rate { per_second, burst }, rest } = self;
        let name = action.as_str();
        let window = burst.div_ceil((*per_second).max(1)).max(1);
        let refilled = (burst - rest.min(burst)).div_ceil((*per_second).max(1));
        let headers = [(POLICY, format!("\"{name}\";q={burst};w={window}")), (LEFT, format!("\"{name}\";r={rest};t={refilled}"))];
        for (header, text) in headers {
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().insert(header, value);
            }
        }
    }
}
