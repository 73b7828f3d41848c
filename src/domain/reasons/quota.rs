//! What a resource quota refuses: whether it is used up, or could never be enough.

use super::{
    Finding, Quote,
    ReasonClass::{Change, Escalate},
    text::{Words, between, line},
};
use crate::domain::state::Reason;

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
    quantity(requested).zip(quantity(hard)).is_some_and(|(requested, hard)| requested > hard)
}

/// A quantity as Kubernetes writes it: `500m`, `4`, `1Gi`, `1e3`.
fn quantity(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+')).len();
    let (number, suffix) = text.split_at(digits);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 2_f64.powi(10),
        "Mi" => 2_f64.powi(20),
        "Gi" => 2_f64.powi(30),
        "Ti" => 2_f64.powi(40),
        "Pi" => 2_f64.powi(50),
        "Ei" => 2_f64.powi(60),
        // An exponent, which Rust reads as well; nothing else.
        _ if suffix.starts_with(['e', 'E']) => return text.parse().ok(),
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("4", Some(4.0)),
            ("500m", Some(0.5)),
            ("1Gi", Some(1_073_741_824.0)),
            ("1.5k", Some(1500.0)),
            ("1e3", Some(1000.0)),
            ("2E", Some(2e18)),
            ("", None),
            ("many", None),
            ("1 Gi", None),
        ] {
            assert_eq!(quantity(text), expected, "{text:?}");
        }
    }
}
