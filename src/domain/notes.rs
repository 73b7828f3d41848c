//! What an attempt says of itself while it runs, beside its log.

use super::{Course, Sha256, Usage, is_inside};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What an attempt says of itself. Its agent holds the whole and tells the whole each time, so a repeat changes nothing and
/// what comes last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Notes {
    /// What it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// How that changed with time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
    /// The steps by which code and environment were set up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Step>,
    /// The packages in the environment that was made for it, each `name==version`, in the order of their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// How far the command says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What the command found out, by names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Value>))]
    pub results: BTreeMap<String, Value>,
    /// What the command wants its next attempt to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The files that were kept of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
}

/// One step of a set-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Step {
    /// What was done, as the log has it.
    pub what: String,
    /// How long it took, in ms.
    pub took_ms: u64,
    /// Whether it failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// How far a command says it is. Each part stands until it is said anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Progress {
    /// What it does now, in its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How much of `total` is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<u64>,
    /// How much there is to do, in whatever it counts; 100 where it counts per cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// One line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A file that is kept of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    /// Where it was, from the command's working directory on.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// Whether it is a program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

impl Progress {
    /// The longest phase in bytes.
    pub const MAX_PHASE: usize = 64;
    /// The longest message in bytes.
    pub const MAX_MESSAGE: usize = 256;

    /// What is wrong with it.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        let line = |text: &Option<String>, most| text.as_ref().is_none_or(|t| t.len() <= most && !t.chars().any(char::is_control));
        if !line(&self.phase, Self::MAX_PHASE) || self.phase.as_deref() == Some("") {
            return Some(format!("a phase is one line of 1 to {} bytes", Self::MAX_PHASE));
        }
        if !line(&self.message, Self::MAX_MESSAGE) {
            return Some(format!("a message is one line of at most {} bytes", Self::MAX_MESSAGE));
        }
        let counted = match (self.done, self.total) {
            (Some(done), Some(total)) => total > 0 && done <= total,
            (done, total) => done.is_none() && total.is_none(),
        };
        (!counted).then(|| "progress is a part of a whole: done of total, and total is not 0".into())
    }

    /// How much is done, in whole per cent, rounded down.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let (done, total) = (self.done?, self.total?);
        u64::try_from(u128::from(done) * 100 / u128::from(total.max(1))).ok()
    }
}

impl Notes {
    /// The most results.
    pub const MAX_RESULTS: usize = 256;
    /// The longest name of a result in bytes.
    pub const MAX_KEY: usize = 128;
    /// The longest value of a result, as JSON, in bytes.
    pub const MAX_VALUE: usize = 4_096;
    /// The most bytes of all names and values of results together.
    pub const MAX_RESULT_BYTES: usize = 128 << 10;
    /// The longest text for the next attempt, in bytes; it travels in an environment variable.
    pub const MAX_RESUME: usize = 4_096;
    /// The most bytes of all packages together.
    pub const MAX_PACKAGE_BYTES: usize = 64 << 10;
    /// The most steps of a set-up.
    pub const MAX_STEPS: usize = 64;
    /// The longest text of a step, in bytes.
    pub const MAX_STEP: usize = 300;
    /// The most files kept of an attempt.
    pub const MAX_OUTPUTS: usize = 1_000;
    /// The longest path of one, in bytes.
    pub const MAX_PATH: usize = 1_024;
    /// The most bytes of all paths together.
    pub const MAX_PATH_BYTES: usize = 128 << 10;

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with a result of that name.
    #[must_use]
    pub fn wrong_result(key: &str, value: &Value) -> Option<String> {
        let named = (1..=Self::MAX_KEY).contains(&key.len()) && !key.chars().any(char::is_control);
        if !named {
            return Some(format!("the name of a result is one line of 1 to {} bytes", Self::MAX_KEY));
        }
        let long = value.to_string().len() > Self::MAX_VALUE;
        long.then(|| format!("the result {key} has more than {} bytes; a file among the task's outputs may have them", Self::MAX_VALUE))
    }

    /// What is wrong with a text for the next attempt.
    #[must_use]
    pub fn wrong_resume(text: &str) -> Option<String> {
        let fine = text.len() <= Self::MAX_RESUME && !text.contains('\0');
        (!fine).then(|| format!("what the next attempt is told has at most {} bytes and no NUL", Self::MAX_RESUME))
    }

    /// What is wrong with it; an agent says nothing that is.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        if self.results.len() > Self::MAX_RESULTS {
            return Some(format!("an attempt has at most {} results", Self::MAX_RESULTS));
        }
        if self.results.iter().map(|(key, value)| key.len() + value.to_string().len()).sum::<usize>() > Self::MAX_RESULT_BYTES {
            return Some(format!("the results of an attempt have at most {} bytes together", Self::MAX_RESULT_BYTES));
        }
        if let Some(wrong) = self.results.iter().find_map(|(key, value)| Self::wrong_result(key, value)) {
            return Some(wrong);
        }
        if let Some(wrong) = self.resume.as_deref().and_then(Self::wrong_resume).or_else(|| self.progress.as_ref()?.wrong()) {
            return Some(wrong);
        }
        let outputs = self.outputs.len() <= Self::MAX_OUTPUTS
            && self.outputs.iter().all(|output| is_output(&output.path))
            && self.outputs.iter().map(|output| output.path.len()).sum::<usize>() <= Self::MAX_PATH_BYTES;
        let setup = self.setup.len() <= Self::MAX_STEPS && self.setup.iter().all(|step| step.what.len() <= Self::MAX_STEP);
        let packages = self.packages.iter().map(|package| package.len() + 1).sum::<usize>() <= Self::MAX_PACKAGE_BYTES;
        let used = self.usage.as_ref().is_none_or(Usage::is_fit) && self.course.as_ref().is_none_or(Course::is_fit);
        (!(outputs && setup && packages && used)).then(|| "the notes of an attempt are longer than they may be".into())
    }
}

/// Whether `path` can name what a task leaves: relative, within the working directory, one line.
#[must_use]
pub fn is_output(path: &str) -> bool {
    let plain = !path.is_empty() && path.len() <= Notes::MAX_PATH && !path.chars().any(char::is_control);
    plain && is_inside(path)
}
