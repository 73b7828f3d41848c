//! How many tasks, how long, on how many slots.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    /// The most at once.
    pub(crate) slots: usize,
    /// How long each runs, in milliseconds.
    pub(crate) ms: u64,
    pub(crate) tasks: usize,
}

/// Of the short form.
pub(crate) const SHORT: [Case; 2] = [case(200, 100, 16), case(200, 1_000, 16)];

/// Of the long form. Where a feeder that waits for Jobs would take longer than five minutes a case is played only when it is named.
pub(crate) const LONG: [Case; 8] = [
    case(200, 100, 16),
    case(200, 1_000, 16),
    case(200, 10_000, 16),
    case(2_000, 100, 16),
    case(2_000, 1_000, 16),
    case(2_000, 100, 400),
    case(2_000, 1_000, 400),
    case(2_000, 10_000, 400),
];

const fn case(tasks: usize, ms: u64, slots: usize) -> Case {
    Case { slots, ms, tasks }
}

impl FromStr for Case {
    type Err = String;

    /// Reads `TASKSxMSxSLOTS`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a case is TASKSxMILLISECONDSxSLOTS, such as 200x100x16, and not {text:?}");
        let mut parts = text.split('x').map(|part| part.parse::<u64>().ok().filter(|n| *n > 0));
        let mut next = || parts.next().flatten().ok_or_else(wrong);
        let (tasks, ms, slots) = (next()?, next()?, next()?);
        let count = |n: u64| usize::try_from(n).map_err(|_| wrong());
        Ok(Self { slots: count(slots)?, ms, tasks: count(tasks)? })
    }
}

impl fmt::Display for Case {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks of {} s on {} slots", self.tasks, self.ms as f64 / 1e3, self.slots)
    }
}
