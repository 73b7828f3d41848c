//! The outside record: lines that tasks write, and nobody else.

/// One line: `task attempt word uid uptime`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) task: i64,
    pub(crate) attempt: u32,
    /// `start` is the first of an attempt; `end` says that the command is about to exit with 0.
    pub(crate) word: String,
    /// The process or pod that wrote it.
    pub(crate) uid: String,
    /// Seconds of the machine's uptime.
    pub(crate) at: f64,
}

impl Line {
    /// What stands in one line of the file; none where it is no such line.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let task = words.next()?.parse().ok()?;
        let attempt = words.next()?.parse().ok()?;
        let (word, uid) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Self { task, attempt, word, uid, at: words.next()?.parse().ok()? })
    }
}
