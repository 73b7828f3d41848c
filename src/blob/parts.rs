//! The objects of a log, and which of them count. Pure.
//!
//! An object is a range of the stream with its writer's tag; its name says so. What one writer calls a range is written once
//! and never changed, so objects of one tag agree wherever they overlap. Which tag counts where, the record says: [`Stint`]s.

use super::types::{LogKey, Stint};
use object_store::path::Path;

/// One object of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) tag: u64,
}

/// Where all logs of a task are.
pub(super) fn of_task(task: crate::domain::TaskId) -> Path {
    Path::from(format!("logs/{}/{task}", task.0 / 1_000))
}

/// Where the objects of a log are.
pub(super) fn of_log(key: LogKey) -> Path {
    Path::from(format!("{}/{}-{}", of_task(key.attempt.task), key.attempt.attempt, key.member))
}

impl Part {
    pub(super) fn path(self, key: LogKey) -> Path {
        Path::from(format!("{}/{:012x}-{:012x}-{:016x}", of_log(key), self.start, self.end, self.tag))
    }

    /// The part that an object of this name is; none for what is none of ours.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut words = name.split('-').map(|word| u64::from_str_radix(word, 16).ok());
        let (start, end, tag) = (words.next()??, words.next()??, words.next()??);
        (words.next().is_none() && start < end).then_some(Self { start, end, tag })
    }

    /// Up to where it can be read from `offset` on, by the record; none if it does not hold that.
    fn until(self, stints: &[Stint], offset: u64) -> Option<u64> {
        let next = stints.partition_point(|stint| stint.from <= offset);
        let counts = stints.get(next.checked_sub(1)?)?.tag == self.tag;
        let end = stints.get(next).map_or(self.end, |stint| stint.from.min(self.end));
        (counts && self.start <= offset && offset < end).then_some(end)
    }
}

/// The part that holds `offset` and most after it, and up to where it counts.
pub(super) fn find(parts: &[Part], stints: &[Stint], offset: u64) -> Option<(Part, u64)> {
    parts.iter().filter_map(|part| Some((*part, part.until(stints, offset)?))).max_by_key(|(_, end)| *end)
}

/// The first byte after `offset` that some part holds.
pub(super) fn after(parts: &[Part], stints: &[Stint], offset: u64) -> Option<u64> {
    let starts = parts.iter().map(|part| part.start).chain(stints.iter().map(|stint| stint.from));
    starts.filter(|start| *start > offset && find(parts, stints, *start).is_some()).min()
}

/// The ranges of `from..to` without its gaps, in pieces of at most `max` bytes.
pub(super) fn pieces(from: u64, to: u64, gaps: &[super::Gap], max: u64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let mut at = from;
    let stops = gaps.iter().map(|gap| (gap.offset, gap.end())).chain([(to, to)]);
    for (stop, go_on) in stops {
        while at < stop.min(to) {
            let end = (at + max).min(stop).min(to);
            all.push((at, end));
            at = end;
        }
        at = at.max(go_on);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{super::Gap, *};

    fn part(start: u64, end: u64, tag: u64) -> Part {
        Part { start, end, tag }
    }

    #[test]
    fn what_a_deposed_writer_left_beyond_its_stint_does_not_count() {
        let stints = [Stint { from: 0, tag: 1 }, Stint { from: 100, tag: 2 }];
        // The first writer wrote 50..150, of which 100 bytes were recorded before another one took over.
        let parts = [part(0, 50, 1), part(50, 150, 1), part(100, 120, 2), part(150, 160, 1), part(130, 140, 2)];
        assert_eq!(find(&parts, &stints, 60), Some((part(50, 150, 1), 100)));
        assert_eq!(find(&parts, &stints, 100), Some((part(100, 120, 2), 120)));
        assert_eq!(find(&parts, &stints, 155), None);
        assert_eq!((after(&parts, &stints, 120), after(&parts, &stints, 140)), (Some(130), None));
        assert_eq!(find(&parts, &[], 60), None);
    }

    #[test]
    fn of_two_overlapping_parts_of_one_writer_the_longer_is_read() {
        let stints = [Stint { from: 0, tag: 1 }];
        let parts = [part(0, 50, 1), part(0, 80, 1)];
        assert_eq!(find(&parts, &stints, 10), Some((part(0, 80, 1), 80)));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let key = LogKey {
            attempt: crate::domain::AttemptRef { task: crate::domain::TaskId(1_042), attempt: crate::domain::AttemptNumber(3) },
            member: 0,
        };
        let path = part(5, 1 << 40, u64::MAX).path(key);
        assert_eq!(path.as_ref(), "logs/1/1042/3-0/000000000005-010000000000-ffffffffffffffff");
        assert_eq!(Part::named(path.filename().unwrap()), Some(part(5, 1 << 40, u64::MAX)));
        for other in ["", "5-4-1", "1-2", "1-2-3-4", "x-y-z"] {
            assert_eq!(Part::named(other), None, "{other}");
        }
    }

    #[test]
    fn pieces_leave_gaps_out() {
        let gaps = [Gap { offset: 5, len: 5 }, Gap { offset: 20, len: 10 }];
        assert_eq!(pieces(0, 40, &gaps, 8), [(0, 5), (10, 18), (18, 20), (30, 38), (38, 40)]);
        assert_eq!(pieces(7, 25, &gaps, 100), [(10, 20)]);
        assert_eq!(pieces(40, 40, &gaps, 8), []);
    }
}
