//! Variables in place of their names.

use super::{
    Fault,
    pointer::below,
    text::{DOLLAR, Piece, VALUE_DOLLAR, is_plain, pieces},
    variables::Values,
};
use crate::domain::did_you_mean;
use serde_json::Value;

/// The parts of a document whose texts are looked at; the pointers of `remove` are none.
const PARTS: [&str; 2] = ["metadata", "spec"];

/// A document with the values of variables in place of their names. A text that is one name alone becomes the value with its
/// type, any other has it as text. What a value says is no macro.
pub(super) fn fill(document: &Value, values: &Values) -> Result<Value, Vec<Fault>> {
    let mut filled = document.clone();
    let mut faults = Vec::new();
    for part in PARTS {
        if let Some(value) = filled.get_mut(part) {
            fill_in(&below("", part), value, values, &mut faults);
        }
    }
    if faults.is_empty() { Ok(filled) } else { Err(faults) }
}

/// The same for any part of a document.
pub(super) fn fill_in(at: &str, value: &mut Value, values: &Values, faults: &mut Vec<Fault>) {
    match value {
        Value::String(text) if !is_plain(text) => match filled(text, values) {
            Ok(Some(with)) => *value = with,
            Ok(None) => {}
            Err(message) => faults.push(Fault::new(at, message)),
        },
        Value::Array(items) => items.iter_mut().enumerate().for_each(|(i, item)| fill_in(&below(at, i), item, values, faults)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, item)| fill_in(&below(at, key), item, values, faults)),
        _ => {}
    }
}

/// A text with its values; none where it has no variable.
fn filled(text: &str, values: &Values) -> Result<Option<Value>, String> {
    let pieces = pieces(text);
    let of = |name: &str| values.get(name).ok_or_else(|| unknown(name, values));
    if let [Piece::Variable(name)] = pieces.as_slice() {
        return Ok(Some(match of(name)? {
            Value::String(text) => guarded(text, VALUE_DOLLAR).into(),
            other => other.clone(),
        }));
    }
    if !pieces.iter().any(|piece| matches!(piece, Piece::Variable(_))) {
        return Ok(None);
    }
    let mut out = String::new();
    for piece in pieces {
        match piece {
            // A dollar of the template, and what a value begins with, must not become a macro together.
            Piece::Plain(text) => out += &apart(text),
            Piece::Macro(inside) => out.extend(["${", inside, "}"]),
            Piece::Escape => out += "$${",
            Piece::Variable(name) => match of(name)? {
                Value::String(text) => out += &guarded(text, VALUE_DOLLAR),
                other => out += &other.to_string(),
            },
        }
    }
    Ok(Some(out.into()))
}

fn guarded(text: &str, dollar: &str) -> String {
    text.replace('$', &format!("${{{dollar}}}"))
}

/// The template's own text, of which no dollar begins a macro with what follows.
fn apart(text: &str) -> String {
    let body = text.trim_end_matches('$');
    let end = &text[body.len()..];
    body.replace("${", &format!("${{{DOLLAR}}}{{")) + &guarded(end, DOLLAR)
}

fn unknown(name: &str, values: &Values) -> String {
    let near = did_you_mean(name, values.keys().map(String::as_str));
    let meant = near.map(|near| format!(" Did you mean {{{{{near}}}}}?")).unwrap_or_default();
    format!("the queue has no variable {name:?} (variables: {{{name}: {{type: string}}}}).{meant}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lone_name_keeps_the_type_and_a_value_is_no_macro() {
        let values: Values = [
            ("n".to_owned(), json!(4)),
            ("f".to_owned(), json!(0.5)),
            ("on".to_owned(), json!(true)),
            ("s".to_owned(), json!("a")),
            ("evil".to_owned(), json!("${user}{{s}}$")),
        ]
        .into();
        for (text, expected) in [
            ("{{n}}", json!(4)),
            ("{{ f }}", json!(0.5)),
            ("{{on}}", json!(true)),
            ("n-{{n}}", json!("n-4")),
            ("{{s}}{{on}}", json!("atrue")),
            ("${id}-{{s}}", json!("${id}-a")),
            ("{{evil}}", json!("${$}{user}{{s}}${$}")),
            ("${{s}}", json!("${$$}a")),
            ("${na{{s}}}", json!("${$$}{naa}")),
            ("$${x} {{s}}", json!("$${x} a")),
            ("$(X) {{.s}}", json!("$(X) {{.s}}")),
            ("$(X) {{s}}", json!("$(X) a")),
        ] {
            let document = json!({"spec": {"a": [text]}, "metadata": {"{{n}}": 1}, "remove": ["/spec/{{n}}"]});
            let filled = fill(&document, &values).unwrap();
            assert_eq!(filled["spec"]["a"][0], expected, "{text}");
            assert_eq!((&filled["metadata"], &filled["remove"]), (&document["metadata"], &document["remove"]));
        }
        let faults = fill(&json!({"spec": {"a": "{{m}}"}}), &values).unwrap_err();
        assert_eq!(faults[0].to_string(), "/spec/a: the queue has no variable \"m\" (variables: {m: {type: string}}).");
    }
}
