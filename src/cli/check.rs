//! Whether what is about to be submitted could ever run, as the server and the clusters of its queue see it.

use super::{
    context::Context,
    exit::{Exit, Failure},
    judged::{Judged, together},
};
use crate::{
    client::{Client, Error},
    wire::{NewTask, QueueName, RenderQuery, RenderRequest, Rendering},
};

/// What stands against a task everywhere; nothing where one cluster at least could run it, or none can be asked.
///
/// # Errors
/// The server does not say.
async fn against(client: &Client, task: &NewTask) -> Result<Vec<Judged>, Error> {
    // A name that is none is the server's to refuse.
    let Ok(queue) = task.queue.as_deref().map_or_else(|| Ok(QueueName::default()), str::parse) else { return Ok(Vec::new()) };
    let request = RenderRequest { task: Some(task.clone()), queue: None };
    let items = client.render_queue(&queue, &RenderQuery::default(), &request).await?.items;
    let judged: Vec<_> = items.into_iter().filter(counts).map(|item| Judged::of(&queue, item).grave()).collect();
    let hopeless = !judged.is_empty() && judged.iter().all(Judged::has_error);
    Ok(if hopeless { together(judged) } else { Vec::new() })
}

/// Whether a preview says something of this task: that of a cluster, or what the queue does not take of it. Without a cluster all
/// else may be for machines, which need no pod.
fn counts(item: &Rendering) -> bool {
    item.runner.is_some() || item.faults.iter().any(|fault| fault.pointer.starts_with("/task"))
}

/// Refuses tasks that no cluster of their queue could ever run, and says why; nothing is submitted then.
///
/// # Errors
/// `Unsatisfiable` where one of them could not; whatever keeps the server from saying.
pub(super) async fn refuse(client: &Client, tasks: &[NewTask], context: &Context) -> Result<(), Failure> {
    for (nth, task) in tasks.iter().enumerate() {
        let found = against(client, task).await?;
        if found.is_empty() {
            continue;
        }
        tell(&found, context);
        let which = if tasks.len() > 1 { format!("task {} of {}", nth + 1, tasks.len()) } else { "the task".to_owned() };
        return Err(Failure::new(Exit::Unsatisfiable, format!("as things are {which} could never run; nothing was submitted"))
            .hint("change what is asked for, name another queue, or submit without --check: it then waits"));
    }
    Ok(())
}

/// Warns a person of a task that was submitted and could never run. That the server does not say is no failure here.
pub(super) async fn warn(client: &Client, task: &NewTask, context: &Context) {
    if !context.console.terminal().stderr {
        return;
    }
    let found = against(client, task).await.unwrap_or_default();
    if !found.is_empty() {
        context.console.note("As things are it could never run:");
        tell(&found, context);
    }
}

fn tell(found: &[Judged], context: &Context) {
    for judged in found {
        context.console.say(&judged.text());
    }
}
