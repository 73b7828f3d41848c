//! One server at a time serves a Postgres database: the others wait for their turn.

use super::{pod::Pod, surroundings::say};
use crate::{
    server::{Listener, stand_by},
    store::{Ambient, Store, StoreError},
};
use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// How often a server that stands by tries. The lock goes with the connection of the one that held it, so this is most of
/// what a take-over takes.
const PAUSE: Duration = Duration::from_millis(250);

/// Opens the database once no other server writes to it; until then the listener answers that this one stands by. None where
/// it was stopped before. In a pod it is ready to take over once the pod's label says that it stands by.
///
/// # Errors
/// The database cannot be opened, for a reason that waiting does not mend.
pub(super) async fn wait(
    database: &SecretString,
    ambient: Ambient,
    listener: &Listener,
    pod: Option<&Pod>,
    stop: &CancellationToken,
) -> Result<Option<(Store, JoinHandle<()>)>> {
    let done = stop.child_token();
    let mut said = String::new();
    let ready = watch::Sender::new(false);
    let answers = stand_by(listener, ambient.clock.clone(), ready.subscribe(), done.clone());
    let turn = async {
        let _done = done.clone().drop_guard();
        loop {
            let error = match Store::connect(database.expose_secret(), ambient.clone()).await {
                Err(error) if error.may_pass() => error,
                opened => return opened.map(Some).context("cannot open the database"),
            };
            // A database that does not answer is nothing that one could take over.
            ready.send_replace(matches!(error, StoreError::Taken) && pod.is_none_or(Pod::is_known_to_stand_by));
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
    let (turn, ()) = tokio::join!(turn, answers);
    turn
}
