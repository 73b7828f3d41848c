//! The exclusive start for a task whose command is its image's own entrypoint: an init container passes it, and only
//! then the entrypoint runs.

use super::{Ambient, Exit, link, place::Place, signals};
use crate::wire::Work;
use std::process::ExitCode;

/// Passes the start of the attempt in `place` and gets the first heartbeat answered. Afterwards the attempt has no agent:
/// its end is what its runner sees.
#[must_use]
pub fn gate(place: &Place, ambient: &Ambient) -> ExitCode {
    place.shield();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let passed = match runtime {
        Ok(runtime) => runtime.block_on(pass(place, ambient)),
        Err(error) => Err(Exit::Fault(format!("cannot start the runtime: {error}"))),
    };
    passed.map_or_else(|exit| exit.end(place), |()| ExitCode::SUCCESS)
}

async fn pass(place: &Place, ambient: &Ambient) -> Result<(), Exit> {
    let assignment = place.assignment()?;
    let signals = signals::listen()?;
    let open = async {
        let (link, started) = link::connect(&assignment, ambient).await?;
        if started.work != Work::Entrypoint {
            return Err(Exit::setup("the gate lets an image's own entrypoint start; the task has a command"));
        }
        link::first_beat(&link).await?;
        if link.cancel.is_cancelled() { Err(Exit::Over("cancelled before the entrypoint began".into())) } else { Ok(()) }
    };
    tokio::select! {
        biased;
        () = signals.drain.cancelled() => Err(Exit::setup("told to stop before the entrypoint began")),
        passed = open => passed,
    }
}
