//! Reading what others wrote: never more than is needed, never trusted to have a form.

use super::Quote;
use crate::domain::evidence::{Condition, ContainerFacts, ContainerState, ObjectEvent};

/// The most bytes of somebody else's text in a sentence of ours; the whole stands in the quote.
const MAX_IN_SENTENCE: usize = 300;

/// A text to look for words in, whatever their case.
pub(super) struct Words(String);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Whether any of `words`, which are lower case, occurs.
    pub(super) fn any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.0.contains(word))
    }
}

/// The first line of a text, cut to fit into a sentence.
pub(super) fn line(text: &str) -> &str {
    let first = text.trim().lines().next().unwrap_or_default().trim_end();
    cut(first, MAX_IN_SENTENCE)
}

/// A text that begins as a sentence does.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// At most `max` bytes of a text, cut between characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// What stands between two marks, the first time that both occur.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}

/// An event as a quote.
pub(super) fn event(event: &ObjectEvent) -> Quote {
    Quote { source: format!("Event {}", event.reason), raw: event.message.clone(), at: event.at }
}

/// A condition as a quote.
pub(super) fn condition(condition: &Condition) -> Quote {
    let raw = joined(condition.reason.as_deref(), condition.message.as_deref());
    Quote { source: condition.kind.clone(), raw: if raw.is_empty() { condition.status.clone() } else { raw }, at: condition.at }
}

/// A container's state as a quote.
pub(super) fn container(container: &ContainerFacts) -> Quote {
    let raw = match &container.state {
        ContainerState::Unknown => "unknown".to_owned(),
        ContainerState::Running => "running".to_owned(),
        ContainerState::Waiting { reason, message } => {
            let raw = joined(reason.as_deref(), message.as_deref());
            if raw.is_empty() { "waiting".to_owned() } else { raw }
        }
        ContainerState::Terminated { exit_code, reason, message, .. } => {
            let raw = joined(reason.as_deref(), message.as_deref());
            if raw.is_empty() { format!("exit code {exit_code}") } else { format!("exit code {exit_code}, {raw}") }
        }
    };
    Quote::new(format!("Container {}", container.name), raw)
}

fn joined(reason: Option<&str>, message: Option<&str>) -> String {
    let given: Vec<&str> = [reason, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    given.join(": ")
}
