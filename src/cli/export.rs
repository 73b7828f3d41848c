//! `slipway export`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    span::parse_duration,
};
use crate::wire::{ExportQuery, Timestamp};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway export usage --since 30d > usage.jsonl
  slipway export tasks -q gpu --since 2026-10-01T00:00:00Z --until 2026-11-01T00:00:00Z
  slipway export usage --since 30d | jq -s 'group_by(.user)[] | {user: .[0].user, gpuSeconds: map(.gpuSeconds) | add}'

One JSON object a line, oldest first. For operators.";

/// The arguments of `export`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// What: tasks, attempts, or usage (what each attempt used)
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
}

/// A point in time as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Ago(Duration),
    At(Timestamp),
}

impl Point {
    fn seen_at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
            Self::At(at) => at,
        }
    }
}

fn point(text: &str) -> Result<Point, String> {
    let fail = |_| format!("{text:?} is no time: write how long ago (30d, 2h30m), or a time such as 2026-11-01T00:00:00Z");
    parse_duration(text).map(Point::Ago).or_else(|_| text.parse().map(Point::At).map_err(fail))
}

/// Prints history as lines of JSON.
pub(super) async fn run(args: ExportArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let now = context.now();
    let query = ExportQuery {
        since: args.since.map(|point| point.seen_at(now)),
        until: args.until.map(|point| point.seen_at(now)),
        queue: args.queue,
    };
    let what = match args.what {
        What::Tasks => "tasks",
        What::Attempts => "attempts",
        What::Usage => "usage",
    };
    let mut response = client.export(what, &query).await?;
    let broken = |e: reqwest::Error| Failure::new(Exit::Error, format!("the export broke off, and what came is not all: {e}"));
    while let Some(bytes) = response.chunk().await.map_err(broken)? {
        context.console.bytes(&bytes)?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_how_long_ago_or_when() {
        let now: Timestamp = "2026-11-20T09:22:41Z".parse().unwrap();
        let read = |text| point(text).map(|point| point.seen_at(now).to_string());
        assert_eq!(read("30d"), Ok("2026-10-21T09:22:41Z".to_owned()));
        assert_eq!(read("2026-11-01T00:00:00+01:00"), Ok("2026-10-31T23:00:00Z".to_owned()));
        assert!(read("yesterday").unwrap_err().contains("write how long ago"));
    }
}
