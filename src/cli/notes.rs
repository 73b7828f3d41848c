//! What attempts say of themselves, for people.

use super::{get::size, style::clean};
use crate::wire::{Attempt, Notes, Progress, Step, TaskId};
use serde_json::Value;

/// The longest value of a result that is shown, in characters.
const LONG: usize = 60;

/// The newest attempt's notes as fields of a block.
pub(super) fn fields(task: TaskId, attempts: &[Attempt]) -> Vec<(&'static str, String)> {
    let Some(notes) = attempts.iter().rev().find_map(|attempt| attempt.notes.as_ref()) else { return Vec::new() };
    let mut fields = Vec::new();
    fields.extend((!notes.setup.is_empty()).then(|| ("set-up", set_up(notes))));
    fields.extend(notes.progress.as_ref().map(|progress| ("progress", progressed(progress))));
    fields.extend((!notes.results.is_empty()).then(|| ("results", results(notes))));
    fields.extend((!notes.outputs.is_empty()).then(|| ("outputs", outputs(task, notes))));
    fields
}

/// `git https://…: 0.1 s, environment 94e0029 (uv, uv.lock): 0.2 s; 12 packages`
fn set_up(notes: &Notes) -> String {
    let step = |step: &Step| {
        let failed = if step.failed { ", failed" } else { "" };
        format!("{}: {}.{} s{failed}", clean(&step.what), step.took_ms / 1_000, step.took_ms % 1_000 / 100)
    };
    let steps = notes.setup.iter().map(step).collect::<Vec<_>>().join(", ");
    match notes.packages.len() {
        0 => steps,
        1 => format!("{steps}; 1 package"),
        many => format!("{steps}; {many} packages"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::attempt,
        wire::{Output, Sha256},
    };
    use serde_json::json;

    #[test]
    fn what_an_attempt_says_is_read_at_a_glance() {
        let notes = Notes {
            setup: vec![
                Step { what: "git https://git.example.com/a @ 4f2a91c".into(), took_ms: 149, failed: false },
                Step { what: "environment (uv, uv.lock)".into(), took_ms: 12_050, failed: true },
            ],
            packages: vec!["numpy==2.3".into(), "torch==2.9".into()],
            progress: Some(Progress { phase: Some("train".into()), done: Some(160), total: Some(1281), message: Some("epoch 3".into()) }),
            results: [("acc".to_owned(), json!(0.91)), ("best".to_owned(), json!({"epoch": 3})), ("name".to_owned(), json!("a b\u{1b}"))]
                .into(),
            outputs: vec![Output { path: "model.pt".into(), size: 3_500_000, sha256: Sha256::of(b""), executable: false }],
            ..Notes::default()
        };
        let said = Attempt { notes: Some(notes), ..attempt(1, None) };
        let fields = fields(TaskId(7), &[said, attempt(2, None)]);
        let lines: Vec<_> = fields.iter().map(|(name, value)| format!("{name:<11}{value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        set-up     git https://git.example.com/a @ 4f2a91c: 0.1 s, environment (uv, uv.lock): 12.0 s, failed; 2 packages
        progress   train · 160/1281 (12 %) · epoch 3
        results    acc=0.91 best={"epoch":3} name='a b\u{1b}'
        outputs    1 file, 3.3 MiB  (slipway outputs get 7)
        "#);
        let percent = Progress { done: Some(42), total: Some(100), ..Progress::default() };
        assert_eq!(progressed(&percent), "42 %");
    }
}
