//! `slipway admin reap`: what a glue leaves alone because the server does not know it.

use crate::{
    app::{
        ambient::SystemClock,
        args::{Listing, ReapArgs},
        glue,
        surroundings::say,
    },
    cli::table::{Table, cell},
    runner::kubernetes::{Reaper, UnknownJob},
};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    sync::Arc,
};

/// Lists what is unknown; with `--yes` removes what may be removed.
pub(super) async fn run(args: &ReapArgs) -> Result<()> {
    let glue::Prepared { config, found, token } = glue::prepare(args.config.as_deref(), &args.cluster).await?;
    let server = glue::server(&config, token)?;
    let reaper = Reaper::new(config, found, server, Arc::new(SystemClock)).map_err(|why| anyhow!(why))?;
    let unknown = reaper.find().await.map_err(|why| anyhow!(why))?;
    let (theirs, left): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|job| job.is_own || args.installation.contains(&job.installation));
    let (mut rows, mut failed) = (Vec::new(), 0);
    for job in theirs {
        let outcome = if args.yes { reaper.remove(&job).await.map_or_else(Outcome::Failed, |()| Outcome::Removed) } else { Outcome::Would };
        failed += usize::from(matches!(outcome, Outcome::Failed(_)));
        rows.push((job, outcome));
    }
    let others: BTreeSet<_> = left.iter().map(|job| job.installation.clone()).collect();
    rows.extend(left.into_iter().map(|job| (job, Outcome::Left)));
    let text = match args.output {
        Listing::Table => table(&rows),
        Listing::Json => json!({ "items": rows.iter().map(object).collect::<Vec<_>>() }).to_string() + "\n",
    };
    io::stdout().write_all(text.as_bytes()).context("cannot write the list")?;
    if rows.is_empty() {
        say("the server knows every Job under this glue's name");
    }
    if !args.yes && rows.iter().any(|(_, outcome)| *outcome == Outcome::Would) {
        say("nothing was removed: look at them, then add --yes");
    }
    for installation in others {
        say(format_args!(
            "of the installation {installation}, which may be another server's: --installation {installation} names them too"
        ));
    }
    if failed > 0 {
        bail!("{failed} could not be removed");
    }
    Ok(())
}

/// What became of one.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Removed,
    /// It is removed with `--yes`.
    Would,
    /// Its installation was not named.
    Left,
    Failed(String),
}

impl Outcome {
    fn word(&self) -> &str {
        match self {
            Self::Removed => "removed",
            Self::Would => "to remove",
            Self::Left => "left",
            Self::Failed(why) => why,
        }
    }
}

fn table(rows: &[(UnknownJob, Outcome)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let row = |(job, outcome): &(UnknownJob, Outcome)| [&job.namespace, &job.name, &job.installation, outcome.word()].map(cell).to_vec();
    Table::new(&["NAMESPACE", "NAME", "INSTALLATION", "OUTCOME"], rows.iter().map(row).collect()).render(true, None)
}

fn object((job, outcome): &(UnknownJob, Outcome)) -> Value {
    let mut object = json!(job);
    object["outcome"] = match outcome {
        Outcome::Failed(_) => "failed",
        other => other.word(),
    }
    .into();
    if let Outcome::Failed(why) = outcome {
        object["message"] = why.clone().into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, installation: &str) -> UnknownJob {
        let is_own = installation == "k3f9a";
        UnknownJob { namespace: "jobs".into(), name: name.into(), installation: installation.into(), is_own, uid: "u".into() }
    }

    #[test]
    fn what_became_of_each_is_shown() {
        let rows = [
            (job("slw-k3f9a-7-a1", "k3f9a"), Outcome::Would),
            (job("slw-abcde-9-a1", "abcde"), Outcome::Left),
            (job("slw-k3f9a-8-a12", "k3f9a"), Outcome::Failed("delete jobs: 403 Forbidden: no".into())),
        ];
        insta::assert_snapshot!(table(&rows), @"
        NAMESPACE  NAME             INSTALLATION  OUTCOME
        jobs       slw-k3f9a-7-a1   k3f9a         to remove
        jobs       slw-abcde-9-a1   abcde         left
        jobs       slw-k3f9a-8-a12  k3f9a         delete jobs: 403 Forbidden: no
        ");
        insta::assert_snapshot!(object(&rows[2]), @r#"{"installation":"k3f9a","isOwn":true,"message":"delete jobs: 403 Forbidden: no","name":"slw-k3f9a-8-a12","namespace":"jobs","outcome":"failed","uid":"u"}"#);
        assert_eq!(table(&[]), "");
    }
}
