//! `slipway runner ls`: handled here, hung into the command line by `app`, whose `runner` runs one.

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    span::{age, between},
    style::Tone,
    table::{Table, cell},
};
use crate::wire::{Runner, RunnerList, Timestamp};

/// Examples for the help of `runner ls`.
pub const EXAMPLES: &str = "\
Examples:
  slipway runner ls               every runner, what it carries, and when it was heard";

/// The arguments of `runner ls`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunnerLsArgs {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Runners are heard every 10 s; one that is silent for longer than this shows it.
const SILENT_SECONDS: u64 = 60;

/// Lists runners.
pub(super) async fn ls(_args: RunnerLsArgs, context: &Context) -> Result<Exit, Failure> {
    let runners = context.client()?.runners().await?;
    if runners.items.is_empty() && context.asked().is_none() {
        context.console.note("No runners. Start one: slipway runner");
        return Ok(Exit::Ok);
    }
    let names = |list: &RunnerList| list.items.iter().map(|runner| runner.name.to_string()).collect();
    let now = context.now();
    context.print(&runners, names, |list| table(&list.items, now).render(context.headers(), context.width()))?;
    Ok(Exit::Ok)
}

fn table(runners: &[Runner], now: Timestamp) -> Table {
    let row = |runner: &Runner| {
        let silence = runner.seen_at.map(|at| between(at, now));
        let heard = silence.map_or_else(|| "never".to_owned(), |silence| format!("{} ago", age(silence)));
        let quiet = silence.is_none_or(|silence| silence.as_secs() > SILENT_SECONDS);
        vec![
            cell(&runner.name),
            cell(&runner.kind),
            cell(format!("{}/{}", runner.active, runner.slots)),
            cell(runner.gpus),
            cell(heard).tone(quiet.then_some(Tone::Warn)),
            cell(&runner.version),
            cell(runner.queues.join(",")),
        ]
    };
    Table::new(&["RUNNER", "KIND", "BUSY", "GPUS", "HEARD", "VERSION", "QUEUES"], runners.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::NOW;

    #[test]
    fn runners_show_what_they_carry_and_when_they_were_heard() {
        let runner = |name: &str, seen: Option<&str>| Runner {
            name: name.parse().unwrap(),
            kind: "process".into(),
            version: "0.1.0".into(),
            slots: 8,
            gpus: 1,
            queues: vec!["default".into(), "gpu".into()],
            active: 3,
            registered_at: "2026-11-20T08:00:00Z".parse().unwrap(),
            seen_at: seen.map(|at| at.parse().unwrap()),
            state: None,
            footing: None,
            footing_at: None,
        };
        let runners = [runner("box-k3f9a", Some("2026-11-20T09:22:38Z")), runner("old", Some("2026-11-20T08:22:41Z")), runner("new", None)];
        let at = |width| table(&runners, NOW.parse().unwrap()).render(true, Some(width));
        assert!(anstream::adapter::strip_str(&at(60)).to_string().lines().all(|line| line.len() <= 60));
        insta::assert_snapshot!(anstream::adapter::strip_str(&(at(160) + "\n" + &at(60))).to_string());
    }
}
