//! `slipway queue history`

use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        span::{age, between},
        table::{Table, cell},
    },
    wire::{QueueName, QueueRevision, QueueRevisionList, Timestamp},
};

/// Lists the revisions of a queue, or shows one as it was applied.
pub(super) async fn run(context: &Context, name: &QueueName, revision: Option<i64>) -> Result<Exit, Failure> {
    let client = context.client()?;
    if let Some(revision) = revision {
        let shown = client.queue_revision(name, revision).await?;
        context.print(&shown, |shown| vec![shown.revision.to_string()], block)?;
        return Ok(Exit::Ok);
    }
    let list = client.queue_revisions(name).await?;
    let names = |list: &QueueRevisionList| list.items.iter().map(|item| item.revision.to_string()).collect();
    let now = context.now();
    context.print(&list, names, |list| table(&list.items, now).render(context.headers(), context.width()))?;
    Ok(Exit::Ok)
}

fn table(items: &[QueueRevision], now: Timestamp) -> Table {
    let row = |item: &QueueRevision| vec![cell(item.revision), cell(age(between(item.at, now))), cell(item.by.as_deref().unwrap_or("?"))];
    Table::new(&["REVISION", "AGE", "BY"], items.iter().map(row).collect())
}

/// The document as it was applied, to be applied again.
fn block(shown: &QueueRevision) -> String {
    let document = shown.queue.as_ref().and_then(|queue| serde_yaml::to_string(queue).ok()).unwrap_or_default();
    let by = shown.by.as_deref().unwrap_or("?");
    format!("# revision {} of the queue {}, applied by {by} at {:.0}\n{document}", shown.revision, shown.name, shown.at)
}
