//! `slipway doctor`: whether all of an installation works, and what to do where it does not.
//!
//! Everything is asked over the public API, so it works from anywhere; what only a cluster knows its glue tells the server. First
//! all is looked at (`gather`), then judged by pure functions (`verdicts`), then shown (`report`).

mod canary;
mod certificate;
mod facts;
mod gather;
mod report;
mod verdicts;

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    span::parse_duration,
};
use crate::wire::QueueName;
use clap::ValueEnum;
use report::{Check, Report};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway doctor                        everything that can be seen without submitting a task
  slipway doctor --canary smoke         also submits a task to the queue smoke, and follows it to its end
  slipway doctor --queue gpu-a100       only what concerns this queue, and what concerns them all
  slipway doctor --only rights,queues -o json

It exits with 0 where nothing fails, else with 1. docs/DOCTOR.md says what each check means, and what to do.";

/// The arguments of `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    /// Look at this queue alone; may be repeated
    #[arg(short, long, value_name = "QUEUE")]
    queue: Vec<QueueName>,
    /// Submit a task to this queue, and follow it to its end
    #[arg(long, value_name = "QUEUE")]
    canary: Option<QueueName>,
    /// How long the canary may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5m")]
    timeout: Duration,
    /// This program runs in a pod of the cluster: what pods call must answer here
    #[arg(long)]
    in_cluster: bool,
    /// Make these checks alone
    #[arg(long, value_name = "CHECK", value_enum, value_delimiter = ',', hide_possible_values = true)]
    only: Vec<Check>,
    /// Leave these checks out: server, tls, clock, database, version, token, runners, rights, base-url, queues, security,
    /// pull-secret, capacity, large-body, upload, stream, canary
    #[arg(long, value_name = "CHECK", value_enum, value_delimiter = ',', hide_possible_values = true)]
    skip: Vec<Check>,
    #[command(flatten)]
    pub(super) common: Common,
}

impl DoctorArgs {
    fn wants(&self, check: Check) -> bool {
        (self.only.is_empty() || self.only.contains(&check)) && !self.skip.contains(&check)
    }
}

/// Looks at everything, and says what it found.
pub(super) async fn run(args: DoctorArgs, context: &Context) -> Result<Exit, Failure> {
    let report = Box::pin(report(&args, context)).await?;
    context.print(&report, Report::failed, Report::text)?;
    Ok(if report.ok { Exit::Ok } else { Exit::Error })
}

/// Looks at everything that can be seen without sending anything.
pub(super) async fn examined(context: &Context) -> Result<impl serde::Serialize, Failure> {
    let args = DoctorArgs {
        queue: Vec::new(),
        canary: None,
        timeout: Duration::ZERO,
        in_cluster: false,
        only: Vec::new(),
        skip: vec![Check::LargeBody, Check::Upload, Check::Stream, Check::Canary],
        common: context.common.clone(),
    };
    Box::pin(report(&args, context)).await
}

async fn report(args: &DoctorArgs, context: &Context) -> Result<Report, Failure> {
    let facts = Box::pin(gather::facts(args, context)).await?;
    let checks = Check::value_variants().iter().filter(|check| args.wants(**check));
    let lines = checks.flat_map(|check| verdicts::of(*check, &facts)).collect();
    Ok(Report::new(facts.url, facts.now, facts.client, lines))
}
