//! `slipway queue pause`, `drain`, `resume`, `delete`

use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
    },
    wire::{PauseRequest, Queue, QueueName},
};

/// Pauses a queue.
pub(super) async fn pause(context: &Context, name: &QueueName, reason: Option<String>) -> Result<Exit, Failure> {
    let queue = context.client()?.pause_queue(name, &PauseRequest { reason }, context.key()).await?;
    told(context, &queue, "paused")?;
    if queue.counts.active > 0 {
        let tasks =
            if queue.counts.active == 1 { "1 running task goes on".into() } else { format!("{} running tasks go on", queue.counts.active) };
        context.console.aside(tasks);
    }
    Ok(Exit::Ok)
}

/// Drains a queue.
pub(super) async fn drain(context: &Context, name: &QueueName, reason: Option<String>) -> Result<Exit, Failure> {
    let queue = context.client()?.drain_queue(name, &PauseRequest { reason }, context.key()).await?;
    told(context, &queue, "takes no new tasks")?;
    let counts = queue.counts;
    let left = match counts.waiting + counts.queued + counts.active {
        0 => "it is empty".to_owned(),
        1 => "1 task is left in it".to_owned(),
        n => format!("{n} tasks are left in it"),
    };
    context.console.aside(left);
    Ok(Exit::Ok)
}

/// Resumes a queue.
pub(super) async fn resume(context: &Context, name: &QueueName) -> Result<Exit, Failure> {
    let queue = context.client()?.resume_queue(name, context.key()).await?;
    told(context, &queue, "open again")?;
    Ok(Exit::Ok)
}

/// Deletes a queue.
pub(super) async fn delete(context: &Context, name: &QueueName) -> Result<Exit, Failure> {
    context.client()?.delete_queue(name).await?;
    context.gone(name, "deleted")?;
    Ok(Exit::Ok)
}

fn told(context: &Context, queue: &Queue, what: &str) -> Result<(), Failure> {
    context.print(queue, |queue| vec![queue.name.to_string()], |queue| format!("{} {what}\n", queue.name))
}
