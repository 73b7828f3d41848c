//! Values of `submit` that are two in one.

use crate::wire::SecretUse;

/// `KEY=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// The variable with a value of a Secret.
pub(super) fn secret(text: &str) -> Result<SecretUse, String> {
    let parts = pair(text).ok().and_then(|(name, of)| Some((name, of.split_once('/')?.0.to_owned(), of.split_once('/')?.1.to_owned())));
    let (env, secret, key) = parts.ok_or_else(|| "write NAME=SECRET/KEY".to_owned())?;
    Ok(SecretUse { env: Some(env), file: None, secret, key })
}

/// The file with a value of a Secret.
pub(super) fn secret_file(text: &str) -> Result<SecretUse, String> {
    secret(text).map(|used| SecretUse { file: used.env, env: None, ..used })
}
