//! How a queue stands and goes, in the cells of a table. Pure.

use crate::{
    cli::{
        span::{age, between},
        style::Tone,
        table::{Cell, cell},
    },
    wire::{Amount, Queue, QueueStats, Timestamp},
};
use std::time::Duration;

/// How wide a bar is, and how many steps of the past a line shows.
const WIDE: usize = 10;
const STEPS: usize = 12;
const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How many of its tasks run at once: by its own limit, or as its runners carry.
pub(super) fn limit(queue: &Queue) -> Option<u64> {
    let places = queue.stats.as_ref().and_then(|stats| stats.places);
    queue.limits.max_running.map(u64::from).into_iter().chain(places).min()
}

/// How much of that is taken, as a bar.
pub(super) fn taken(queue: &Queue, unicode: bool) -> Cell {
    let Some(limit) = limit(queue) else { return cell("") };
    let used = queue.counts.active;
    let full = used >= limit;
    cell(bar(used, limit, unicode)).tone((full && limit > 0).then_some(Tone::Busy))
}

/// `######----`; what is not nothing shows, and only what is full is full.
fn bar(used: u64, of: u64, unicode: bool) -> String {
    let (full, empty) = if unicode { ('█', '░') } else { ('#', '-') };
    let wide = WIDE as u64;
    let part = used.min(of).saturating_mul(wide).checked_div(of).unwrap_or(0);
    let filled = if used > 0 && of > 0 { part.max(1) } else { part };
    (0..wide).map(|at| if at < filled { full } else { empty }).collect()
}

/// The starts of the last six hours, half an hour a step; where signs cannot be shown, their number.
pub(super) fn course(stats: &QueueStats, unicode: bool) -> String {
    let sum: u64 = stats.starts.iter().copied().map(u64::from).sum();
    if !unicode {
        return sum.to_string();
    }
    let each = stats.starts.len().div_ceil(STEPS).max(1);
    let steps: Vec<u64> = stats.starts.chunks(each).map(|chunk| chunk.iter().copied().map(u64::from).sum()).collect();
    let most = steps.iter().copied().max().unwrap_or(0).max(1);
    let sign = |count: &u64| if *count == 0 { EIGHTHS[0] } else { EIGHTHS[usize::try_from(count * 7 / most).unwrap_or(7).clamp(1, 7)] };
    steps.iter().map(sign).collect()
}

/// `8m/31m`: how long half, and nine of ten, of the last tasks waited.
pub(super) fn waits(stats: &QueueStats) -> String {
    let of = |seconds| age(Duration::from_secs(seconds));
    stats.waits.map(|waits| format!("{}/{}", of(waits.p50_seconds), of(waits.p90_seconds))).unwrap_or_default()
}

/// What its tasks count for in GPUs.
pub(super) fn gpus(stats: &QueueStats) -> String {
    if stats.gpus == Amount::default() { String::new() } else { stats.gpus.to_string() }
}

/// Who serves it: `prod-eu 3s ago`, and how many more; a warning where nobody is at work.
pub(super) fn runners(stats: &QueueStats, now: Timestamp) -> Cell {
    let mut known: Vec<_> = stats.runners.iter().collect();
    known.sort_by_key(|runner| (!runner.heard, runner.seen_at.map(|at| between(at, now))));
    let Some(first) = known.first() else { return cell("none").tone(Tone::Warn) };
    let heard = first.seen_at.map_or_else(|| "never heard".to_owned(), |at| format!("{} ago", age(between(at, now))));
    let more = if known.len() > 1 { format!(" +{}", known.len() - 1) } else { String::new() };
    cell(format!("{} {heard}{more}", first.name)).tone((!first.heard).then_some(Tone::Warn))
}

/// `31 of 40 by the time said for half, 37 by that for nine of ten`.
pub(super) fn estimates(stats: &QueueStats) -> Option<String> {
    let of = stats.estimates?;
    Some(format!("of {} estimated starts {} came by the time named for half, {} by that for nine of ten", of.told, of.by_p50, of.by_p90))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_full_only_when_full_and_empty_only_when_empty() {
        for (used, of, shown) in [
            (0, 16, "----------"),
            (1, 16, "#---------"),
            (9, 16, "#####-----"),
            (15, 16, "#########-"),
            (16, 16, "##########"),
            (20, 16, "##########"),
            (0, 0, "----------"),
            (3, 0, "----------"),
        ] {
            assert_eq!(bar(used, of, false), shown, "{used} of {of}");
        }
        assert_eq!(bar(5, 10, true), "█████░░░░░");
    }

    #[test]
    fn the_past_is_a_line() {
        let of = |starts: Vec<u32>| QueueStats { starts, ..QueueStats::default() };
        let rising = of((0..24).collect());
        assert_eq!((course(&rising, true), course(&rising, false)), ("▂▂▂▃▃▄▄▅▆▆▇█".to_owned(), "276".to_owned()));
        assert_eq!(course(&of(vec![0; 24]), true), "▁".repeat(12));
        let mut one = vec![0; 24];
        (one[0], one[23]) = (1, 1_000);
        assert_eq!(course(&of(one), true), "▂▁▁▁▁▁▁▁▁▁▁█", "one start is not none");
    }
}
