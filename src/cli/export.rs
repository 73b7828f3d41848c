//! `slipway export`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    point::{Point, point},
};
use crate::wire::{AuditExportQuery, ExportQuery};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway export usage --since 30d > usage.jsonl
  slipway export tasks -q gpu --since 2026-10-01T00:00:00Z --until 2026-11-01T00:00:00Z
  slipway export audit --since 90d > audit.jsonl
  slipway export usage --since 30d | jq -s 'group_by(.user)[] | {user: .[0].user, gpuSeconds: map(.gpuSeconds) | add}'

One JSON object a line, oldest first. For operators; the audit log for admins.";

/// The arguments of `export`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// What: tasks, attempts, usage (what each attempt used), or audit (who did what)
    #[arg(value_name = "WHAT", value_enum, hide_possible_values = true)]
    what: What,
    /// Only what was submitted, or claimed, since then: so long ago (30d), or a time
    #[arg(long, value_name = "TIME", value_parser = point)]
    since: Option<Point>,
    /// Only what was submitted, or claimed, before then
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Point>,
    /// Only of this queue
    #[arg(short, long)]
    queue: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Tasks,
    Attempts,
    Usage,
    Audit,
}

/// Prints history as lines of JSON.
pub(super) async fn run(args: ExportArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let now = context.now();
    let (since, until) = (args.since.map(|point| point.seen_at(now)), args.until.map(|point| point.seen_at(now)));
    let history = ExportQuery { since, until, queue: args.queue.clone() };
    let mut response = match args.what {
        What::Tasks => client.export("tasks", &history).await?,
        What::Attempts => client.export("attempts", &history).await?,
        What::Usage => client.export("usage", &history).await?,
        What::Audit if args.queue.is_some() => {
            let failure = Failure::new(Exit::Usage, "the audit log is not kept by queue");
            return Err(failure.hint("Leave out --queue; slipway audit --object queues/NAME shows what was done to a queue."));
        }
        What::Audit => client.export("audit", &AuditExportQuery { since, until }).await?,
    };
    let broken = |e: reqwest::Error| Failure::new(Exit::Error, format!("the export broke off, and what came is not all: {e}"));
    while let Some(bytes) = response.chunk().await.map_err(broken)? {
        context.console.bytes(&bytes)?;
    }
    Ok(Exit::Ok)
}
