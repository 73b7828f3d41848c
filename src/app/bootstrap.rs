//! What a new database needs before anyone can use it: the first tokens, and a queue.

use super::data_dir::{DataDir, write_secret};
use crate::{
    domain::{QueueName, Rng, Role, SecretKind, fingerprint, mint_secret, order::Cost, well_formed},
    store::{ApplyQueue, CreateToken, Keeper, Store},
};
use anyhow::{Context, Result, bail};
use secrecy::{ExposeSecret, SecretString};
use std::{fs, io::ErrorKind, path::Path};

/// The file with the admin token.
pub(super) const ADMIN_TOKEN: &str = "admin-token";
/// The file with the runner token.
pub(super) const RUNNER_TOKEN: &str = "runner-token";

/// Makes the tokens of the data directory and the queue `default`, where they are missing; the admin token is in `admin`. That of
/// runners is made where `runners` says so; one that is there counts in any case.
///
/// The file is written before the token is stored, so that a crash between the two leaves a file whose token the next
/// start stores, and never a token that nobody knows.
pub(super) async fn first_things(store: &Store, dir: &DataDir, admin: &Path, runners: bool, rng: &dyn Rng) -> Result<()> {
    let runner = dir.file(RUNNER_TOKEN);
    token(store, admin, "admin", Role::Admin, rng).await?;
    if runners || runner.exists() {
        token(store, &runner, "runner", Role::Runner, rng).await?;
    }
    if store.queues().await?.is_empty() {
        let apply = ApplyQueue {
            name: QueueName::default(),
            doc: "{}".to_owned(),
            cost: Cost::default(),
            by: "slipway".to_owned(),
            if_revision: Some(0),
            kept_by: Keeper::Any,
        };
        if let Err(refusal) = store.run(apply).await? {
            bail!("cannot make the queue default: {refusal:?}");
        }
    }
    Ok(())
}

async fn token(store: &Store, file: &Path, user: &str, role: Role, rng: &dyn Rng) -> Result<()> {
    let secret = match read_token(file) {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            let secret = mint_secret(SecretKind::Api, rng);
            write_secret(file, secret.expose_secret())?;
            secret
        }
        Err(error) => return Err(error),
    };
    let text = secret.expose_secret();
    let hash = fingerprint(text);
    if store.tokens().await?.iter().any(|token| token.hash == hash) {
        return Ok(());
    }
    let tail = text.get(text.len().saturating_sub(4)..).unwrap_or_default().to_owned();
    store
        .run(CreateToken {
            hash,
            user: user.to_owned(),
            role,
            tail,
            by: "slipway".to_owned(),
            expires_at: None,
            queues: None,
            replaces: None,
        })
        .await?;
    Ok(())
}

/// The token in a file; none where there is no file.
///
/// # Errors
/// The file cannot be read, or holds no API token.
pub(super) fn read_token(file: &Path) -> Result<Option<SecretString>> {
    match fs::read_to_string(file) {
        Ok(text) if well_formed(SecretKind::Api, text.trim()) => Ok(Some(text.trim().to_owned().into())),
        Ok(_) => bail!("{} holds no Slipway token (slw_…)", file.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}
