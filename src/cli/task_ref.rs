//! How people name tasks: by id, as an element of an array, by name, or as their last.

use super::{
    context::Context,
    exit::{Exit, Failure},
};
use crate::{
    client::Client,
    wire::{Task, TaskId, TaskQuery},
};
use std::{fmt, str::FromStr};

/// A task as typed: `1042`, `1040_7` for an element of an array, `train-resnet`, `@` for one's last, `@2` for the one
/// before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskRef {
    /// By id.
    Id(TaskId),
    /// An element, by its array and its index.
    Element(TaskId, u32),
    /// By name: the newest with that name, one's own before others'.
    Name(String),
    /// One's own, counted from the newest, which is 1.
    Last(u32),
}

impl FromStr for TaskRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(back) = text.strip_prefix('@') {
            let back = if back.is_empty() { Some(1) } else { back.parse().ok().filter(|n| (1..=1_000).contains(n)) };
            return back.map(Self::Last).ok_or_else(|| "write @ for your last task, @2 for the one before it".to_owned());
        }
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if number(text) {
            return text.parse().map(Self::Id).map_err(|_| "no task has an id that large".to_owned());
        }
        if let Some((array, index)) = text.split_once('_')
            && number(array)
            && number(index)
        {
            let place = array.parse().ok().zip(index.parse().ok());
            return place.map(|(array, index)| Self::Element(array, index)).ok_or_else(|| "no element has numbers that large".to_owned());
        }
        if text.is_empty() { Err("a task is named by its id, its name, or @".to_owned()) } else { Ok(Self::Name(text.to_owned())) }
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Element(array, index) => write!(f, "{array}_{index}"),
            Self::Name(name) => f.write_str(name),
            Self::Last(1) => f.write_str("@"),
            Self::Last(n) => write!(f, "@{n}"),
        }
    }
}

const LIVE: &str = "waiting,queued,active";

impl TaskRef {
    /// The id. A number is taken at its word, everything else is looked up.
    pub(crate) async fn id(&self, context: &Context, client: &Client) -> Result<TaskId, Failure> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Element(array, index) => Ok(client.element(*array, *index).await?.id),
            Self::Last(n) => {
                let query = TaskQuery { user: Some("@me".into()), limit: Some(*n), ..TaskQuery::default() };
                let page = client.tasks(&query).await?;
                let found = usize::try_from(n.saturating_sub(1)).ok().and_then(|i| page.items.get(i));
                found.map(|task| task.id).ok_or_else(|| match page.items.len() {
                    0 => not_found("you have no tasks yet").hint("submit one: slipway submit -- echo hello"),
                    n => not_found(format!("you have only {n} task{}", if n == 1 { "" } else { "s" })),
                })
            }
            Self::Name(name) => {
                for user in [Some("@me".to_owned()), None] {
                    let query = TaskQuery { name: Some(name.clone()), user, limit: Some(1), ..TaskQuery::default() };
                    if let Some(task) = client.tasks(&query).await?.items.first() {
                        context.console.aside(format_args!("{name} is task {}", task.id));
                        return Ok(task.id);
                    }
                }
                Err(not_found(format!("no task is called {name:?}")).hint("see your tasks: slipway ls"))
            }
        }
    }

    /// The id, for commands that stop something: a name must not leave a doubt about which one.
    pub(crate) async fn id_to_stop(&self, context: &Context, client: &Client) -> Result<TaskId, Failure> {
        let Self::Name(name) = self else { return self.id(context, client).await };
        let query = TaskQuery { name: Some(name.clone()), state: Some(LIVE.into()), limit: Some(10), ..TaskQuery::default() };
        match client.tasks(&query).await?.items.as_slice() {
            [] => self.id(context, client).await,
            [task] => Ok(task.id),
            several => Err(ambiguous(name, several)),
        }
    }
}

fn not_found(message: impl Into<String>) -> Failure {
    Failure::new(Exit::NotFound, message)
}

fn ambiguous(name: &str, tasks: &[Task]) -> Failure {
    let ids: Vec<_> = tasks.iter().map(|task| task.id.to_string()).collect();
    Failure::new(Exit::Conflict, format!("{} tasks called {name:?} have not ended: {}", ids.len(), ids.join(", ")))
        .hint("name one by its id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_named_in_five_ways() {
        for (text, expected) in [
            ("1042", TaskRef::Id(TaskId(1042))),
            ("@", TaskRef::Last(1)),
            ("@2", TaskRef::Last(2)),
            ("train", TaskRef::Name("train".into())),
            ("1040_7", TaskRef::Element(TaskId(1040), 7)),
            ("lr_7", TaskRef::Name("lr_7".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for wrong in ["", "@0", "@x", "@-1", "99999999999999999999"] {
            assert!(wrong.parse::<TaskRef>().is_err(), "{wrong:?}");
        }
    }
}
