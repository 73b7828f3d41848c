//! Files that users write: YAML or JSON, with errors that name the place and the likely slip.

use super::exit::{Exit, Failure};
use crate::domain::did_you_mean;
use serde::de::DeserializeOwned;

/// Reads one document. Unknown fields are errors where the type says so.
///
/// # Errors
/// A message with line, column and path of the fault in `file`.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Failure> {
    serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let at = inner.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        let whole = inner.to_string();
        let what = bare(&whole, &path);
        // An unknown field is named by the message, so only what holds it is left to say.
        let path = if what.starts_with("unknown field") { parent(&path) } else { &path };
        let path = if path.is_empty() || path == "." { String::new() } else { format!("{path}: ") };
        let failure = Failure::new(Exit::Usage, format!("{file}{at}: {path}{}", plain(what)));
        suggestion(what).into_iter().fold(failure, Failure::hint)
    })
}

/// The library's message without path and place, which it repeats in its own way.
fn bare<'a>(whole: &'a str, path: &str) -> &'a str {
    let what = whole.split(" at line ").next().unwrap_or(whole);
    // In a list the library names the list, and we its item.
    let list = path.rsplit_once('[').map_or(path, |(list, _)| list);
    let paths = [path, parent(path), list].map(|path| [format!("{path}: "), format!(".{path}: ")]).concat();
    paths.iter().find_map(|path| what.strip_prefix(path.as_str())).unwrap_or(what)
}

/// The path of what holds the thing at `path`.
fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// The text of a file.
///
/// # Errors
/// It is no UTF-8.
pub(crate) fn text(file: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|e| Failure::usage(format!("{file}: byte {} is no UTF-8 text", e.utf8_error().valid_up_to())))
}

/// serde's `unknown field `x`, expected one of …` without the list, which the hint covers.
fn plain(what: &str) -> String {
    match what.split_once(", expected") {
        Some((unknown, _)) if what.starts_with("unknown field") => unknown.replace('`', "\""),
        _ => match what.split_once("expected struct ") {
            Some((found, _)) => format!("{found}expected fields and values"),
            None => what.replace('`', "\""),
        },
    }
}

fn suggestion(what: &str) -> Option<String> {
    let mut words = what.strip_prefix("unknown field")?.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    let known: Vec<_> = words.collect();
    Some(match did_you_mean(unknown, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known fields: {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::NewTask;

    #[test]
    fn the_example_file_is_a_task() {
        let task: NewTask = parse("examples/task.yaml", include_str!("../../examples/task.yaml")).unwrap();
        assert_eq!((task.name.as_deref(), task.timeout_seconds), (Some("count"), Some(600)));
    }

    #[test]
    fn faults_are_named_with_place_and_remedy() {
        let told = |text: &str| {
            let failure = parse::<NewTask>("task.yaml", text).unwrap_err();
            [failure.message.unwrap()].into_iter().chain(failure.hints).collect::<Vec<_>>().join("\n  ")
        };
        let all = [
            "command: [true]\nquue: gpu\n",
            "command: [\"true\"]\nresources:\n  gpu: 1\n",
            "command: [\"true\"]\nretries: {user: many}\n",
            "command: true\n",
            "priority: urgent\n",
            "zebra: 1\n",
            "command: [\n",
            "- a\n",
        ]
        .map(told)
        .join("\n");
        insta::assert_snapshot!(all);
        assert_eq!(text("x", vec![b'a', 0xff]).unwrap_err().message.unwrap(), "x: byte 1 is no UTF-8 text");
    }
}
