//! `slipway runner ls` and `get`: handled here, hung into the command line by `app`, whose `runner` runs one.

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    span::{age, between},
    style::{Tone, clean},
    table::{Table, cell},
};
use crate::{
    domain::did_you_mean,
    wire::{MissingRight, Runner, RunnerList, RunnerName, Timestamp},
};

/// Examples for the help of `runner ls`.
pub const EXAMPLES: &str = "\
Examples:
  slipway runner ls               every runner, what it carries, and when it was heard";

/// Examples for the help of `runner get`.
pub const GET_EXAMPLES: &str = "\
Examples:
  slipway runner get prod-eu              what it carries, how it stands, what its cluster does not let it do
  slipway runner get prod-eu -o json      the API's object";

/// The arguments of `runner get`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunnerGetArgs {
    /// Its name
    name: RunnerName,
    #[command(flatten)]
    pub(super) common: Common,
}

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

/// Shows one runner.
pub(super) async fn get(args: RunnerGetArgs, context: &Context) -> Result<Exit, Failure> {
    let all = context.client()?.runners().await?.items;
    let Some(runner) = all.iter().find(|runner| runner.name == args.name) else {
        let failure = Failure::new(Exit::NotFound, format!("there is no runner {:?}", args.name.to_string()));
        return Err(match did_you_mean(args.name.as_str(), all.iter().map(|runner| runner.name.as_str())) {
            Some(near) => failure.hint(format!("did you mean {near:?}?")),
            None => failure.hint("all of them: slipway runner ls"),
        });
    };
    context.print(runner, |runner| vec![runner.name.to_string()], |runner| block(runner, context.now()))?;
    Ok(Exit::Ok)
}

/// A runner as a readable block.
fn block(runner: &Runner, now: Timestamp) -> String {
    let ago = |at: Timestamp| format!("{} ago", age(between(at, now)));
    let mut lines = vec![
        ("runner", clean(runner.name.as_str())),
        ("kind", format!("{}, version {}", clean(&runner.kind), clean(&runner.version))),
        ("heard", runner.seen_at.map_or_else(|| "not since the server started".to_owned(), ago)),
        ("registered", ago(runner.registered_at)),
        ("busy", format!("{} of {} slots", runner.active, runner.slots)),
        ("GPUs", runner.gpus.to_string()),
        ("queues", clean(&runner.queues.join(", "))),
    ];
    if let Some(room) = runner.state.as_ref().and_then(|state| state.room.as_ref()) {
        let counted = if room.gpus == u32::MAX { String::new() } else { format!(", {} GPUs free", room.gpus) };
        let named = room.queues.iter().filter(|ask| ask.name != "*" && room.of(&ask.name) != room.max);
        let named = named.map(|ask| format!("; {} {}", clean(&ask.name), room.of(&ask.name))).collect::<Vec<_>>().concat();
        lines.push(("room", format!("{} more attempts{counted}{named}", room.max)));
    }
    if let Some(sight) = runner.state.as_ref().and_then(|state| state.cluster.as_ref()) {
        let answers = if sight.answers { "its API server answers" } else { "its API server does not answer" };
        let silent = match sight.silent.len() {
            0 => String::new(),
            n => format!(", {n} of its watches silent"),
        };
        lines.push(("cluster", format!("{answers}{silent}")));
        if let Some(unknown) = &sight.unknown {
            lines.push(("unknown Jobs", format!("{}: {} (slipway admin reap)", unknown.count, clean(&unknown.named.join(", ")))));
        }
    }
    if let Some(footing) = &runner.footing {
        let told = runner.footing_at.map(|at| format!(", told {}", ago(at))).unwrap_or_default();
        lines.push(("pods call", format!("{}{told}", clean(&footing.agent_url))));
        lines.push(("namespaces", clean(&footing.namespaces.join(", "))));
        lines.push(("reads nodes", if footing.reads_nodes { "yes" } else { "no" }.to_owned()));
        lines.push(("checks queues", if footing.checks_queues { "yes" } else { "no" }.to_owned()));
        let have = footing.needed.saturating_sub(u32::try_from(footing.missing.len()).unwrap_or(u32::MAX));
        lines.push(("rights", format!("{have} of {}", footing.needed)));
        lines.extend(footing.missing.iter().map(|right| ("  missing", clean(&missing(right)))));
        lines.extend(footing.unknown.iter().map(|why| ("  unknown", clean(why))));
    }
    lines.iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect::<Vec<_>>().concat()
}

/// `get pods/log in research: to tell why a pod failed`.
fn missing(right: &MissingRight) -> String {
    let group = if right.group.is_empty() { String::new() } else { format!(".{}", right.group) };
    let place = right.namespace.as_deref().unwrap_or("the whole cluster");
    format!("{} {}{group} in {place}: {}", right.verb, right.resource, right.why)
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

    #[test]
    fn a_runner_is_a_readable_block() {
        let runner: Runner = serde_json::from_value(serde_json::json!({
            "name": "prod-eu", "kind": "kubernetes", "version": "0.1.0", "slots": 64, "gpus": 0, "queues": ["*"], "active": 9,
            "registeredAt": "2026-11-20T08:00:00Z", "seenAt": "2026-11-20T09:22:38Z", "footingAt": "2026-11-20T09:20:41Z",
            "state": {
                "room": {"max": 55, "gpus": 4_294_967_295_u32, "queues": [{"name": "*", "max": 55}, {"name": "gpu", "max": 3}]},
                "cluster": {"answers": true, "unknown": {"count": 2, "named": ["tasks/slw-a-1", "tasks/slw-a-2"]}},
            },
            "footing": {
                "agentUrl": "https://slipway.acme.io", "namespaces": ["tasks", "research"], "readsNodes": true, "checksQueues": false,
                "needed": 21, "missing": [{"namespace": "research", "resource": "pods/log", "verb": "get", "why": "to show logs"}],
            },
        }))
        .unwrap();
        insta::assert_snapshot!(block(&runner, NOW.parse().unwrap()));
    }
}
