//! Whatever a command prints and however it is cut, no secret of its shows, and nothing else is changed.

use crate::{asked, mutate::Mutator, now};
use base64::{Engine, engine::general_purpose};
use slipway::agent::{MASKED, Mask, Secrets};
use std::{io::Write, time::Duration};

/// What secrets are made of: many ways to overlap, what encoders escape, what they do not, lines, and any bytes.
const ALPHABETS: [&str; 5] = ["ab", "ab/+ \"'\\", "abcdefghijklmnopqrstuvwxyz0123456789", "ab\n \r", "äß🦀<&>%$`"];
/// In no secret and in no form of one, so that it can be counted.
const PLAIN: u8 = b'~';

fn secret(dice: &mut Mutator) -> Vec<u8> {
    let length = 6 + dice.below(30);
    let Some(alphabet) = ALPHABETS.get(dice.below(ALPHABETS.len() + 1)) else {
        return (0..length).map(|_| u8::try_from(dice.below(256)).unwrap_or(0)).filter(|byte| *byte != PLAIN).chain(*b"secret").collect();
    };
    let letters: Vec<char> = alphabet.chars().collect();
    (0..length).map(|_| letters[dice.below(letters.len())]).collect::<String>().into_bytes()
}

/// What stands between the quotes.
fn inner(quoted: &str) -> &str {
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(quoted)
}

/// A value as some program would print it, and the part of it that must not show.
fn printed(value: &[u8], dice: &mut Mutator) -> (Vec<u8>, Vec<u8>) {
    let text = String::from_utf8(value.to_vec());
    let whole = |form: Vec<u8>| (form.clone(), form);
    match (dice.below(4), text) {
        (0, Ok(text)) => whole(inner(&serde_json::to_string(&text).expect("JSON")).as_bytes().to_vec()),
        (1, _) => {
            let byte = |byte: &u8| {
                if byte.is_ascii_alphanumeric() || b"-._".contains(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
            };
            whole(value.iter().map(byte).collect::<String>().into_bytes())
        }
        (2, _) => {
            let before = dice.below(3);
            let engine = if dice.below(2) == 0 { general_purpose::STANDARD } else { general_purpose::URL_SAFE };
            let form = engine.encode([&b"~~"[..before], value, b"~~"].concat()).into_bytes();
            let own = form[(before * 8).div_ceil(6)..(before + value.len()) * 8 / 6].to_vec();
            (form, own)
        }
        _ => whole(value.to_vec()),
    }
}

fn through(mask: &mut Mask, text: &[u8], dice: Option<&mut Mutator>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut dice = dice;
    while !rest.is_empty() {
        let length = dice.as_mut().map_or(rest.len(), |dice| (1 + dice.below(40)).min(rest.len()));
        mask.push(&rest[..length], |bytes| out.extend_from_slice(bytes));
        rest = &rest[length..];
    }
    mask.finish(|bytes| out.extend_from_slice(bytes));
    out
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn whatever_is_printed_no_secret_shows() {
    let [seconds, seed] = asked();
    let mut dice = Mutator::new(seed);
    let (began, mut runs, mut bytes) = (now(), 0_usize, 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        let values: Vec<_> = (0..=dice.below(4)).map(|_| secret(&mut dice)).filter(|value| value.trim_ascii().len() >= 6).collect();
        let mut secrets = Secrets::default();
        for value in &values {
            secrets.add("VALUE", value);
        }
        let mut mask = Mask::new(&secrets);
        for _ in 0..20 {
            let (mut text, mut hidden, mut plain) = (Vec::new(), Vec::new(), 0);
            for _ in 0..dice.below(20) {
                let Some(value) = values.get(dice.below(values.len().max(1))) else { break };
                let (form, own) = printed(value, &mut dice);
                let kept = if dice.below(3) == 0 { dice.below(form.len()) } else { form.len() };
                hidden.extend((kept == form.len()).then_some(own));
                text.extend(&form[..kept]);
                let noise = dice.below(4);
                text.extend(std::iter::repeat_n(PLAIN, noise));
                plain += noise;
            }
            text.push(PLAIN);
            let out = through(&mut mask, &text, Some(&mut dice));
            let told = || format!("seed {seed}, run {runs}: {:?} of {:?}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&text));
            assert!(out == through(&mut mask, &text, None), "the cut makes a difference: {}", told());
            assert!(hidden.iter().all(|own| !contains(&out, own)), "a secret shows: {}", told());
            assert_eq!(out.split(|byte| *byte == PLAIN).count(), plain + 2, "something else is gone: {}", told());
            let mut rest = text.as_slice();
            for piece in String::from_utf8_lossy(&out).split(MASKED).filter(|_| out.is_ascii()) {
                let at = rest.windows(piece.len().max(1)).position(|window| piece.is_empty() || window == piece.as_bytes());
                rest = &rest[at.unwrap_or_else(|| panic!("something else is changed: {}", told())) + piece.len()..];
                if rest.is_empty() {
                    break;
                }
            }
            bytes += text.len();
        }
        runs += 1;
    }
    let _ = writeln!(std::io::stderr(), "{runs} sets of secrets in {bytes} bytes with seed {seed}");
    assert!(runs > 20, "it tries too little");
}
