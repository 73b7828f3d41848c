//! `slipway up`: server and runner in one process, with nothing to set up.

use super::{
    args::{self, Cli, Command, UpArgs},
    bootstrap,
    runner::{self, Offer, Way},
    serve::{self, Serving},
    surroundings::{self, say},
};
use crate::{
    cli::{self, Exit},
    client::Bearer,
};
use anyhow::{Context, Result, bail};
use clap::Parser;
use secrecy::SecretString;
use std::{path::Path, process::ExitCode};
use tokio_util::sync::CancellationToken;

/// The sample task: a few lines over a second, so that there is something to watch.
const DEMO: &str =
    "echo \"Hello from task $SLIPWAY_TASK_ID.\"\nfor step in 1 2 3; do sleep 0.3; echo \"step $step of 3\"; done\necho 'Done.'\n";

/// Runs until a signal, or with `--once` until the sample task has ended.
pub(super) async fn run(args: UpArgs) -> Result<ExitCode> {
    let stop = surroundings::stop()?;
    let carrier = Carrier::choose(&args).await?;
    // The runner ends first: it still tells the server what it knows.
    let server_stop = CancellationToken::new();
    let Some(server) = Serving::start(&args.store, serve::Way::default(), server_stop.clone()).await? else { return Ok(ExitCode::SUCCESS) };
    let token_file = server.dir.file(bootstrap::ADMIN_TOKEN);
    say(format_args!("slipway {} is up at {}", env!("CARGO_PKG_VERSION"), server.url));
    say(format_args!("  data         {}", server.dir.path().display()));
    say(format_args!("  admin token  {}", token_file.display()));
    if !args.demo {
        say("  try          slipway submit -- echo hello");
    }
    let token = bootstrap::read_token(&server.dir.file(bootstrap::RUNNER_TOKEN))?.context("the runner token has gone")?;
    let (url, dir) = (server.url.clone(), server.dir.path().to_owned());
    let runner = carrier.carry(&url, token, &dir, stop.child_token());
    let work = async {
        if !args.demo {
            stop.cancelled().await;
            return Ok(None);
        }
        let exit = demo(&url, &token_file.display().to_string(), stop.clone()).await?;
        if !args.once {
            say(format_args!("Still up at {url}; Ctrl-C ends it."));
            stop.cancelled().await;
        }
        Ok::<_, anyhow::Error>(Some(exit))
    };
    tokio::pin!(runner);
    let ended = tokio::select! {
        ended = &mut runner => match ended {
            Ok(()) => Ok(None),
            Err(error) => Err(error.context("the runner failed")),
        },
        ended = work => {
            stop.cancel();
            let left = runner.await;
            ended.and_then(|exit| left.map(|()| exit))
        }
    };
    let active = server.active().await.unwrap_or(0);
    server_stop.cancel();
    server.ended().await?;
    if active > 0 {
        say(format_args!("{active} running task{} on; `slipway up` finds them again.", if active == 1 { " goes" } else { "s go" }));
    }
    let exit = ended?.filter(|_| args.once);
    Ok(ExitCode::from(exit.map_or(0, Exit::code)))
}

/// What runs tasks.
enum Carrier {
    /// On this machine.
    Process(Offer),
    /// In a cluster.
    #[cfg(feature = "glue")]
    Glue(Box<super::glue::Beside>),
}

impl Carrier {
    async fn choose(args: &UpArgs) -> Result<Self> {
        #[cfg(feature = "glue")]
        if args.glue.kubernetes {
            return Ok(Self::Glue(Box::new(super::glue::Beside::prepare(&args.glue, &args.store.listen).await?)));
        }
        Ok(Self::Process(Offer { name: None, queues: vec!["*".to_owned()], size: args.offer.clone() }))
    }

    /// Runs tasks for the server at `url` until `stop`.
    async fn carry(self, url: &str, token: SecretString, dir: &Path, stop: CancellationToken) -> Result<()> {
        match self {
            Self::Process(offer) => runner::carry(Way { url, ca: None }, Bearer::Fixed(token), dir, offer, stop).await,
            #[cfg(feature = "glue")]
            Self::Glue(glue) => glue.carry(url, Bearer::Fixed(token), stop).await,
        }
    }
}

/// Submits the sample task as a user would, and follows it.
async fn demo(url: &str, token_file: &str, interrupt: CancellationToken) -> Result<Exit> {
    let words = ["slipway", "submit", "--url", url, "--token-file", token_file, "--follow", "--name", "demo", "--", "sh", "-c", DEMO];
    let Command::User(command) = Cli::try_parse_from(words)?.command else { bail!("submit is a user's command") };
    // The sample is the same wherever it is started.
    let around = cli::Surroundings { interrupt, sources: cli::Sources::default(), ..surroundings::gather(args::root) };
    Ok(cli::run(*command, around).await)
}
