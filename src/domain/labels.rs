//! Labels of tasks and the selector that filters by them.

use super::names::legal_label_value;
use std::collections::BTreeMap;

/// A task's labels: key to value.
pub type Labels = BTreeMap<String, String>;

/// Whether `key` is a legal label key: Kubernetes' rule, an optional DNS prefix of up to 253 characters and `/`,
/// then a name of 1 to 63 characters.
#[must_use]
pub fn valid_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let dns = |p: &str| {
        p.len() <= 253
            && p.split('.')
                .all(|part| legal_label_value(part) && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    };
    legal_label_value(name) && prefix.is_none_or(dns)
}

/// Whether `value` is a legal label value: Kubernetes' rule, which allows the empty one.
#[must_use]
pub fn valid_label_value(value: &str) -> bool {
    value.is_empty() || legal_label_value(value)
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// A filter over labels in Kubernetes' syntax: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, joined by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part:?} is no label requirement: write key=value, key!=value, key in (a,b), key notin (a,b), key or !key")]
pub struct SelectorError {
    /// The requirement at fault.
    pub part: String,
}

impl LabelSelector {
    /// Reads a selector; the empty text selects everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parts = vec![String::new()];
        let mut depth = 0_u32;
        for c in text.chars() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    parts.push(String::new());
                    continue;
                }
                _ => {}
            }
            if let Some(last) = parts.last_mut() {
                last.push(c);
            }
        }
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        parts.iter().map(|part| requirement(part.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every requirement holds for `labels`. As in Kubernetes, `!=` and `notin` also hold for an absent key.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
        })
    }
}

fn requirement(part: &str) -> Result<Requirement, SelectorError> {
    let fail = || SelectorError { part: part.to_owned() };
    let key = |text: &str| Some(text.trim().to_owned()).filter(|k| valid_label_key(k)).ok_or_else(fail);
    let value = |text: &str| Some(text.trim().to_owned()).filter(|v| valid_label_value(v)).ok_or_else(fail);
    let set = |text: &str| {
        let inner = text.trim().strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or_else(fail)?;
        inner.split(',').map(value).collect::<Result<Vec<_>, _>>()
    };
    if let Some((k, v)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(key(k)?, vec![value(v)?]));
    }
    if let Some((k, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(key(k)?, vec![value(v)?]));
    }
    if let Some((k, rest)) = part.split_once(" notin ").or_else(|| part.split_once(" notin")) {
        return Ok(Requirement::NotIn(key(k)?, set(rest)?));
    }
    if let Some((k, rest)) = part.split_once(" in ").or_else(|| part.split_once(" in")) {
        return Ok(Requirement::In(key(k)?, set(rest)?));
    }
    match part.strip_prefix('!') {
        Some(k) => Ok(Requirement::Absent(key(k)?)),
        None => Ok(Requirement::Exists(key(part)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn selectors_follow_kubernetes() {
        let task = labels(&[("team", "vision"), ("acme.io/kind", "train")]);
        for (selector, expected) in [
            ("", true),
            ("team=vision", true),
            ("team==vision,acme.io/kind=train", true),
            ("team!=vision", false),
            ("absent!=x", true),
            ("team in (vision, speech)", true),
            ("team notin (vision)", false),
            ("team", true),
            ("!team", false),
            ("!absent,team in(vision)", true),
        ] {
            let parsed = LabelSelector::parse(selector).expect(selector);
            assert_eq!(parsed.matches(&task), expected, "{selector:?}");
        }
        for wrong in ["a=b c", "in (a)", "a in b", ",", "-x=1"] {
            assert!(LabelSelector::parse(wrong).is_err(), "{wrong:?} must be refused");
        }
    }

    #[test]
    fn keys_may_carry_a_dns_prefix() {
        assert!(valid_label_key("slipway.dev/queue") && valid_label_key("a"));
        assert!(!valid_label_key("Upper.io/a") && !valid_label_key("a/b/c") && !valid_label_key("/a"));
    }
}
