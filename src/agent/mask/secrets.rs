//! What must not show.

use super::{LEAST, forms::forms};
use std::{collections::BTreeSet, fmt};

/// The most bytes that all forms together may have: what bounds the agent's memory.
const MOST: usize = 1 << 20;

/// The values that a [`super::Mask`] keeps out of a stream.
#[derive(Default)]
pub struct Secrets {
    forms: BTreeSet<Vec<u8>>,
    bytes: usize,
    warnings: Vec<String>,
}

impl Secrets {
    /// Adds the value of what is called `name`. Where it cannot be masked there is a warning instead, which has the name and
    /// nothing of the value.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        if value.trim_ascii().is_empty() {
            return;
        }
        if value.trim_ascii().len() < LEAST {
            return self.warn(format!("the value of {name} is shorter than {LEAST} bytes and is not masked"));
        }
        // Itself and three of base64, for a start: what is longer would not fit anyway.
        let new = if value.len() > MOST / 5 { None } else { Some(forms(value)) };
        let bytes = |new: &BTreeSet<Vec<u8>>| self.bytes + new.difference(&self.forms).map(Vec::len).sum::<usize>();
        match new.map(|new| (bytes(&new), new)) {
            Some((bytes, new)) if bytes <= MOST => {
                self.bytes = bytes;
                self.forms.extend(new);
            }
            _ => self.warn(format!("the value of {name} is too long and is not masked")),
        }
    }

    /// Says that something is not masked.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// What is not masked, a line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every form of every value, in order.
    pub(super) fn forms(&self) -> impl Iterator<Item = Vec<u8>> {
        self.forms.iter().cloned()
    }
}

/// How many forms, and no values.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}
