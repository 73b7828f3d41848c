//! `slipway queue export`

use super::{apply::asked, native};
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
    },
    wire::{NewQueue, Queue, QueueName},
};

/// Writes queues as `apply` takes them: those that are named, or all.
pub(super) async fn run(context: &Context, names: &[QueueName]) -> Result<Exit, Failure> {
    let client = context.client()?;
    let queues = if names.is_empty() {
        client.queues().await?.items
    } else {
        let mut queues = Vec::new();
        for name in names {
            queues.push(client.queue(name).await?);
        }
        queues
    };
    let whole = |queue: &Queue| NewQueue { name: Some(queue.name.clone()), ..asked(queue) };
    context.document(&native::text(&queues.iter().map(whole).collect::<Vec<_>>(), context.format())?)?;
    Ok(Exit::Ok)
}
