//! `--jq`: what is printed of an answer, in the language of jq.

use super::exit::{Exit, Failure};
use jaq_core::{
    Compiler, Ctx, Filter, Vars,
    data::JustLut,
    load::{self, Arena, File, Loader},
};
use jaq_json::{Val, read};
use std::{fmt::Write, str::FromStr};

type Data = JustLut<Val>;

/// An expression, which was checked as it was typed.
#[derive(Clone, Debug)]
pub struct Query(String);

impl FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        compile(text).map(|_| Self(text.to_owned()))
    }
}

impl Query {
    /// What the expression makes of a document of JSON, each result on a line of its own: texts as they are, all else as JSON.
    ///
    /// # Errors
    /// `Error` where the expression does not suit the document: an index into a number, an iteration over a text.
    pub(super) fn apply(&self, json: &str) -> Result<String, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::new(Exit::Error, format!("--jq {:?}: {why}", self.0));
        let filter = compile(&self.0).map_err(|why| failed(&why))?;
        let document = read::parse_single(json.as_bytes()).map_err(|why| failed(&why))?;
        let mut lines = String::new();
        for result in filter.id.run((Ctx::<Data>::new(&filter.lut, Vars::new([])), document)) {
            match result.map_err(jaq_core::Exn::get_err) {
                Ok(Val::TStr(text)) => lines.push_str(&String::from_utf8_lossy(&text)),
                Ok(value) => drop(write!(lines, "{value}")),
                Err(Ok(error)) => return Err(failed(&error)),
                // `halt` and the like: it has said all.
                Err(Err(_)) => break,
            }
            lines.push('\n');
        }
        Ok(lines)
    }
}

fn compile(text: &str) -> Result<Filter<Data>, String> {
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(definitions).load(&arena, File { code: text, path: () }).map_err(|errors| unread(&errors))?;
    Compiler::default().with_funs(functions).compile(modules).map_err(|errors| {
        let all = errors.iter().flat_map(|(_, all)| all).map(|(name, what)| format!("there is no {} {name}", what.as_str()));
        all.collect::<Vec<_>>().join(", ")
    })
}

/// What is wrong with the syntax.
fn unread(errors: &load::Errors<&str, ()>) -> String {
    let at = |rest: &str| if rest.is_empty() { "at the end".to_owned() } else { format!("at {rest:?}") };
    let all = errors.iter().flat_map(|(_, error)| match error {
        load::Error::Io(all) => all.iter().map(|(_, why)| why.clone()).collect::<Vec<_>>(),
        load::Error::Lex(all) => all.iter().map(|(what, rest)| format!("expected {} {}", what.as_str(), at(rest))).collect(),
        load::Error::Parse(all) => all.iter().map(|(what, rest)| format!("expected {} {}", what.as_str(), at(rest))).collect(),
    });
    all.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"items": [{"id": 1042, "name": "a b", "ended": null}, {"id": 7, "name": "c", "ended": {"exitCode": 1}}]}"#;

    #[test]
    fn texts_come_as_they_are_and_all_else_as_json() {
        for (query, printed) in [
            (".items[].name", "a b\nc\n"),
            (".items[0]", "{\"id\":1042,\"name\":\"a b\",\"ended\":null}\n"),
            ("[.items[] | select(.ended.exitCode == 1) | .id]", "[7]\n"),
            (".items | map(.id) | add", "1049\n"),
            (r#".items[] | "\(.id) \(.name | ascii_upcase)""#, "1042 A B\n7 C\n"),
            (".items[].ended.exitCode // empty", "1\n"),
            ("empty", ""),
            ("1, halt, 2", "1\n"),
        ] {
            assert_eq!(query.parse::<Query>().unwrap().apply(LIST).unwrap(), printed, "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is_typed_or_where_it_does_not_suit() {
        for (query, why) in
            [(".items[", "closing bracket"), ("foo", "there is no filter foo"), (". |", "expected term at the end"), ("$x", "variable $x")]
        {
            let said = query.parse::<Query>().unwrap_err();
            assert!(said.contains(why), "{query}: {said}");
        }
        let failure = ".items.id".parse::<Query>().unwrap().apply(LIST).unwrap_err();
        assert_eq!(failure.exit, Exit::Error);
        assert!(failure.message.unwrap().starts_with("--jq \".items.id\": cannot index"));
    }
}
