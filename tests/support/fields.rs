//! What Kubernetes knows in each minor from 1.28 to 1.36: the tables of `tests/data`, and what is wrong with a value by them.

use serde_json::Value;
use std::collections::BTreeSet;

/// A table: for each minor which fields a type has, of which kind they are, and which must be there.
pub(crate) struct Fields {
    pub(crate) minors: Vec<u64>,
    types: Value,
}

impl Fields {
    /// Reads a table of `tests/data`.
    pub(crate) fn of(text: &str) -> Self {
        let mut whole: Value = serde_json::from_str(text).expect("the table");
        let minors = serde_json::from_value(whole["minors"].clone()).expect("the minors");
        Self { minors, types: whole["types"].take() }
    }

    /// What an entry says in a minor: the text itself, or that of the span `TEXT FIRST-LAST` which holds the minor.
    fn said(entry: &Value, minor: u64) -> Option<&str> {
        if let Some(text) = entry.as_str() {
            return Some(text);
        }
        entry.as_array()?.iter().find_map(|span| {
            let (what, minors) = span.as_str()?.rsplit_once(' ')?;
            let (first, last) = minors.split_once('-')?;
            let number = |text: &str| text.parse::<u64>().ok();
            (number(first)? <= minor && minor <= number(last)?).then_some(what)
        })
    }

    /// What is wrong with a value of a kind in a minor.
    fn faults(&self, value: &Value, kind: &str, minor: u64, at: &str, found: &mut BTreeSet<String>) {
        let fine = match kind {
            "integer" => value.is_i64(),
            "boolean" => value.is_boolean(),
            "number" | "Quantity" if value.is_number() => true,
            "string" | "Time" | "MicroTime" | "Quantity" => value.is_string(),
            "IntOrString" => value.is_string() || value.is_i64(),
            "any" | "object" | "FieldsV1" => true,
            _ => {
                self.inside(value, kind, minor, at, found);
                true
            }
        };
        if !fine {
            found.insert(format!("1.{minor}: {at}: no {kind}: {value}"));
        }
    }

    fn inside(&self, value: &Value, kind: &str, minor: u64, at: &str, found: &mut BTreeSet<String>) {
        let part = |brackets: [char; 2]| kind.strip_prefix(brackets[0]).and_then(|kind| kind.strip_suffix(brackets[1]));
        if let (Some(kind), Some(items)) = (part(['[', ']']), value.as_array()) {
            items.iter().enumerate().for_each(|(i, item)| self.faults(item, kind, minor, &format!("{at}/{i}"), found));
            return;
        }
        let Some(fields) = value.as_object() else {
            found.insert(format!("1.{minor}: {at}: no {kind}: {value}"));
            return;
        };
        if let Some(kind) = part(['{', '}']) {
            fields.iter().for_each(|(key, value)| self.faults(value, kind, minor, &format!("{at}/{key}"), found));
            return;
        }
        let known = &self.types[kind];
        assert!(known.is_object(), "{at}: the table has no type {kind}");
        for (field, value) in fields {
            match Self::said(&known["fields"][field], minor) {
                Some(kind) => self.faults(value, kind, minor, &format!("{at}/{field}"), found),
                None => drop(found.insert(format!("1.{minor}: {at}/{field}: unknown"))),
            }
        }
        for (field, when) in known["required"].as_object().into_iter().flatten() {
            if Self::said(when, minor).is_some() && !fields.contains_key(field) {
                found.insert(format!("1.{minor}: {at}/{field}: missing"));
            }
        }
    }

    /// What is wrong with a value of a kind in any minor.
    pub(crate) fn of_all(&self, value: &Value, kind: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.minors.iter().for_each(|minor| self.faults(value, kind, *minor, "", &mut found));
        found
    }
}
