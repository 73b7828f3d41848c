//! Which tasks wait for which.

use super::{
    ids::TaskId,
    outcome::End,
    state::{FailureClass, Reason, TaskState, words},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The most tasks that one task can wait for.
pub const MAX_DEPENDENCIES: usize = 100;

words!(
    /// What a task that is waited for has to do.
    DependencyKind {
        /// Succeed.
        Success = "success",
        /// End, however.
        Any = "any",
    }
);

words!(
    /// What becomes of a task when one that had to succeed before it did not.
    #[derive(Default)]
    OnFailure {
        /// It is cancelled.
        #[default]
        Cancel = "cancel",
        /// It fails, with class `policy` and reason `DependencyFailed`.
        Fail = "fail",
    }
);

impl DependencyKind {
    /// Whether an end is the one that is waited for.
    #[must_use]
    pub fn is_met_by(self, end: TaskState) -> bool {
        self == Self::Any || end == TaskState::Succeeded
    }
}

impl OnFailure {
    /// How the waiting task ends.
    #[must_use]
    pub fn end(self) -> End {
        match self {
            Self::Cancel => End::Cancelled,
            Self::Fail => End::Failed(FailureClass::Policy, Reason::DependencyFailed),
        }
    }
}

/// One task that another waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The task that is waited for.
    pub on: TaskId,
    /// What it has to do.
    pub kind: DependencyKind,
    /// What follows where it does not.
    pub on_failure: OnFailure,
    /// How it ended, once that has been counted.
    pub ended: Option<TaskState>,
}

impl Dependency {
    /// Whether it ended otherwise than it had to.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.ended.is_some_and(|end| !self.kind.is_met_by(end))
    }
}

/// A ring of things that wait for each other, each for the one after it and the last for the first; none where there is
/// none. `edges[i]` are the things that `i` waits for; what is not in the list is passed over.
#[must_use]
pub fn cycle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    const NEW: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let mut marks = vec![NEW; edges.len()];
    for start in 0..edges.len() {
        if marks[start] != NEW {
            continue;
        }
        marks[start] = OPEN;
        // The way from `start` to here: each node, and how many of its edges have been followed.
        let mut way = vec![(start, 0)];
        while let Some((node, followed)) = way.last_mut() {
            let here = *node;
            let Some(&next) = edges[here].get(*followed) else {
                marks[here] = DONE;
                way.pop();
                continue;
            };
            *followed += 1;
            match marks.get(next) {
                Some(&NEW) => {
                    marks[next] = OPEN;
                    way.push((next, 0));
                }
                Some(&OPEN) => return Some(way.iter().map(|(node, _)| *node).skip_while(|node| *node != next).collect()),
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ring_is_found_and_a_diamond_is_none() {
        assert_eq!(cycle(&[vec![], vec![0], vec![0], vec![1, 2]]), None);
        assert_eq!(cycle(&[vec![0]]), Some(vec![0]));
        assert_eq!(cycle(&[vec![], vec![0, 3], vec![1], vec![2], vec![1]]), Some(vec![1, 3, 2]));
        assert_eq!(cycle(&[vec![7]]), None, "what is not in the list is passed over");
    }

    proptest! {
        #[test]
        fn what_waits_only_for_earlier_ones_has_no_ring_and_every_ring_named_is_one(
            edges in prop::collection::vec(prop::collection::vec(0..12_usize, 0..4), 1..12)
        ) {
            let forward: Vec<Vec<usize>> = edges.iter().enumerate().map(|(i, to)| to.iter().copied().filter(|t| *t < i).collect()).collect();
            prop_assert_eq!(cycle(&forward), None);
            if let Some(ring) = cycle(&edges) {
                for (i, node) in ring.iter().enumerate() {
                    prop_assert!(edges[*node].contains(&ring[(i + 1) % ring.len()]), "{:?} is no ring", ring);
                }
            } else {
                // Without a ring everything can be taken away, one after the other, that waits for nothing left.
                let mut left: Vec<usize> = (0..edges.len()).collect();
                while let Some(at) = left.iter().position(|node| !edges[*node].iter().any(|to| left.contains(to))) {
                    left.remove(at);
                }
                prop_assert!(left.is_empty(), "a ring among {:?} was missed", left);
            }
        }
    }
}
