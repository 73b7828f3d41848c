//! Macros: what a template says of the task whose pod it becomes, from one fixed list.

use super::{
    Fault,
    pointer::{below, steps},
    text::{DOLLAR, Piece, RECORD, VALUE_DOLLAR, each, pieces, pieces_filled},
    variables::Values,
};
use crate::domain::did_you_mean;
use serde_json::Value;

/// The names of macros: ours, then those of W&B Launch.
const NAMES: [&str; 15] = [
    "id",
    "name",
    "user",
    "queue",
    "owner",
    "project",
    "attempt",
    "runner",
    "image",
    "run_id",
    "run_name",
    "project_name",
    "entity_name",
    "image_uri",
    "author",
];
/// The paths of ClearML's records that a task has.
const PATHS: [&str; 5] = ["id", "name", "project", "user", "queue"];
/// The path of a variable's value.
const VARIABLES: &str = "variables.";

/// What is known of a task when its pod is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Its id; 0 before it has one.
    pub id: i64,
    /// The number of its attempt.
    pub attempt: u32,
    /// Its name.
    pub name: Option<&'a str>,
    /// Who submitted it.
    pub user: &'a str,
    /// Its queue.
    pub queue: &'a str,
    /// Who answers for the queue.
    pub owner: Option<&'a str>,
    /// What it belongs to: its label `project`.
    pub project: Option<&'a str>,
    /// Who runs it.
    pub runner: Option<&'a str>,
}

/// What macros are expanded from.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) values: &'a Values,
    /// The image of the task.
    pub(super) image: Option<&'a str>,
}

/// What is wrong with the macros of a document: names that there are not.
pub(super) fn check(at: &str, part: &Value, faults: &mut Vec<Fault>) {
    each(at, part, &mut |at, text| {
        for piece in pieces(text) {
            if let Piece::Macro(inside) = piece {
                faults.extend(strange(inside).map(|message| Fault::new(at, message)));
            }
        }
    });
}

/// Why there is no such macro; none where there is.
fn strange(inside: &str) -> Option<String> {
    if let Some(path) = inside.strip_prefix(RECORD).and_then(|rest| rest.strip_prefix('.')) {
        let (path, default) = path.split_once(':').map_or((path, None), |(path, default)| (path, Some(default)));
        if let Some((path, operation)) = path.split_once('|') {
            return Some(format!("${{{RECORD}.{path}|{operation}}}: operations are not known; write ${{{RECORD}.{path}}}"));
        }
        let known = PATHS.contains(&path) || path.starts_with(VARIABLES);
        let known_paths = || format!("{}, {VARIABLES}NAME", PATHS.join(", "));
        return (!known && default.is_none())
            .then(|| format!("a task has no {path:?}: give a default, ${{{RECORD}.{path}:text}}, or take one of {}", known_paths()));
    }
    if NAMES.contains(&inside) || inside == DOLLAR || inside == VALUE_DOLLAR {
        return None;
    }
    let near = did_you_mean(inside, NAMES).map(|near| format!(" Did you mean ${{{near}}}?")).unwrap_or_default();
    Some(format!(
        "there is no macro ${{{inside}}}.{near} Where the text itself is meant, write $${{{inside}}}; the macros are {}",
        NAMES.join(", ")
    ))
}

/// The texts of a pod template that have macros or escapes: the pointer of each.
pub(super) fn places(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["metadata", "spec"] {
        each(&below("", part), &template[part], &mut |at, _| found.push(at.to_owned()));
    }
    found
}

/// Expands the texts at `places`. Each stays one text, whatever the values say.
pub(super) fn expand(template: &mut Value, places: &[String], known: &Known<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for place in places {
        let Some(Value::String(text)) = template.pointer_mut(place) else { continue };
        match expanded(text, Place::of(place), known) {
            Ok(with) => *text = with,
            Err(fault) => faults.push(fault),
        }
    }
    faults
}

/// What a text is for, and how its values are therefore written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The value of a label: made one that is legal.
    Label,
    /// The name of the object: as a label of a DNS name.
    Name,
    /// Kubernetes expands `$(NAME)` in it: what a value says is not to be expanded.
    Expanded,
    Plain,
}

impl Place {
    fn of(pointer: &str) -> Self {
        let steps = steps(pointer).unwrap_or_default();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        match steps.as_slice() {
            ["metadata", "labels", _] | [.., "metadata", "labels", _] => Self::Label,
            ["metadata", "name"] => Self::Name,
            [.., "env", _, "value"] | [.., "command" | "args", _] => Self::Expanded,
            _ => Self::Plain,
        }
    }
}

fn expanded(text: &str, place: Place, known: &Known<'_>) -> Result<String, Fault> {
    let mut out = String::new();
    for piece in pieces_filled(text) {
        match piece {
            // There are no variables any more.
            Piece::Plain(text) | Piece::Variable(text) => out += text,
            Piece::Escape => out += "${",
            Piece::Macro(DOLLAR | VALUE_DOLLAR) => out += if place == Place::Expanded { "$$" } else { "$" },
            Piece::Macro(inside) => {
                let value = value(inside, known)?;
                if place == Place::Expanded { out += &value.replace('$', "$$") } else { out += &value }
            }
        }
    }
    Ok(match place {
        Place::Label => label(&out),
        Place::Name => name(&out),
        Place::Expanded | Place::Plain => out,
    })
}

/// The value of a macro, as text. A fault leads into the task.
fn value(inside: &str, known: &Known<'_>) -> Result<String, Fault> {
    let facts = known.facts;
    if let Some(path) = inside.strip_prefix(RECORD).and_then(|rest| rest.strip_prefix('.')) {
        let (path, default) = path.split_once(':').map_or((path, None), |(path, default)| (path, Some(default)));
        let found = match path {
            "id" => Some(facts.id.to_string()),
            "name" => facts.name.map(str::to_owned),
            "project" => facts.project.map(str::to_owned),
            "user" => Some(facts.user.to_owned()),
            "queue" => Some(facts.queue.to_owned()),
            path => path.strip_prefix(VARIABLES).and_then(|name| known.values.get(name)).map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }),
        };
        return found.or(default.map(str::to_owned)).ok_or_else(|| {
            let variable = path.strip_prefix(VARIABLES);
            if let Some(name) = variable {
                return Fault::new(below("/variables", name), format!("the queue's template asks for a variable that it does not have (${{{inside}}})"));
            }
            let (at, what) = if path == "project" { ("/labels/project", "label project") } else { ("/name", "name") };
            Fault::new(at, format!("the queue's template asks for it (${{{inside}}}): give the task a {what}, or the template a default, ${{{RECORD}.{path}:text}}"))
        });
    }
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(match inside {
        "id" | "run_id" => facts.id.to_string(),
        "attempt" => facts.attempt.to_string(),
        "name" | "run_name" => text(facts.name),
        "user" | "author" => facts.user.to_owned(),
        "queue" => facts.queue.to_owned(),
        "owner" | "entity_name" => text(facts.owner),
        "project" => text(facts.project),
        "project_name" => text(facts.project).to_lowercase(),
        "runner" => text(facts.runner),
        "image" | "image_uri" => text(known.image),
        other => return Err(Fault::new("/queue", strange(other).unwrap_or_default())),
    })
}

/// A legal value of a label: what is not goes, `-` stands for what is between.
pub(super) fn label(text: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric();
    let plain: String = text.chars().map(|c| if fine(c) || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let begun = plain.trim_start_matches(|c| !fine(c));
    begun.chars().take(63).collect::<String>().trim_end_matches(|c| !fine(c)).to_owned()
}

/// The same for a name of an object.
fn name(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    plain.trim_start_matches('-').chars().take(63).collect::<String>().trim_end_matches('-').to_owned()
}

/// A copy in which every macro has a value like any task's: what is wrong with it is wrong for every task.
pub(super) fn sampled(template: &Value) -> Value {
    let mut sample = template.clone();
    let facts = Facts {
        id: 1,
        attempt: 1,
        name: Some("name"),
        user: "user",
        queue: "queue",
        owner: Some("owner"),
        project: Some("project"),
        runner: Some("runner"),
    };
    let known = Known { facts: &facts, values: &Values::new(), image: Some("image:tag") };
    for place in places(template) {
        if let Some(Value::String(text)) = sample.pointer_mut(&place) {
            // One that has no value here has one of a variable.
            *text = expanded(text, Place::of(&place), &known).unwrap_or_else(|_| "x".to_owned());
        }
    }
    sample
}
