//! What is known right now. Only ever reads.

use super::{Offer, place::Kind};
use crate::{
    cli::{context::Context, style::clean},
    client::Client,
    wire::{Queue, Runner, Task, TaskQuery},
};
use std::collections::BTreeSet;

const LIVE: &str = "waiting,queued,active";
/// How many of one's own tasks are looked at.
const OWN: u32 = 50;
/// How many of all.
const ALL: u32 = 200;

/// What may stand there; nothing where nobody answers.
pub(super) async fn offers(kind: Kind, typed: &str, context: &Context) -> Vec<Offer> {
    if kind == Kind::Contexts {
        let contexts = context.contexts().unwrap_or_default().contexts;
        return contexts.iter().map(|(name, entry)| Offer::new(name, &entry.url)).collect();
    }
    let Ok(client) = context.client() else { return Vec::new() };
    match kind {
        Kind::Tasks => tasks(&client, None, typed).await,
        Kind::LiveTasks => tasks(&client, Some(LIVE), typed).await,
        Kind::Queues => client.queues().await.map(|list| list.items.iter().map(of_queue).collect()).unwrap_or_default(),
        Kind::Runners => client.runners().await.map(|list| list.items.iter().map(of_runner).collect()).unwrap_or_default(),
        Kind::Contexts | Kind::States | Kind::Topics | Kind::Keys => Vec::new(),
    }
}

/// One's own tasks, and those of others once something is typed or one has none.
async fn tasks(client: &Client, state: Option<&str>, typed: &str) -> Vec<Offer> {
    let query = |user: Option<&str>, limit| TaskQuery {
        user: user.map(str::to_owned),
        state: state.map(str::to_owned),
        limit: Some(limit),
        ..TaskQuery::default()
    };
    let (own, all) = (query(Some("@me"), OWN), query(None, ALL));
    let (own, all) = tokio::join!(client.tasks(&own), async {
        let wanted = !typed.is_empty() && !typed.starts_with('@');
        if wanted { client.tasks(&all).await.map(|list| list.items).unwrap_or_default() } else { Vec::new() }
    });
    of_tasks(&own.map(|list| list.items).unwrap_or_default(), &all, typed)
}

/// By id, by name, and as one's last.
fn of_tasks(own: &[Task], all: &[Task], typed: &str) -> Vec<Offer> {
    let mut offers = Vec::new();
    let lasts = if typed.starts_with('@') { 9 } else { 1 };
    for (nth, task) in own.iter().enumerate().take(lasts) {
        let value = if nth == 0 { "@".to_owned() } else { format!("@{}", nth + 1) };
        offers.push(Offer::new(value, format!("{} {}", task.id, about(task))));
    }
    let mut seen = BTreeSet::new();
    for task in own.iter().chain(all).filter(|task| seen.insert(task.id)) {
        offers.push(Offer::new(task.id.to_string(), about(task)));
    }
    let mut named = BTreeSet::new();
    for task in own.iter().chain(all) {
        // A number would be taken for an id, and a name means the newest that has it.
        if let Some(name) = task.name.as_deref().filter(|name| !typed.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()))
            && named.insert(name)
        {
            offers.push(Offer::new(name, format!("{} {}", task.id, state(task))));
        }
    }
    offers
}

fn about(task: &Task) -> String {
    let name = task.name.as_deref().map(|name| clean(name) + " · ").unwrap_or_default();
    format!("{name}{} · {}", state(task), task.queue)
}

/// The phase of what runs, the state of all else.
fn state(task: &Task) -> String {
    task.phase.map_or_else(|| task.state.to_string(), |phase| phase.to_string())
}

fn of_queue(queue: &Queue) -> Offer {
    let counts = queue.counts;
    let stands = if queue.paused.is_some() { "paused · " } else { "" };
    Offer::new(queue.name.to_string(), format!("{stands}{} pending · {} running", counts.waiting + counts.queued, counts.active))
}

fn of_runner(runner: &Runner) -> Offer {
    Offer::new(runner.name.to_string(), format!("{} · {}/{} busy", clean(&runner.kind), runner.active, runner.slots))
}
