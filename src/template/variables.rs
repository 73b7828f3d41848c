//! The variables of a queue: what its tasks may give, each by a JSON schema of one value.
//!
//! Of JSON Schema these words are known: `type` (`string`, `integer`, `number`, `boolean`), `enum`, `default`, `minimum`,
//! `maximum`, `minLength`, `maxLength`, `pattern` (found anywhere in the text, as JSON Schema has it), and `title` and
//! `description` for people. Every other is refused, so that none is thought to hold that does not.

use super::{Fault, pointer::below, text::is_name};
use crate::domain::did_you_mean;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// The most variables of a queue.
const MAX_VARIABLES: usize = 100;
/// The longest text that a variable can hold, in characters, where its schema says no less.
const MAX_LENGTH: u64 = 10_000;
/// How much memory a pattern may take, in bytes.
const MAX_PATTERN: usize = 1 << 20;
/// The words of a schema.
const WORDS: [&str; 10] = ["type", "enum", "default", "minimum", "maximum", "minLength", "maxLength", "pattern", "title", "description"];

/// The variables of a queue, read.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<String, Schema>);

/// A value for each variable of a queue.
pub type Values = BTreeMap<String, Value>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
}

/// What one variable can be.
#[derive(Clone, Debug)]
struct Schema {
    kind: Kind,
    one_of: Option<Vec<Value>>,
    default: Option<Value>,
    minimum: Option<Number>,
    maximum: Option<Number>,
    min_length: u64,
    max_length: u64,
    pattern: Option<Regex>,
}

impl Variables {
    /// Reads the schemas of a queue.
    ///
    /// # Errors
    /// Whatever is wrong with them; the pointers lead into `variables`.
    pub fn read(schemas: &BTreeMap<String, Value>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        if schemas.len() > MAX_VARIABLES {
            faults.push(Fault::new("", format!("at most {MAX_VARIABLES} variables")));
        }
        let mut read = BTreeMap::new();
        for (name, schema) in schemas {
            let at = below("", name);
            if !is_name(name) {
                faults.push(Fault::new(at.clone(), format!("{name:?} is no name of a variable: letters, digits and _, no digit first")));
            }
            read.extend(Schema::read(&at, schema, &mut faults).map(|schema| (name.clone(), schema)));
        }
        if faults.is_empty() { Ok(Self(read)) } else { Err(faults) }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of a task: those that it gives, and the defaults of the others. A text is read as the type asked for.
    ///
    /// # Errors
    /// An unknown name, a value that is none of its variable's, a variable without value; the pointers lead into the
    /// task's `variables`.
    pub fn values(&self, given: &BTreeMap<String, Value>) -> Result<Values, Vec<Fault>> {
        let mut faults: Vec<Fault> =
            given.keys().filter(|name| !self.0.contains_key(*name)).map(|name| Fault::new(below("", name), self.unknown(name))).collect();
        let mut values = Values::new();
        for (name, schema) in &self.0 {
            let value = match given.get(name) {
                Some(value) => schema.take(value),
                None => schema.default.clone().ok_or_else(|| format!("the queue asks for a value: {}", schema.told())),
            };
            match value {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(message) => faults.push(Fault::new(below("", name), message)),
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }

    /// A value for each: the default, else one that its schema is likely to take.
    #[must_use]
    pub fn sample(&self) -> Values {
        self.0.iter().map(|(name, schema)| (name.clone(), schema.sample())).collect()
    }

    fn unknown(&self, name: &str) -> String {
        if self.0.is_empty() {
            return "the queue has no variables".to_owned();
        }
        let known = || self.0.keys().map(String::as_str);
        match did_you_mean(name, known()) {
            Some(near) => format!("the queue has no variable {name:?}; did you mean {near:?}?"),
            None => format!("the queue has no variable {name:?}; it has: {}", known().collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Schema {
    fn read(at: &str, schema: &Value, faults: &mut Vec<Fault>) -> Option<Self> {
        let before = faults.len();
        let Some(given) = schema.as_object() else {
            faults.push(Fault::new(at, "a JSON schema of one value: {type: integer, default: 1, minimum: 1, maximum: 4}"));
            return None;
        };
        for word in given.keys().filter(|word| !WORDS.contains(&word.as_str())) {
            let near = did_you_mean(word, WORDS).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            faults
                .push(Fault::new(below(at, word), format!("the schema of a variable has no {word:?}{near} It has: {}", WORDS.join(", "))));
        }
        let mut wrong = |word: &str, message: &str| faults.push(Fault::new(below(at, word), message));
        let kind = match given.get("type").and_then(Value::as_str) {
            Some("string") => Kind::Text,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            _ => {
                wrong("type", "one of string, integer, number, boolean");
                return None;
            }
        };
        let of_text = |word: &str| kind == Kind::Text || !matches!(word, "minLength" | "maxLength" | "pattern");
        let of_number = |word: &str| matches!(kind, Kind::Integer | Kind::Number) || !matches!(word, "minimum" | "maximum");
        for word in given.keys().filter(|word| !of_text(word) || !of_number(word)) {
            wrong(word, "it says nothing of this type");
        }
        let (minimum, maximum) = (number(given, "minimum", &mut wrong), number(given, "maximum", &mut wrong));
        let (min_length, max_length) = (length(given, "minLength", &mut wrong), length(given, "maxLength", &mut wrong));
        let pattern = match given
            .get("pattern")
            .map(|pattern| pattern.as_str().map(|text| RegexBuilder::new(text).size_limit(MAX_PATTERN).build()))
        {
            None => None,
            Some(Some(Ok(pattern))) => Some(pattern),
            Some(Some(Err(error))) => {
                wrong("pattern", &format!("no regular expression: {error}"));
                None
            }
            Some(None) => {
                wrong("pattern", "a regular expression");
                None
            }
        };
        let one_of = match given.get("enum") {
            None => None,
            Some(Value::Array(values)) if !values.is_empty() => Some(values.clone()),
            Some(_) => {
                wrong("enum", "a list of the values it can be");
                None
            }
        };
        if faults.len() > before {
            return None;
        }
        let schema = Self {
            kind,
            one_of: None,
            default: None,
            minimum,
            maximum,
            min_length: min_length.unwrap_or(0),
            max_length: max_length.unwrap_or(MAX_LENGTH),
            pattern,
        };
        Some(schema.with(at, one_of, given.get("default"), faults))
    }

    /// With the values it names, each of which it must take itself.
    fn with(mut self, at: &str, one_of: Option<Vec<Value>>, default: Option<&Value>, faults: &mut Vec<Fault>) -> Self {
        for (i, value) in one_of.iter().flatten().enumerate() {
            faults.extend(self.check(value).map_err(|message| Fault::new(format!("{at}/enum/{i}"), message)).err());
        }
        self.one_of = one_of;
        if let Some(default) = default {
            faults.extend(self.check(default).map_err(|message| Fault::new(format!("{at}/default"), message)).err());
            self.default = Some(default.clone());
        }
        self
    }

    /// A value that a task gives, as its type.
    fn take(&self, value: &Value) -> Result<Value, String> {
        let read = match (self.kind, value) {
            (Kind::Integer, Value::Number(number)) => whole(number).map_or_else(|| value.clone(), Value::from),
            (Kind::Integer, Value::String(text)) => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
            (Kind::Number, Value::String(text)) => {
                text.parse().ok().and_then(Number::from_f64).map_or_else(|| value.clone(), Value::Number)
            }
            (Kind::Boolean, Value::String(text)) => text.parse::<bool>().map_or_else(|_| value.clone(), Value::from),
            _ => value.clone(),
        };
        self.check(&read).map(|()| read)
    }

    /// Whether a value is one of its variable's.
    fn check(&self, value: &Value) -> Result<(), String> {
        let of_kind = match (self.kind, value) {
            (Kind::Text, Value::String(_)) | (Kind::Number, Value::Number(_)) | (Kind::Boolean, Value::Bool(_)) => true,
            (Kind::Integer, Value::Number(number)) => whole(number).is_some(),
            _ => false,
        };
        let shown = |value: &Value| value.to_string().chars().take(80).collect::<String>();
        let refuse = |why: String| Err(format!("{} {why}; it is {}", shown(value), self.told()));
        if !of_kind {
            return refuse(format!("is no {}", self.kind.name()));
        }
        if let Some(one_of) = &self.one_of
            && !one_of.contains(value)
        {
            return refuse("is none of its values".to_owned());
        }
        if let Value::Number(number) = value {
            if let Some(minimum) = self.minimum.as_ref().filter(|minimum| less(number, minimum)) {
                return refuse(format!("is less than the minimum {minimum}"));
            }
            if let Some(maximum) = self.maximum.as_ref().filter(|maximum| less(maximum, number)) {
                return refuse(format!("is more than the maximum {maximum}"));
            }
        }
        if let Value::String(text) = value {
            let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            if length < self.min_length {
                return refuse(format!("is shorter than minLength {}", self.min_length));
            }
            if length > self.max_length {
                return refuse(format!("is longer than maxLength {}", self.max_length));
            }
            if text.contains('\0') {
                return refuse("has a NUL".to_owned());
            }
            if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
                return refuse(format!("does not match the pattern {pattern}"));
            }
        }
        Ok(())
    }

    fn sample(&self) -> Value {
        let first = self.one_of.as_ref().and_then(|values| values.first());
        if let Some(value) = self.default.as_ref().or(first) {
            return value.clone();
        }
        match self.kind {
            Kind::Text => "x".repeat(usize::try_from(self.min_length.clamp(1, self.max_length.max(1))).unwrap_or(1)).into(),
            Kind::Boolean => false.into(),
            Kind::Integer | Kind::Number => {
                self.minimum.as_ref().or(self.maximum.as_ref()).map_or_else(|| 1.into(), |limit| Value::Number(limit.clone()))
            }
        }
    }

    /// What it can be, in words.
    fn told(&self) -> String {
        let what = match (&self.one_of, self.kind) {
            (Some(one_of), _) => format!("one of {}", one_of.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
            (None, Kind::Integer) => "an integer".to_owned(),
            (None, other) => format!("a {}", other.name()),
        };
        match (&self.minimum, &self.maximum) {
            (Some(minimum), Some(maximum)) => format!("{what} from {minimum} to {maximum}"),
            (Some(minimum), None) => format!("{what} from {minimum} on"),
            (None, Some(maximum)) => format!("{what} up to {maximum}"),
            (None, None) => what,
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// A limit of numbers.
fn number(given: &Map<String, Value>, word: &str, wrong: &mut impl FnMut(&str, &str)) -> Option<Number> {
    let value = given.get(word)?;
    if !value.is_number() {
        wrong(word, "a number");
    }
    value.as_number().cloned()
}

fn length(given: &Map<String, Value>, word: &str, wrong: &mut impl FnMut(&str, &str)) -> Option<u64> {
    let length = given.get(word)?.as_u64().filter(|length| *length <= MAX_LENGTH);
    if length.is_none() {
        wrong(word, &format!("a whole number, at most {MAX_LENGTH}"));
    }
    length
}

/// A number that has no fraction, however it is written: JSON Schema takes 4.0 for an integer.
fn whole(number: &Number) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and is far from the limits")]
    let of_float = || number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64);
    number.as_i64().or_else(of_float)
}

fn less(one: &Number, other: &Number) -> bool {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one < other,
        _ => one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one < other),
    }
}
