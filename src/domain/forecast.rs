//! When a queued task will start, from how its queue went of late. Pure; an estimate, and none where there is no ground for one.

use serde::{Deserialize, Serialize};

/// The fewest pauses between starts that an estimate rests on.
const LEAST: usize = 10;
/// The fewest stretches of them that have lasted longer than the present pause already has.
const LEAST_LONGER: usize = 5;

/// When a task is expected to start, counted from now. One of the three is there at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Half of all such tasks have started by then, in seconds; absent while too little has started to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_seconds: Option<u64>,
    /// Nine of ten have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90_seconds: Option<u64>,
    /// By then enough of those have ended, by the limits of their time, whose places it waits for; absent where some have no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_seconds: Option<u64>,
    /// What it rests on: `the last 50 starts of the queue`.
    pub basis: String,
}

/// The estimate from history, narrowed by when enough places are free at the latest: in how many seconds, and how many hold them.
#[must_use]
pub fn bounded(from_history: Option<Forecast>, by: Option<(u64, u64)>) -> Option<Forecast> {
    let Some((by, holders)) = by else { return from_history };
    let limits = format!("the time limits of {holders} running task{}", if holders == 1 { "" } else { "s" });
    Some(match from_history {
        None => Forecast { p50_seconds: None, p90_seconds: None, by_seconds: Some(by), basis: limits },
        Some(of) => Forecast {
            p50_seconds: of.p50_seconds.map(|p50| p50.min(by)),
            p90_seconds: of.p90_seconds.map(|p90| p90.min(by)),
            by_seconds: Some(by),
            basis: format!("{}, {limits}", of.basis),
        },
    })
}

/// The estimate for the task at this place, from 1. `gaps`: the pauses before each of the last starts while somebody waited, in ms,
/// oldest first; `elapsed`: how long the present one lasts.
///
/// The start of the k-th is k pauses away. Stretches of k pauses that followed each other are the samples, so that bursts and lulls
/// count as they come; of places further behind than the samples reach the rest is taken in proportion.
#[must_use]
pub fn forecast(gaps: &[u64], index: u32, elapsed: u64) -> Option<Forecast> {
    if gaps.len() < LEAST || index == 0 {
        return None;
    }
    let index = u64::from(index);
    let width = usize::try_from(index).unwrap_or(usize::MAX).min(gaps.len() / 2);
    // A pause that has lasted for a while is none of the shorter ones.
    let longer = gaps.windows(width).filter(|stretch| stretch[0] > elapsed);
    let in_proportion = |sum: u64| u128::from(sum) * u128::from(index) / (width as u128);
    let mut sums: Vec<u64> = longer
        .map(|stretch| stretch.iter().copied().fold(0, u64::saturating_add))
        .map(|sum| u64::try_from(in_proportion(sum)).unwrap_or(u64::MAX).saturating_sub(elapsed))
        .collect();
    if sums.len() < LEAST_LONGER {
        return None;
    }
    sums.sort_unstable();
    let at = |percent: usize| sums[(sums.len() * percent).div_ceil(100).saturating_sub(1)].div_ceil(1_000);
    let basis = format!("the last {} starts of the queue", gaps.len());
    Some(Forecast { p50_seconds: Some(at(50)), p90_seconds: Some(at(90)), by_seconds: None, basis })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(gaps: &[u64], index: u32, elapsed: u64) -> Option<(u64, u64)> {
        forecast(gaps, index, elapsed).and_then(|forecast| forecast.p50_seconds.zip(forecast.p90_seconds))
    }

    #[test]
    fn a_steady_queue_is_forecast_to_the_second() {
        let steady = [60_000; 20];
        assert_eq!((of(&steady, 1, 0), of(&steady, 5, 0), of(&steady, 100, 0)), (Some((60, 60)), Some((300, 300)), Some((6_000, 6_000))));
        assert_eq!(of(&steady, 2, 45_000), Some((75, 75)));
        assert_eq!(forecast(&steady, 1, 0).unwrap().basis, "the last 20 starts of the queue");
    }

    #[test]
    fn without_ground_there_is_no_estimate() {
        assert_eq!(of(&[60_000; 9], 1, 0), None, "too few");
        assert_eq!(of(&[60_000; 20], 1, 60_000), None, "no pause was as long as this one");
        assert_eq!(of(&[60_000; 20], 0, 0), None);
    }

    #[test]
    fn bursts_and_long_tasks_widen_the_range() {
        // Four start at once, then nothing for ten minutes.
        let bursts: Vec<u64> = [600_000, 1_000, 1_000, 1_000].repeat(10);
        assert_eq!(of(&bursts, 1, 0), Some((1, 600)));
        assert_eq!(of(&bursts, 4, 0), Some((603, 603)));
        assert_eq!(of(&bursts, 1, 300_000), Some((300, 300)), "in the middle of a lull");
    }

    #[test]
    fn the_limits_of_what_runs_narrow_an_estimate_and_are_one_by_themselves() {
        let history = || forecast(&[600_000; 20], 1, 0);
        assert_eq!(bounded(None, None), None);
        assert_eq!(bounded(history(), None), history());
        let of = |forecast: Forecast| (forecast.p50_seconds, forecast.p90_seconds, forecast.by_seconds, forecast.basis);
        let limits = |n: &str| format!("the time limits of {n}");
        assert_eq!(of(bounded(None, Some((90, 1))).unwrap()), (None, None, Some(90), limits("1 running task")));
        let both = |n: &str| format!("the last 20 starts of the queue, {}", limits(n));
        assert_eq!(of(bounded(history(), Some((300, 2))).unwrap()), (Some(300), Some(300), Some(300), both("2 running tasks")));
        assert_eq!(of(bounded(history(), Some((900, 2))).unwrap()), (Some(600), Some(600), Some(900), both("2 running tasks")));
    }

    proptest! {
        #[test]
        fn further_behind_is_never_sooner(gaps in prop::collection::vec(1..1_000_000_u64, 10..50), index in 1..40_u32) {
            let (near, far) = (of(&gaps, index, 0).unwrap(), of(&gaps, index.saturating_mul(2), 0).unwrap());
            prop_assert!(near.0 <= near.1 && far.0 <= far.1);
            // Half of all starts of twice the way lie behind a tenth of those of one.
            let least: u64 = gaps.iter().min().copied().unwrap() * u64::from(index) / 1_000;
            prop_assert!(near.0 >= least && far.0 >= least);
        }
    }
}
