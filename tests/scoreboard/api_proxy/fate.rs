//! What becomes of a call or of a watch: pure functions of the seed, the number of the call, and what it asks.

use super::call::{Call, Class, Verb};
use std::time::Duration;

/// How often calls fail, and for how long they are delayed. Nothing of it by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CallFaults {
    /// In 100 calls; half of them act before they fail.
    pub(crate) percent: u64,
    /// The longest delay of a call that goes well.
    pub(crate) delay: Duration,
}

/// What happens to watches. Nothing of it by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WatchFaults {
    /// Each ends within so long, by a cut or by a `410`; zero is never.
    pub(crate) life: Duration,
    /// The longest delay of an event; what follows it waits too.
    pub(crate) delay: Duration,
    /// In 100 events: swallowed, so that only a list shows what they said.
    pub(crate) swallowed: u64,
    /// In 100 events: exchanged with the next one of another object.
    pub(crate) swapped: u64,
    /// In 100 lists that watches begin with: an older answer in place of the newest.
    pub(crate) stale: u64,
}

/// How a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As the API server says.
    Own,
    /// By a status of this code.
    Status(u16),
    /// The connection is reset.
    Reset,
    /// Not at all.
    Silence,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Whether the API server gets it.
    pub(crate) acts: bool,
    pub(crate) answer: Answer,
    /// How long it is held up.
    pub(crate) delay: Duration,
}

/// What becomes of one event of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFate {
    Pass,
    Late(Duration),
    Swallowed,
    Swapped,
}

/// How a watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection breaks.
    Cut,
    /// `410 Expired`, after which it must be listed again.
    Gone,
}

/// A number below `n`, the same for the same three.
fn draw(seed: u64, nth: u64, what: u64, n: u64) -> u64 {
    let mut z = seed ^ nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.wrapping_mul(0xd1b5_4a32_d192_ed03);
    // SplitMix64's finish, twice: neighbours must not look alike.
    for _ in 0..2 {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    z % n.max(1)
}

fn up_to(limit: Duration, seed: u64, nth: u64, what: u64) -> Duration {
    Duration::from_millis(draw(seed, nth, what, u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).saturating_add(1)))
}

/// What a failing call of a kind may meet; what is more common stands more than once. Refusals that an API server never gives
/// to such a call are left out: `409` is for writes, `410` for lists.
fn failures(call: Call) -> &'static [Answer] {
    use Answer::{Reset, Silence, Status};
    const WRITE: &[Answer] =
        &[Status(409), Status(409), Status(429), Status(429), Status(500), Status(500), Status(503), Reset, Reset, Silence];
    const LIST: &[Answer] = &[Status(410), Status(429), Status(500), Status(500), Reset, Reset, Silence];
    const READ: &[Answer] = &[Status(429), Status(500), Status(500), Reset, Reset, Silence];
    match call.verb {
        Verb::Create | Verb::Patch | Verb::Delete => WRITE,
        Verb::List | Verb::Watch => LIST,
        Verb::Get => READ,
    }
}

/// What becomes of the call with this number.
pub(crate) fn of_call(faults: CallFaults, seed: u64, nth: u64, call: Call) -> Fate {
    let kind = call.verb as u64 * 16 + call.class as u64;
    let roll = |what: u64, n: u64| draw(seed, nth, kind * 8 + what, n);
    let delay = up_to(faults.delay, seed, nth, kind * 8);
    if call.class == Class::Other || roll(1, 100) >= faults.percent {
        return Fate { acts: true, answer: Answer::Own, delay };
    }
    let kinds = failures(call);
    let answer = usize::try_from(roll(2, kinds.len() as u64)).ok().and_then(|at| kinds.get(at)).copied();
    Fate { acts: roll(3, 2) == 1, answer: answer.unwrap_or(Answer::Reset), delay }
}

/// What becomes of an event of the watch with this number.
pub(crate) fn of_event(faults: WatchFaults, seed: u64, watch: u64, nth: u64) -> EventFate {
    let nth = watch.wrapping_mul(1 << 32).wrapping_add(nth);
    let roll = draw(seed, nth, 1_001, 100);
    if roll < faults.swallowed {
        EventFate::Swallowed
    } else if roll < faults.swallowed + faults.swapped {
        EventFate::Swapped
    } else if faults.delay.is_zero() || roll < 80 {
        EventFate::Pass
    } else {
        EventFate::Late(up_to(faults.delay, seed, nth, 1_002))
    }
}

/// When and how the watch with this number ends; none where it is left alone.
pub(crate) fn of_watch(faults: WatchFaults, seed: u64, watch: u64) -> Option<(Duration, End)> {
    let end = if draw(seed, watch, 2_001, 2) == 0 { End::Cut } else { End::Gone };
    (!faults.life.is_zero()).then(|| (up_to(faults.life, seed, watch, 2_002), end))
}

/// Whether the list with this number is answered by an older state.
pub(crate) fn is_stale(faults: WatchFaults, seed: u64, nth: u64) -> bool {
    draw(seed, nth, 3_001, 100) < faults.stale
}
