//! `slipway template render`

use super::{Of, sample::load};
use crate::cli::{
    context::Context,
    exit::{Exit, Failure},
    format::Format,
    queue::native,
};
use serde_json::Value;

/// Prints the Job, or who set what in it.
pub(super) async fn run(context: &Context, of: &Of, provenance: bool) -> Result<Exit, Failure> {
    let job = load(context, of).await?.single(of)?.complete()?;
    let document = if provenance {
        serde_json::to_value(&job.origins).map_err(|error| Failure::new(Exit::Error, error.to_string()))?
    } else {
        job.manifest
    };
    context.document(&text(&document, context.asked())?)?;
    Ok(Exit::Ok)
}

/// YAML, unless JSON is asked for: a manifest has no table.
fn text(document: &Value, format: Option<Format>) -> Result<String, Failure> {
    match format {
        Some(Format::Json) => {
            Ok(serde_json::to_string_pretty(document).map_err(|error| Failure::new(Exit::Error, error.to_string()))? + "\n")
        }
        Some(Format::Jsonl) => Ok(document.to_string() + "\n"),
        _ => Ok(native::yaml(document)),
    }
}
