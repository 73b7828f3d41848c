//! Reading the end of a failed task's log for the line, and telling it.

use super::{Finder, Found};
use crate::{
    cli::{
        array,
        logs::range_of,
        style::{Tone, clean, cut, paint},
    },
    client::Client,
    wire::{AttemptNumber, Task, TaskId, TaskState},
};
use reqwest::StatusCode;
use std::time::Duration;

/// So much of the end of a log is read, in bytes.
const END: u64 = 1 << 20;
/// So long may it take.
const PATIENCE: Duration = Duration::from_secs(3);
/// As many characters of it are told.
const WIDTH: usize = 160;

/// `line 812: RuntimeError: CUDA out of memory (train.py:41)  (slipway logs 7 --first-error)`, of a task that failed. It is a
/// courtesy: where the log cannot be read at once, or says nothing clear, there is none.
pub(in crate::cli) async fn remark(client: &Client, task: &Task) -> Option<String> {
    if task.state != TaskState::Failed || array::of(task).is_some() || task.attempt == AttemptNumber::NONE {
        return None;
    }
    let (found, whole) = tokio::time::timeout(PATIENCE, look(client, task.id, task.attempt)).await.ok()??;
    // What the task's end says already is not said twice.
    let message = task.ended.as_ref().and_then(|ended| ended.message.as_deref()).map(clean).filter(|message| !message.is_empty());
    if message.is_some_and(|message| found.text.contains(&message)) {
        return None;
    }
    Some(line(&found, whole, task.id))
}

fn line(found: &Found, whole: bool, id: TaskId) -> String {
    // Where the log is longer than what was read, nobody has counted its lines.
    let number = if whole { format!("line {}: ", found.line) } else { String::new() };
    let place = found.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    format!("{number}{}{place}  {}", cut(&found.text, WIDTH), paint(Tone::Faint, &format!("(slipway logs {id} --first-error)")))
}

/// The first error in the end of a log, and whether that is all of it.
async fn look(client: &Client, id: TaskId, attempt: AttemptNumber) -> Option<(Found, bool)> {
    let mut response = client.log_end(id, Some(attempt), END).await.ok()?;
    let first = range_of(&response).map_or(0, |(first, _)| first);
    let part = response.status() == StatusCode::PARTIAL_CONTENT;
    let (mut finder, mut left) = (Finder::default(), END);
    let mut begun = first == 0;
    while let Some(bytes) = response.chunk().await.ok()? {
        match left.checked_sub(bytes.len() as u64) {
            Some(rest) => left = rest,
            // A log with gaps comes from its beginning, and this one is too long.
            None if !part => return None,
            None => break,
        }
        if begun {
            finder.push(&bytes);
        } else if let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            // What is left of a line says nothing.
            begun = true;
            finder.push(&bytes[at + 1..]);
        }
    }
    Some((finder.finish()?, first == 0))
}

/// The line with those around it, numbered.
pub(in crate::cli) fn with_context(found: &Found) -> String {
    let first = found.line - found.before.len() as u64;
    let texts = found.before.iter().chain([&found.text]).chain(&found.after);
    let width = (found.line + found.after.len() as u64).to_string().len();
    let row = |(number, text): (u64, &String)| {
        if number == found.line {
            format!("{}\n", paint(Tone::Bad, format!("> {number:>width$}  {text}").trim_end()))
        } else {
            format!("{}\n", format!("  {number:>width$}  {text}").trim_end())
        }
    };
    (first..).zip(texts).map(row).collect()
}
