//! What a plain word means.

use super::Kind;
use serde_json::Number;

/// What a plain word means to Helm, which reads YAML 1.1: `no` is false, `017` is 15, `1_000` is a thousand. The second
/// is whether a reader of YAML 1.2 would take it otherwise.
pub(super) fn resolve(word: &str) -> (Kind, bool) {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return (Kind::Null, false),
        "true" | "True" | "TRUE" => return (Kind::Bool(true), false),
        "false" | "False" | "FALSE" => return (Kind::Bool(false), false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return (Kind::Bool(true), true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return (Kind::Bool(false), true),
        _ => {}
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return (Kind::Text(word.to_owned()), false);
    }
    let bare = word.replace('_', "");
    if let Some(number) = integer(&bare) {
        // YAML 1.2 knows neither underscores nor binary numbers, and takes 017 for seventeen.
        let digits = word.trim_start_matches(['+', '-']);
        let odd = word.contains('_')
            || digits.starts_with("0b")
            || (digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0x") && !digits.starts_with("0o"));
        return (Kind::Number(number), odd);
    }
    match float(&bare) {
        Some(number) => (Kind::Number(number), word.contains('_')),
        None => (Kind::Text(word.to_owned()), false),
    }
}

fn integer(word: &str) -> Option<Number> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0i64.checked_sub_unsigned(magnitude).map(Number::from) } else { Some(magnitude.into()) }
}

/// Numbers with a point or an exponent; what has no form in JSON (`.inf`) stays a text.
fn float(word: &str) -> Option<Number> {
    let shape = word.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) && word.bytes().any(|b| b.is_ascii_digit());
    let value = shape.then(|| word.strip_prefix('+').unwrap_or(word).parse::<f64>().ok()).flatten()?;
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn words_mean_what_helm_takes_them_for() {
        for (word, value, odd) in [
            ("no", json!(false), true),
            ("On", json!(true), true),
            ("y", json!(true), true),
            ("true", json!(true), false),
            ("nO", json!("nO"), false),
            ("017", json!(15), true),
            ("-017", json!(-15), true),
            ("0o17", json!(15), false),
            ("0x1F", json!(31), false),
            ("0b11", json!(3), true),
            ("018", json!(18.0), false),
            ("1_000", json!(1000), true),
            ("+12", json!(12), false),
            ("-9223372036854775808", json!(i64::MIN), false),
            ("18446744073709551615", json!(u64::MAX), false),
            ("1e3", json!(1000.0), false),
            (".5", json!(0.5), false),
            ("1:30", json!("1:30"), false),
            ("2001-01-01", json!("2001-01-01"), false),
            ("8Gi", json!("8Gi"), false),
            ("1000m", json!("1000m"), false),
            (".inf", json!(".inf"), false),
            ("-", json!("-"), false),
            ("1.2.3", json!("1.2.3"), false),
            ("~", Value::Null, false),
        ] {
            let (kind, strange) = resolve(word);
            let node =
                crate::template::formats::source::Node { at: super::super::Place::default(), way: super::super::Way::default(), kind };
            assert_eq!((node.json(), strange), (value, odd), "{word}");
        }
    }
}
