//! One server at a time serves a Postgres database: the others wait for their turn.

use super::surroundings::say;
use crate::{
    server::{Listener, stand_by},
    store::{Ambient, Store},
};
use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often a server that stands by tries. The lock goes with the connection of the one that held it, so this is most of
/// what a take-over takes.
const PAUSE: Duration = Duration::from_millis(250);

/// Opens the database once no other server writes to it; until then the listener answers that this one stands by. None where
/// it was stopped before.
///
/// # Errors
/// The database cannot be opened, for a reason that waiting does not mend.
pub(super) async fn wait(
    database: &SecretString,
    ambient: Ambient,
    listener: &Listener,
    stop: &CancellationToken,
) -> Result<Option<(Store, JoinHandle<()>)>> {
    let done = stop.child_token();
    let mut said = String::new();
    let turn = async {
        let _done = done.clone().drop_guard();
        loop {
            let error = match Store::connect(database.expose_secret(), ambient.clone()).await {
                Err(error) if error.may_pass() => error,
                opened => return opened.map(Some).context("cannot open the database"),
            };
            if said != error.to_string() {
                said = error.to_string();
                say(format_args!("slipway {} stands by: {said}", env!("CARGO_PKG_VERSION")));
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    };
    let (turn, ()) = tokio::join!(turn, stand_by(listener, ambient.clock.clone(), done.clone()));
    turn
}
