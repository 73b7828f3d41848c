//! Why a text is no YAML: the likely slip behind what the parser stumbled over.

use super::Place;

/// What to say of the text in which the parser stopped at `at`, with where the slip is.
pub(super) fn cause(text: &str, at: Place, info: &str) -> (Place, String, Option<String>) {
    let lines: Vec<&str> = text.lines().collect();
    if let Some(fence) = lines.iter().position(|line| line.trim_start().starts_with("```")) {
        let place = Place { line: fence + 1, column: 1 };
        return (place, "this line is Markdown's, not YAML".into(), Some("delete the lines with ```".into()));
    }
    let near = at.line.saturating_sub(2)..at.line.min(lines.len());
    for number in near.rev() {
        let line = lines[number];
        let indent = &line[..line.len() - line.trim_start().len()];
        if let Some(tab) = indent.find('\t') {
            let place = Place { line: number + 1, column: tab + 1 };
            return (
                place,
                "a tab: YAML is indented with spaces".into(),
                Some("replace the tabs at the start of the lines by spaces".into()),
            );
        }
        if let Some(value) = line.find(": `").or_else(|| line.find("- `")) {
            let place = Place { line: number + 1, column: line[..value].chars().count() + 3 };
            return (place, "no value begins with a backtick".into(), Some("put the value into quotes instead".into()));
        }
    }
    let line = at.line.checked_sub(1).and_then(|i| lines.get(i)).copied().unwrap_or_default();
    let begins = ["{{", "${"].iter().any(|sign| line.contains(&format!(": {sign}")) || line.contains(&format!("- {sign}")));
    let fix = if begins && line.contains("{{") {
        Some("a value that begins with { stands in quotes: '{{gpus}}'".to_owned())
    } else if begins {
        Some("a value with ${…} stands in quotes here: '${run_id}'".to_owned())
    } else if info.contains("mapping values are not allowed") {
        Some("is a colon inside of a value? Put the value into quotes".to_owned())
    } else if line.contains(": @") || line.contains(": %") {
        Some("put a value that begins with @ or % into quotes".to_owned())
    } else {
        None
    };
    (at, format!("this is no YAML: {info}"), fix)
}
