//! What a resource quota refuses: whether it is used up, or could never be enough.

use super::{
    Finding, Quote,
    ReasonClass::{Change, Escalate},
    text::{Words, between, line},
};
use crate::domain::{quantity::thousandths, state::Reason};

/// The reason in a refusal by quota; none where the text is not one.
///
/// The API server writes `exceeded quota: NAME, requested: a=1,b=2, used: a=1,b=0, limited: a=1,b=4`.
pub(super) fn finding(text: &str, quote: &Quote) -> Option<Finding> {
    let words = Words::of(text);
    let quotes = vec![quote.clone()];
    if let Some((_, rest)) = text.split_once("exceeded quota: ") {
        let name = rest.split(',').next().unwrap_or_default();
        let (requested, limited) = (section(rest, "requested: "), section(rest, "limited: "));
        let of = |list: &[(&str, &str)]| list.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ");
        let hard = |key: &str| limited.iter().find(|(of, _)| *of == key).map(|(_, value)| *value);
        let never: Vec<_> = requested.iter().copied().filter(|(key, value)| hard(key).is_some_and(|hard| exceeds(value, hard))).collect();
        return Some(if never.is_empty() {
            let message = format!("The namespace's quota {name:?} is used up; the pod asks for {}", line(&of(&requested)));
            Finding::new(Reason::ResourceQuotaExceeded, message, quotes)
        } else {
            let limits: Vec<_> = never.iter().filter_map(|(key, _)| Some((*key, hard(key)?))).collect();
            let message =
                format!("The request alone exceeds the namespace's quota {name:?}: {} of at most {}", of(&never), line(&of(&limits)));
            let hint = "Ask for less, or ask an admin for a larger quota or another namespace.";
            Finding::new(Reason::ResourceQuotaExceeded, message, quotes).class(Escalate).hint(hint)
        });
    }
    if words.any(&["failed quota:"]) {
        let missing = between(text, "must specify ", "\n").or_else(|| text.split_once("must specify ").map(|(_, rest)| rest));
        let message = format!("The namespace's quota asks every container to specify {}", line(missing.unwrap_or("its resources")));
        let hint = "Set these requests and limits in the queue's template.";
        return Some(Finding::new(Reason::ObjectInvalid, message, quotes).class(Change).hint(hint));
    }
    if words.any(&["insufficient quota to match these scopes", "status unknown for quota"]) {
        let message = format!("The namespace's quota does not admit the pod: {}", line(text));
        let finding = Finding::new(Reason::ResourceQuotaExceeded, message, quotes);
        return Some(if words.any(&["scopes"]) { finding.class(Escalate) } else { finding });
    }
    None
}

/// The pairs of one section of the refusal.
fn section<'a>(text: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let Some((_, rest)) = text.split_once(name) else { return Vec::new() };
    rest.split(", ").next().unwrap_or_default().split(',').filter_map(|pair| pair.trim().split_once('=')).collect()
}

fn exceeds(requested: &str, hard: &str) -> bool {
    thousandths(requested.trim()).zip(thousandths(hard.trim())).is_some_and(|(requested, hard)| requested > hard)
}
