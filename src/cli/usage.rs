//! `slipway usage`: what was used, added up.

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    point::{Point, point},
    style::Tone,
    table::{Cell, Table, cell},
};
use crate::wire::{UsageQuery, UsageReport, UsageSum};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway usage                                    by user, of the last 30 days
  slipway usage --by user,queue --since 7d
  slipway usage --by label:project --since 2026-10-01T00:00:00Z --until 2026-11-01T00:00:00Z
  slipway usage --by queue -o json                 the API's object: slot and GPU seconds

Of attempts that lay across the begin or the end only the part within counts; GPUs are those that tasks asked for. For
operators. Attempt by attempt: slipway export usage.";

/// The arguments of `usage`.
#[derive(Clone, Debug, clap::Args)]
pub struct UsageArgs {
    /// Add up by these, joined by commas: user, queue, label:KEY
    #[arg(long, value_name = "WHAT", default_value = "user")]
    by: String,
    /// From then on: so long ago (7d), or a time
    #[arg(long, value_name = "TIME", value_parser = point, default_value = "30d")]
    since: Point,
    /// Until then, instead of now
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Point>,
    /// Only of this queue
    #[arg(short, long)]
    queue: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Shows what was used.
pub(super) async fn run(args: UsageArgs, context: &Context) -> Result<Exit, Failure> {
    let now = context.now();
    let (since, until) = (Some(args.since.seen_at(now)), args.until.map(|point| point.seen_at(now)));
    let query = UsageQuery { by: Some(args.by), since, until, queue: args.queue };
    let report = context.client()?.usage(&query).await?;
    if report.items.is_empty() && context.asked().is_none() {
        context.console.note("Nothing was used.");
        return Ok(Exit::Ok);
    }
    let names = |report: &UsageReport| report.items.iter().map(|sum| keys(report, sum).join("/")).collect();
    context.print(&report, names, |report| table(report).render(context.headers(), context.width()))?;
    if !report.complete {
        context.console.aside("There is more: these are those with the most GPU hours. Narrow it: --queue, --since, --by.");
    }
    Ok(Exit::Ok)
}

/// What a sum is of, in the order asked for.
fn keys(report: &UsageReport, sum: &UsageSum) -> Vec<String> {
    let of = |by: &String| match by.as_str() {
        "user" => sum.user.clone(),
        "queue" => sum.queue.as_ref().map(ToString::to_string),
        _ => sum.label.clone(),
    };
    report.by.iter().map(|by| of(by).unwrap_or_else(|| "-".to_owned())).collect()
}

fn table(report: &UsageReport) -> Table {
    let mut head: Vec<String> = report.by.iter().map(|by| by.strip_prefix("label:").unwrap_or(by).to_uppercase()).collect();
    head.extend(["TASKS", "ATTEMPTS", "SLOT HOURS", "GPU HOURS", "SHARE", "LOST"].map(str::to_owned));
    let all: u64 = report.items.iter().map(|sum| sum.gpu_seconds).sum();
    let row = |sum: &UsageSum| -> Vec<Cell> {
        let figures = [
            cell(sum.tasks),
            cell(sum.attempts),
            cell(hours(sum.slot_seconds)),
            cell(hours(sum.gpu_seconds)),
            cell(percent(sum.gpu_seconds, all)),
            cell(percent(sum.lost_gpu_seconds, sum.gpu_seconds)).tone((sum.lost_gpu_seconds > 0).then_some(Tone::Warn)),
        ];
        keys(report, sum).into_iter().map(cell).chain(figures).collect()
    };
    Table::named(head, report.items.iter().map(row).collect())
}

/// Hours with one digit behind the point.
fn hours(seconds: u64) -> String {
    let tenths = (seconds + 180) / 360;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A part of a whole; nothing where the whole is nothing.
fn percent(part: u64, of: u64) -> String {
    (u128::from(part) * 100 + u128::from(of) / 2).checked_div(u128::from(of)).map(|percent| format!("{percent} %")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_told_in_hours() {
        let sum = |user: &str, label: Option<&str>, gpu_seconds, lost_gpu_seconds| UsageSum {
            user: Some(user.to_owned()),
            label: label.map(str::to_owned),
            tasks: 12,
            attempts: 14,
            slot_seconds: 36_181,
            gpu_seconds,
            lost_gpu_seconds,
            ..UsageSum::default()
        };
        let at = |text: &str| text.parse().unwrap();
        let report = UsageReport {
            since: at("2026-11-01T00:00:00Z"),
            until: at("2026-11-30T00:00:00Z"),
            by: vec!["user".to_owned(), "label:team".to_owned()],
            items: vec![sum("ada", Some("vision"), 289_448, 28_945), sum("sam", None, 0, 0)],
            complete: true,
        };
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&report).render(true, None)).to_string());
        assert_eq!(keys(&report, &report.items[1]), ["sam", "-"]);
    }
}
