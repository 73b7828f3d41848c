//! The process runner's role, alone and inside `up`.

use super::{
    ambient::SystemRng,
    args::{OfferArgs, RunnerArgs},
    bootstrap, surroundings,
};
use crate::{
    client::{Bearer, Client, authorities_in, in_clear},
    runner::process::{self, Config},
    wire::RunnerName,
};
use anyhow::{Result, anyhow, bail};
use std::{path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;

/// `slipway runner`.
pub(super) async fn run(args: RunnerArgs) -> Result<()> {
    let stop = surroundings::stop()?;
    let dir = args.data_dir.clone().unwrap_or_else(surroundings::data_dir);
    let token = match surroundings::variable("SLIPWAY_TOKEN") {
        Some(token) => Bearer::Fixed(token.into()),
        None => token(args.token_file.as_deref().unwrap_or(&dir.join(bootstrap::RUNNER_TOKEN)))?,
    };
    let offer = Offer { name: args.name, queues: args.queues, size: args.offer };
    let ca = args.ca_file.as_deref().map(authorities_in).transpose().map_err(|why| anyhow!(why))?.flatten();
    let url = args.url.as_deref().unwrap_or(crate::cli::DEFAULT_URL);
    if in_clear(url) && !args.allow_plain_http {
        bail!(
            "{url} is plain http: whoever is on the way there could read tokens. Use https, or where that way is yours alone --allow-plain-http \
             (SLIPWAY_ALLOW_PLAIN_HTTP=true)"
        );
    }
    carry(Way { url, ca }, token, &dir, offer, stop).await
}

/// How a runner reaches its server. Whether tokens may go there was judged before.
pub(super) struct Way<'a> {
    pub(super) url: &'a str,
    pub(super) ca: Option<String>,
}

/// The runner token in a file.
pub(super) fn token(file: &Path) -> Result<Bearer> {
    Bearer::of_file(file.to_owned()).map_err(|error| {
        anyhow!(
            "there is no runner token at {} ({error}): name one with --token-file (make one with: slipway token create NAME --role runner)",
            file.display()
        )
    })
}

/// What a runner offers, and as whom.
pub(super) struct Offer {
    pub(super) name: Option<RunnerName>,
    pub(super) queues: Vec<String>,
    pub(super) size: OfferArgs,
}

/// Runs tasks for a server until `stop`; what belongs to them is kept in `DIR/runner`.
pub(super) async fn carry(way: Way<'_>, token: Bearer, dir: &Path, offer: Offer, stop: CancellationToken) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let client = Client::trusting(way.url, None, &format!("slipway-runner/{version}"), way.ca.as_deref())?;
    let client = client.with_bearer(token).allowing_plain_http(true);
    let rng = Arc::new(SystemRng);
    let dir = dir.join("runner");
    let identity = process::identity(&dir, &surroundings::hostname(), &*rng)?;
    let cores = || std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    let config = Config {
        name: offer.name.unwrap_or(identity.name),
        instance: identity.instance,
        queues: offer.queues,
        slots: offer.size.slots.unwrap_or_else(cores),
        gpus: offer.size.gpus.unwrap_or_else(process::gpu_count),
        dir,
        // By this name the very same program is found also after its file was replaced.
        agent: vec!["/proc/self/exe".into(), "agent".into(), "run".into()],
        url: way.url.to_owned(),
        ca: way.ca,
        version,
    };
    Ok(process::run(config, client, rng, stop).await?)
}
