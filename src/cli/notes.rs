//! What attempts say of themselves, for people.

use super::{get::size, style::clean};
use crate::wire::{Attempt, Notes, Progress, TaskId};
use serde_json::Value;

/// The longest value of a result that is shown, in characters.
const LONG: usize = 60;

/// The newest attempt's notes as fields of a block.
pub(super) fn fields(task: TaskId, attempts: &[Attempt]) -> Vec<(&'static str, String)> {
    let Some(notes) = attempts.iter().rev().find_map(|attempt| attempt.notes.as_ref()) else { return Vec::new() };
    let mut fields = Vec::new();
    fields.extend(notes.progress.as_ref().map(|progress| ("progress", progressed(progress))));
    fields.extend((!notes.results.is_empty()).then(|| ("results", results(notes))));
    fields.extend((!notes.outputs.is_empty()).then(|| ("outputs", outputs(task, notes))));
    fields
}

/// `train · 160/1281 (12 %) · epoch 3`
pub(super) fn progressed(progress: &Progress) -> String {
    let counted = progress.done.zip(progress.total).zip(progress.percent());
    let part =
        counted.map(|((done, total), percent)| if total == 100 { format!("{percent} %") } else { format!("{done}/{total} ({percent} %)") });
    let parts = [progress.phase.as_deref().map(clean), part, progress.message.as_deref().map(clean)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// `acc=0.91 best={"epoch":3}`
fn results(notes: &Notes) -> String {
    let shown = notes.results.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let text = clean(&text);
        let cut: String = text.chars().take(LONG).collect();
        let cut = if cut.len() < text.len() { cut + "…" } else { cut };
        if matches!(value, Value::String(text) if text.contains(' ')) {
            format!("{}='{cut}'", clean(name))
        } else {
            format!("{}={cut}", clean(name))
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn outputs(task: TaskId, notes: &Notes) -> String {
    let bytes: u64 = notes.outputs.iter().map(|output| output.size).sum();
    let files = if notes.outputs.len() == 1 { "1 file".to_owned() } else { format!("{} files", notes.outputs.len()) };
    format!("{files}, {}  (slipway outputs get {task})", size(bytes))
}
