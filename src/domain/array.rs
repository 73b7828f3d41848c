//! Arrays: many tasks of one description, told apart by an index.

use super::{state::TaskState, task::Work};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The most elements of an array.
pub const MAX_ELEMENTS: u32 = 10_000;
/// The highest index of an element.
pub const MAX_INDEX: u32 = 999_999;
/// What stands for an element's index in the arguments of an array's command.
pub const INDEX: &str = "{index}";

/// A set of indices, written and kept as ranges: `0-31,40`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Indices(
    /// Each the first and the last; sorted, and no two touch.
    Vec<(u32, u32)>,
);

impl Indices {
    /// From 0 on, `n` of them; at least one.
    #[must_use]
    pub fn first(n: u32) -> Self {
        Self(vec![(0, n.saturating_sub(1))])
    }

    /// Those of a list, in whatever order they come.
    #[must_use]
    pub fn of(indices: impl IntoIterator<Item = u32>) -> Self {
        Self::merged(indices.into_iter().map(|index| (index, index)).collect())
    }

    fn merged(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Its ranges, each the first and the last.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        let all: u64 = self.0.iter().map(|(first, last)| u64::from(last - first) + 1).sum();
        u32::try_from(all).unwrap_or(u32::MAX)
    }

    /// Each, from the lowest on.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Whether `index` is among them.
    #[must_use]
    pub fn contains(&self, index: u32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&index))
    }

    /// The highest; 0 where there are none.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.0.last().map_or(0, |(_, last)| *last)
    }

    /// The lowest that is not among `others`.
    #[must_use]
    pub fn first_beyond(&self, others: &Self) -> Option<u32> {
        self.0.iter().find_map(|(first, last)| {
            let covered = others.0.iter().find(|(from, to)| (*from..=*to).contains(first));
            match covered {
                None => Some(*first),
                // Ranges do not touch, so what follows the one that covers the beginning is not covered.
                Some((_, to)) => (to < last).then(|| to + 1),
            }
        })
    }
}

impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

impl From<Indices> for String {
    fn from(indices: Indices) -> Self {
        indices.to_string()
    }
}

impl TryFrom<String> for Indices {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Indices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| -> Result<u32, String> {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse().ok().filter(|_| plain).ok_or_else(|| format!("{text:?} is no index; write indices as 0-31,40"))?;
            if number > MAX_INDEX { Err(format!("the highest index is {MAX_INDEX}")) } else { Ok(number) }
        };
        let mut ranges = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first.trim())?, number(last.trim())?);
            if first > last {
                return Err(format!("the range {part} runs backwards"));
            }
            ranges.push((first, last));
        }
        Ok(Self::merged(ranges))
    }
}

/// What makes a task an array, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySpec {
    /// The indices of its elements.
    pub indices: Indices,
    /// What the elements are told as the array's size.
    pub size: u32,
    /// At most so many elements are out of the throttle at once.
    pub max_parallel: Option<u32>,
}

/// How many elements may leave the throttle of an array with `slots`, of which `open` have not ended, `throttled` of
/// them in the throttle. An element keeps its slot from then to its end, in every pause and
/// every attempt.
#[must_use]
pub fn free_slots(slots: u32, open: u32, throttled: u32) -> u32 {
    let busy = open.saturating_sub(throttled);
    slots.saturating_sub(busy).min(throttled)
}

/// How many elements of an array are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ElementCounts {
    /// Held back.
    pub waiting: u32,
    /// Ready to be claimed.
    pub queued: u32,
    /// With a live attempt.
    pub active: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended otherwise.
    pub failed: u32,
    /// Stopped on request.
    pub cancelled: u32,
}

impl ElementCounts {
    /// How many have not ended.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.waiting + self.queued + self.active
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> u32 {
        self.open() + self.succeeded + self.failed + self.cancelled
    }

    /// The state of the array. One that has ended failed if any element did, else was cancelled if any was.
    #[must_use]
    pub fn state(&self) -> TaskState {
        let first = [
            (self.active, TaskState::Active),
            (self.queued, TaskState::Queued),
            (self.waiting, TaskState::Waiting),
            (self.failed, TaskState::Failed),
            (self.cancelled, TaskState::Cancelled),
        ];
        first.into_iter().find(|(n, _)| *n > 0).map_or(TaskState::Succeeded, |(_, state)| state)
    }
}

/// What the element with this index runs: [`INDEX`] in the arguments of a command becomes the number.
#[must_use]
pub fn work_of(work: &Work, index: u32) -> Work {
    match work {
        Work::Command(argv) => Work::Command(argv.iter().map(|word| word.replace(INDEX, &index.to_string())).collect()),
        other => other.clone(),
    }
}

/// What the environment of an element tells of its place.
#[must_use]
pub fn env_of(array: super::TaskId, index: u32, size: u32) -> [(&'static str, String); 3] {
    [("SLIPWAY_ARRAY_ID", array.to_string()), ("SLIPWAY_ARRAY_INDEX", index.to_string()), ("SLIPWAY_ARRAY_SIZE", size.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn indices_are_written_as_ranges() {
        for (text, shown, count) in
            [("0-31,40", "0-31,40", 33), ("7", "7", 1), ("5,3,4,9-9", "3-5,9", 4), ("0-3,2-8", "0-8", 9), (" 1 - 2 , 3", "1-3", 3)]
        {
            let indices: Indices = text.parse().unwrap();
            assert_eq!((indices.to_string().as_str(), indices.count()), (shown, count), "{text}");
        }
        for wrong in ["", "a", "3-1", "1,,2", "-1", "1-", "+1", "1000000", "99999999999"] {
            assert!(wrong.parse::<Indices>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_list_of_indices_is_the_set_of_them(list in prop::collection::vec(0..60_u32, 1..40), others in prop::collection::vec(0..60_u32, 1..40)) {
            let set: BTreeSet<u32> = list.iter().copied().collect();
            let indices = Indices::of(list);
            prop_assert_eq!(indices.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(indices.to_string().parse::<Indices>().unwrap(), indices.clone());
            prop_assert_eq!(indices.count() as usize, set.len());
            prop_assert_eq!(Some(indices.last()), set.last().copied());
            prop_assert!((0..60).all(|i| indices.contains(i) == set.contains(&i)));
            let others: BTreeSet<u32> = others.into_iter().collect();
            let beyond = set.iter().find(|i| !others.contains(i)).copied();
            prop_assert_eq!(indices.first_beyond(&Indices::of(others)), beyond);
        }
    }

    #[test]
    fn an_array_stands_where_its_furthest_element_does_and_ends_as_its_worst() {
        let counts = ElementCounts { waiting: 1, queued: 1, active: 1, succeeded: 1, failed: 1, cancelled: 1 };
        assert_eq!((counts.state(), counts.open(), counts.all()), (TaskState::Active, 3, 6));
        let counts = ElementCounts { active: 0, ..counts };
        assert_eq!(counts.state(), TaskState::Queued);
        let counts = ElementCounts { queued: 0, ..counts };
        assert_eq!(counts.state(), TaskState::Waiting);
        let counts = ElementCounts { waiting: 0, ..counts };
        assert_eq!(counts.state(), TaskState::Failed);
        let counts = ElementCounts { failed: 0, ..counts };
        assert_eq!(counts.state(), TaskState::Cancelled);
        assert_eq!(ElementCounts { cancelled: 0, ..counts }.state(), TaskState::Succeeded);
    }

    #[test]
    fn as_many_leave_the_throttle_as_there_are_slots() {
        for (slots, open, throttled, free) in [(10, 10, 10, 10), (3, 10, 10, 3), (3, 10, 7, 0), (3, 9, 7, 1), (3, 2, 0, 0), (3, 5, 0, 0)] {
            assert_eq!(free_slots(slots, open, throttled), free, "{slots} {open} {throttled}");
        }
    }

    #[test]
    fn an_element_gets_its_index_as_argument() {
        let work = Work::Command(vec!["train".into(), "--fold={index}/{index}".into(), "{indexes}".into()]);
        assert_eq!(work_of(&work, 7), Work::Command(vec!["train".into(), "--fold=7/7".into(), "{indexes}".into()]));
        assert_eq!(work_of(&Work::Script("{index}".into()), 7), Work::Script("{index}".into()));
    }
}
