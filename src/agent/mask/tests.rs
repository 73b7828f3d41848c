//! The mask against the plain reading of its rules, at every way to cut the stream.

use super::{forms::forms, *};
use base64::{Engine, engine::general_purpose};
use proptest::prelude::*;

/// Secrets with whatever encoders have rules for.
const HARD: [&str; 8] = [
    "hunter2",
    "p@ss w0rd+/=?&",
    "it's \"q\\uoted\" $HOME `x`",
    "grün-ß-🦀-\u{7f}\u{1}",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n  indented+line/\r\nend\n-----END KEY-----\n",
    "abcabcabc",
    "abcabcabcabd",
    "<html>&\t tab",
];

fn known(values: &[&str]) -> Mask {
    let mut secrets = Secrets::default();
    for value in values {
        secrets.add("VALUE", value.as_bytes());
    }
    assert!(secrets.warnings().is_empty());
    Mask::new(&secrets)
}

/// What leaves the mask when the stream comes in `pieces`, with a pause after each where `pauses`.
fn through(mask: &mut Mask, pieces: &[&[u8]], pauses: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        mask.push(piece, |bytes| out.extend_from_slice(bytes));
        if pauses {
            mask.pause(|bytes| out.extend_from_slice(bytes));
        }
    }
    mask.finish(|bytes| out.extend_from_slice(bytes));
    out
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The rules, read plainly: what is a part of any occurrence is masked, once for what is together; so is an end of more than
/// [`PEEK`] bytes that a form begins with.
fn plainly(forms: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut secret = vec![false; text.len()];
    for form in forms {
        for (at, window) in text.windows(form.len()).enumerate() {
            if window == form.as_slice() {
                secret[at..at + form.len()].fill(true);
            }
        }
    }
    let open = (0..text.len()).find(|at| forms.iter().any(|form| form.len() > text.len() - at && form.starts_with(&text[*at..])));
    if let Some(open) = open.filter(|open| text.len() - open > PEEK) {
        let from = (open..text.len()).find(|at| !secret[*at]).unwrap_or(text.len());
        secret[from..].fill(true);
    }
    let (mut out, mut before) = (Vec::new(), false);
    for (byte, secret) in text.iter().zip(secret) {
        if !secret {
            out.push(*byte);
        } else if !before {
            out.extend(MASKED.bytes());
        }
        before = secret;
    }
    out
}

#[test]
fn what_other_encoders_make_of_a_secret_is_found() {
    for value in HARD {
        let mask = known(&[value]);
        let json = serde_json::to_string(value).unwrap();
        let twice = serde_json::to_string(&json).unwrap();
        let url = reqwest::Url::parse_with_params("http://x/", [("q", value)]).unwrap();
        let mut printed = vec![
            value.to_owned(),
            value.trim().to_owned(),
            json,
            twice,
            url.query().unwrap().to_owned(),
            format!("'{}'", value.replace('\'', r"'\''")),
            format!("'{}'", value.replace('\'', r#"'"'"'"#)),
        ];
        for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE] {
            for around in ["", "x", "xy", "user:", "{\"k\":\""] {
                printed.push(engine.encode(format!("{around}{value}{around}")));
            }
        }
        for text in printed {
            let masked = mask.whole(&format!("before {text} after"));
            assert!(masked.starts_with("before ") && masked.ends_with(" after") && masked.contains(MASKED), "{masked}");
            // What is left may share bits with a neighbour, quote, or be a line too short to be a secret.
            let left = masked.replace(MASKED, "");
            assert!(
                left.len() < 40 + value.lines().filter(|line| line.trim().len() < LEAST).map(|line| 2 * line.len()).sum::<usize>(),
                "{masked} of {text}"
            );
        }
    }
}

#[test]
fn the_password_of_a_url_is_a_secret_of_its_own() {
    let mask = known(&["https://ada:pass:w@rd-1@git.example.com/x\npostgres://db.example.com:5432/y?z=1@2 and more\n"]);
    assert_eq!(
        mask.whole("ada pass:w@rd-1 git.example.com 5432/y?z=1 db.example.com"),
        "ada [masked] git.example.com 5432/y?z=1 db.example.com"
    );
}

#[test]
fn base64_broken_into_lines_is_found() {
    let value = (0..90).map(|i| i.to_string()).collect::<Vec<_>>().concat();
    let text = general_purpose::STANDARD.encode(&value);
    for width in [64, 76] {
        let lines: Vec<_> = text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line)).collect();
        let masked = known(&[&value]).whole(&lines.join("\n"));
        assert!(masked.replace(MASKED, "").trim().len() <= 4, "{masked}");
    }
}

#[test]
fn no_cut_lets_a_form_through_or_changes_anything_else() {
    for value in HARD {
        let mut mask = known(&[value]);
        let all: Vec<_> = forms(value.as_bytes()).into_iter().collect();
        for form in &all {
            let text = [b"plain \xff\0 ".as_slice(), form, b"|", &form[..form.len() / 2], b"| tail"].concat();
            let expected = plainly(&all, &text);
            for cut in 0..=text.len() {
                let out = through(&mut mask, &[&text[..cut], &text[cut..]], false);
                assert_eq!(out, expected, "cut at {cut} of {:?}", String::from_utf8_lossy(&text));
            }
            let bytes: Vec<_> = text.chunks(1).collect();
            assert_eq!(through(&mut mask, &bytes, false), expected);
        }
    }
}

#[test]
fn a_pause_within_a_secret_shows_three_bytes_of_it_at_most() {
    let mut mask = known(&["hunter2-and-more"]);
    let text = b"say hunter2-and-more!";
    for cut in 0..=text.len() {
        let out = String::from_utf8(through(&mut mask, &[&text[..cut], &text[cut..]], true)).unwrap();
        assert!(["say [masked]!", "say h[masked]!", "say hu[masked]!", "say hun[masked]!"].contains(&out.as_str()), "{out}");
    }
    let bytes: Vec<_> = text.chunks(1).collect();
    assert_eq!(through(&mut mask, &bytes, true), b"say hun[masked]!");
    // What turns out to be something else comes whole.
    assert_eq!(through(&mut mask, &[b"hu", b"nter2", b" is not all"], true), b"hunter2 is not all");
}

#[test]
fn only_what_may_be_a_secret_is_held() {
    let mut mask = known(&["secret-value"]);
    let mut given = |piece: &str| {
        let mut out = String::new();
        mask.push(piece.as_bytes(), |bytes| out.push_str(std::str::from_utf8(bytes).unwrap()));
        (out, mask.waits())
    };
    assert_eq!(given("no reason 10%"), ("no reason 10%".into(), false));
    assert_eq!(given("and se"), ("and ".into(), true));
    assert_eq!(given("cret"), (String::new(), false), "a long beginning is not shown however long it takes");
    assert_eq!(given("-valu"), (String::new(), false));
    assert_eq!(given("e"), (MASKED.into(), false));
}

#[test]
fn an_end_that_a_secret_begins_with_is_not_shown() {
    let mut mask = known(&["secret-value"]);
    for (text, expected) in [("a secret", "a [masked]"), ("a sec", "a sec"), ("a secret\n", "a secret\n"), ("", "")] {
        assert_eq!(through(&mut mask, &[text.as_bytes()], false), expected.as_bytes());
    }
    assert_eq!(mask.whole("a secret"), "a secret", "a text of its own is complete");
}

#[test]
fn a_token_is_known_by_its_look() {
    let mut none = Mask::new(&Secrets::default());
    let body = |n: usize| "aB3".repeat(n).chars().take(n).collect::<String>();
    for (token, is) in [
        (format!("slw_{}", body(49)), true),
        (format!("slws_{}", body(49)), true),
        (format!("slwa_{}-_", body(47)), true),
        (format!("slw_{}", body(48)), false),
        (format!("ghp_{}", body(36)), true),
        (format!("ghs_{}", body(400)), true),
        (format!("github_pat_{}_{}", body(22), body(59)), true),
        (format!("glpat-{}", body(20)), true),
        (format!("hf_{}", body(34)), true),
        ("hf_model_with_a_very_long_name_in_snake_case".to_owned(), false),
    ] {
        let text = format!("x={token}, y=ghp_ z");
        let expected = if is { "x=[masked], y=ghp_ z" } else { &text };
        for cut in 0..=text.len() {
            let pieces = [&text.as_bytes()[..cut], &text.as_bytes()[cut..]];
            assert_eq!(String::from_utf8(through(&mut none, &pieces, false)).unwrap(), expected, "cut at {cut}");
        }
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(String::from_utf8(through(&mut none, &bytes, false)).unwrap(), expected);
    }
}

#[test]
fn what_cannot_be_masked_is_told_by_its_name() {
    let mut secrets = Secrets::default();
    for (name, value) in
        [("PIN", "12345".to_owned()), ("EMPTY", " \n".to_owned()), ("FINE", "123456".to_owned()), ("BOOK", "x1".repeat(200_000))]
    {
        secrets.add(name, value.as_bytes());
    }
    assert_eq!(
        secrets.warnings(),
        ["the value of PIN is shorter than 6 bytes and is not masked", "the value of BOOK is too long and is not masked"]
    );
    assert!(!format!("{secrets:?} {:?}", Mask::new(&secrets)).contains("123"));
}

/// Secrets of few letters, so that they overlap each other and themselves, and a text of the same.
fn crowded() -> impl Strategy<Value = (Vec<String>, Vec<Vec<u8>>)> {
    let secret = "[ab]{6,9}";
    let piece = prop_oneof![4 => "[ab]{0,7}", 1 => "[ab ]{0,3}", 1 => "[abc/+]{0,12}"].prop_map(String::into_bytes);
    (prop::collection::vec(secret, 1..4), prop::collection::vec(piece, 0..30))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn secrets_that_overlap_are_masked_as_the_rules_say((values, pieces) in crowded()) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut mask = known(&values);
        let all: Vec<_> = values.iter().flat_map(|value| forms(value.as_bytes())).collect();
        let text = pieces.concat();
        let expected = plainly(&all, &text);
        let cut: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(String::from_utf8(through(&mut mask, &cut, false)).unwrap(), String::from_utf8(expected).unwrap());
        let paused = through(&mut mask, &cut, true);
        for form in &all {
            prop_assert!(!contains(&paused, form), "{:?} shows in {:?}", String::from_utf8_lossy(form), String::from_utf8_lossy(&paused));
        }
    }

    #[test]
    fn any_value_is_masked_in_any_of_its_forms(value in prop::collection::vec(any::<u8>(), 6..30), noise in prop::collection::vec(any::<u8>(), 0..20), cuts in prop::collection::vec(0..400_usize, 0..6)) {
        prop_assume!(value.trim_ascii().len() >= LEAST);
        let mut secrets = Secrets::default();
        secrets.add("VALUE", &value);
        let mut mask = Mask::new(&secrets);
        let all = forms(&value);
        let mut text = noise.clone();
        for form in &all {
            text.extend(form);
            text.extend(&noise);
        }
        let mut pieces = Vec::new();
        let mut rest = text.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        for pauses in [false, true] {
            let out = through(&mut mask, &pieces, pauses);
            prop_assert!(all.iter().all(|form| !contains(&out, form)));
        }
        prop_assert_eq!(through(&mut mask, &pieces, false), through(&mut mask, &[&text], false));
    }
}
