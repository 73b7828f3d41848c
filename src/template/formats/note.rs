//! What is said about a file that was read.

use super::source::{Node, Place};
use serde::Serialize;
use std::fmt;

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The file cannot be used as it is.
    Error,
    /// It is used, but not all of it means what it meant.
    Warning,
    /// What became of something.
    Info,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "note",
        })
    }
}

/// One thing to say about a file: `12:9: error: queues.gpu.tolerationz: unknown key; did you mean tolerations?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub level: Level,
    /// Where in the file; none where it is about the whole.
    pub at: Option<Place>,
    /// The keys that lead there: `agentk8sglue.queues.gpu.templateOverrides`; empty for the whole file.
    pub path: String,
    /// What there is to say.
    pub message: String,
    /// What to do; none where nothing has to be done.
    pub fix: Option<String>,
}

impl Note {
    pub(super) fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Error, at: None, path: path.into(), message: message.into(), fix: None }
    }

    /// A note about a value.
    pub(super) fn on(level: Level, node: &Node, message: impl Into<String>) -> Self {
        Self { level, at: Some(node.at), path: node.way.to_string(), message: message.into(), fix: None }
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        write!(f, "{}: ", self.level)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.fix {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}
