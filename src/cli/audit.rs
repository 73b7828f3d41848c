//! `slipway audit`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    point::{Point, point},
    span::{age, between},
    style::Tone,
    table::{Table, cell},
};
use crate::wire::{AuditEntry, AuditList, AuditQuery, Timestamp};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway audit                               what was done last, by whom
  slipway audit --user lena --since 7d
  slipway audit --object queues/gpu           who changed the queue gpu, paused it, ...
  slipway audit --action cancelTask -o json
  slipway export audit --since 90d > audit.jsonl

One entry for each call of a known user that would change something, refused ones (403) included. For admins.";

/// The arguments of `audit`.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    /// Only by this user
    #[arg(long)]
    user: Option<String>,
    /// Only of this action, as the API document calls it: cancelTask, applyQueue
    #[arg(long)]
    action: Option<String>,
    /// Only to this object, or what belongs to it: tasks/1042, queues/gpu, tokens
    #[arg(long)]
    object: Option<String>,
    /// Only since then: so long ago (7d), or a time
    #[arg(long, value_name = "TIME", value_parser = point)]
    since: Option<Point>,
    /// Only before then
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Point>,
    /// So many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Shows who did what.
pub(super) async fn run(args: AuditArgs, context: &Context) -> Result<Exit, Failure> {
    let now = context.now();
    let query = AuditQuery {
        user: args.user,
        action: args.action,
        object: args.object,
        since: args.since.map(|point| point.seen_at(now)),
        until: args.until.map(|point| point.seen_at(now)),
        limit: Some(args.limit),
        cursor: None,
    };
    let log = context.client()?.audit(&query).await?;
    if log.items.is_empty() && context.asked().is_none() {
        context.console.note("Nothing was done.");
        return Ok(Exit::Ok);
    }
    let ids = |log: &AuditList| log.items.iter().map(|entry| entry.id.to_string()).collect();
    context.print(&log, ids, |log| table(&log.items, now).render(context.headers(), context.width()))?;
    if log.next_cursor.is_some() {
        context.console.aside(format_args!("There is more: --limit, --since, or slipway export audit."));
    }
    Ok(Exit::Ok)
}

fn table(entries: &[AuditEntry], now: Timestamp) -> Table {
    let row = |entry: &AuditEntry| {
        let failed = entry.status >= 400;
        vec![
            cell(format!("{} ago", age(between(entry.at, now)))),
            cell(&entry.user),
            cell(&entry.action),
            cell(&entry.object),
            cell(entry.status).tone(failed.then_some(Tone::Warn)),
            cell(&entry.address),
            cell(&entry.request_id).tone(Tone::Faint),
        ]
    };
    Table::new(&["WHEN", "USER", "ACTION", "OBJECT", "STATUS", "FROM", "REQUEST"], entries.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::NOW;

    #[test]
    fn entries_show_who_did_what() {
        let entry = |user: &str, action: &str, object: &str, status| AuditEntry {
            id: 7,
            at: "2026-11-20T09:12:41Z".parse().unwrap(),
            user: user.into(),
            action: action.into(),
            object: object.into(),
            address: "192.0.2.7".into(),
            status,
            request_id: "0198c0de".into(),
        };
        let entries = [entry("ada", "applyQueue", "queues/gpu", 200), entry("sam", "cancelTask", "tasks/1042", 403)];
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&entries, NOW.parse().unwrap()).render(true, None)).to_string());
    }
}
