//! The texts of a template: what stands in them for something else.
//!
//! `{{name}}` is a variable of the queue, `${name}` and `${CLEARML_TASK.path:default}` are macros; `$${` stands for `${`.
//! Whatever else has dollars or braces is plain text: `$(NAME)` of Kubernetes, `${NAME:-x}` of a shell, `{{.Names}}`.

use super::pointer::below;
use serde_json::Value;

/// What the macros of ClearML's records begin with.
pub(super) const RECORD: &str = "CLEARML_TASK";

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// It stands for itself.
    Plain(&'a str),
    /// The name of a variable.
    Variable(&'a str),
    /// What stands between the braces of a macro.
    Macro(&'a str),
    /// An escape: `$${`.
    Escape,
}

/// Takes a text apart.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    scan(text, true)
}

/// The same of a text whose variables have their values: what looks like one is plain.
pub(super) fn pieces_filled(text: &str) -> Vec<Piece<'_>> {
    scan(text, false)
}

fn scan(text: &str, variables: bool) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(next) = text[at..].find(['$', '{']).map(|next| at + next) {
        match special(&text[next..]).filter(|(piece, _)| variables || !matches!(piece, Piece::Variable(_))) {
            Some((piece, length)) => {
                if plain < next {
                    found.push(Piece::Plain(&text[plain..next]));
                }
                found.push(piece);
                at = next + length;
                plain = at;
            }
            None => at = next + 1,
        }
    }
    if plain < text.len() {
        found.push(Piece::Plain(&text[plain..]));
    }
    found
}

/// Whether anything in a text stands for something else.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains("${") && !text.contains("{{") || pieces(text).iter().all(|piece| matches!(piece, Piece::Plain(_)))
}

/// What a text begins with, and how long that is; none where it is plain.
fn special(text: &str) -> Option<(Piece<'_>, usize)> {
    if let Some(rest) = text.strip_prefix("$${") {
        return rest.starts_with(begins_name).then_some((Piece::Escape, 3));
    }
    if let Some(rest) = text.strip_prefix("${") {
        let end = rest.find('}')?;
        let inside = &rest[..end];
        let of_record = inside.strip_prefix(RECORD).is_some_and(|path| path.starts_with('.'));
        // A dollar of a variable's value, and one before it: the fill writes them (`values`).
        let is_macro = is_name(inside) || of_record || matches!(inside, VALUE_DOLLAR | DOLLAR);
        return is_macro.then_some((Piece::Macro(inside), end + 3));
    }
    let rest = text.strip_prefix("{{")?;
    let end = rest.find("}}")?;
    let name = rest[..end].trim();
    is_name(name).then_some((Piece::Variable(name), end + 4))
}

/// The macro of a dollar that a variable's value has.
pub(super) const VALUE_DOLLAR: &str = "$";
/// The macro of a dollar that the template has beside a variable.
pub(super) const DOLLAR: &str = "$$";

/// Whether a text is the name of a variable or macro.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Calls `visit` with every text of a document that is not plain, and its pointer. Keys are no texts.
pub(super) fn each<'a>(at: &str, value: &'a Value, visit: &mut impl FnMut(&str, &'a str)) {
    match value {
        Value::String(text) if !is_plain(text) => visit(at, text),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| each(&below(at, i), item, visit)),
        Value::Object(fields) => fields.iter().for_each(|(key, item)| each(&below(at, key), item, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece::*, *};

    #[test]
    fn a_text_falls_into_pieces() {
        for (text, expected) in [
            ("", vec![]),
            ("plain $ { } }} text", vec![Plain("plain $ { } }} text")]),
            ("{{gpus}}", vec![Variable("gpus")]),
            ("n-{{ gpus }}x", vec![Plain("n-"), Variable("gpus"), Plain("x")]),
            ("${id}-${user}", vec![Macro("id"), Plain("-"), Macro("user")]),
            ("${CLEARML_TASK.name:my job}", vec![Macro("CLEARML_TASK.name:my job")]),
            ("${CLEARML_TASK.name|lower}", vec![Macro("CLEARML_TASK.name|lower")]),
            ("$${HOME}/x", vec![Escape, Plain("HOME}/x")]),
            ("$$${a}", vec![Plain("$"), Escape, Plain("a}")]),
            ("$${{a}}", vec![Plain("$$"), Variable("a")]),
            ("${{a}}", vec![Plain("$"), Variable("a")]),
            // What others expand.
            (
                "$(POD_IP) ${HOME:-/root} ${a[@]} ${#x} {{.Names}} {{ }} ${",
                vec![Plain("$(POD_IP) ${HOME:-/root} ${a[@]} ${#x} {{.Names}} {{ }} ${")],
            ),
            ("{{{a}}}", vec![Plain("{"), Variable("a"), Plain("}")]),
            ("é${id}ü", vec![Plain("é"), Macro("id"), Plain("ü")]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
            assert_eq!(is_plain(text), expected.iter().all(|piece| matches!(piece, Plain(_))), "{text}");
        }
    }
}
