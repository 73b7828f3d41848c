//! The forms in which programs print a value.

use super::LEAST;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use std::{collections::BTreeSet, fmt::Write};

/// The widths at which tools break base64 into lines.
const WIDTHS: [usize; 2] = [76, 64];

/// Every form of a value: of the whole, of each of its lines, of these without the blanks around them, and of the password
/// of a URL in it. None is shorter than [`LEAST`], and there are none of what itself is shorter.
pub(super) fn forms(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let whole = [value].into_iter();
    let parts = whole.chain(value.split(|byte| matches!(byte, b'\n' | b'\r'))).flat_map(|part| [part, part.trim_ascii()]);
    let parts: BTreeSet<&[u8]> =
        parts.chain(value.split(u8::is_ascii_whitespace).filter_map(password)).filter(|part| part.len() >= LEAST).collect();
    let mut forms = BTreeSet::new();
    for part in parts {
        forms.insert(part.to_vec());
        base64(part, &mut forms);
        url(part, &mut forms);
        shell(part, &mut forms);
        if let Ok(text) = std::str::from_utf8(part) {
            json(text, &mut forms);
        }
    }
    forms.retain(|form| form.len() >= LEAST);
    forms
}

/// The password in `scheme://user:password@host`: programs print it alone, too.
fn password(url: &[u8]) -> Option<&[u8]> {
    let after = url.windows(3).position(|window| window == b"://")? + 3;
    let authority = url[after..].split(|byte| *byte == b'/').next()?;
    let user = &authority[..authority.iter().rposition(|byte| *byte == b'@')?];
    Some(&user[user.iter().position(|byte| *byte == b':')? + 1..])
}

/// At each of the three places that a value can have within what is encoded: the characters that depend on it alone. And
/// where the value is all that is encoded, also broken into lines.
fn base64(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let text = engine.encode([&[0; 2][..before], value].concat());
            // Six bits a character; one that has bits of a neighbour too is not known.
            let (from, until) = ((before * 8).div_ceil(6), (before + value.len()) * 8 / 6);
            let known = &text.as_bytes()[from..until];
            forms.insert(known.to_vec());
            if before == 0 {
                let broken = WIDTHS.iter().filter(|width| known.len() > **width).flat_map(|width| known.chunks(*width));
                forms.extend(broken.map(<[u8]>::to_vec));
            }
        }
    }
}

/// As escaped in URLs and forms: encoders differ in what they leave as it is, in how they write a blank, and in the case of
/// the digits.
fn url(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for kept in ["", "/", "!'()*", "*", "$&+:=@"] {
        for plus in [false, true] {
            for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
                let mut form = Vec::with_capacity(value.len());
                for byte in value {
                    match byte {
                        b' ' if plus => form.push(b'+'),
                        b'-' | b'.' | b'_' | b'~' => form.push(*byte),
                        byte if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(byte) => form.push(*byte),
                        byte => form.extend([b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]),
                    }
                }
                forms.insert(form);
            }
        }
    }
}

/// As shells quote: within single quotes, within double quotes, with backslashes, as `$'…'`.
fn shell(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    let replaced = |by: &dyn Fn(u8, &mut Vec<u8>)| {
        let mut form = Vec::with_capacity(value.len());
        for byte in value {
            by(*byte, &mut form);
        }
        form
    };
    for quote in [br"'\''".as_slice(), br#"'"'"'"#] {
        forms.insert(replaced(&|byte, form| if byte == b'\'' { form.extend(quote) } else { form.push(byte) }));
    }
    let escaped = |special: &dyn Fn(u8) -> bool| {
        replaced(&|byte, form| {
            form.extend(special(byte).then_some(b'\\'));
            form.push(byte);
        })
    };
    forms.insert(escaped(&|byte| matches!(byte, b'$' | b'`' | b'"' | b'\\')));
    forms.insert(escaped(&|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"-._/:=@%+,".contains(&byte)));
    // bash leaves these as they are only where they do not begin a word or are not special to it.
    forms.insert(escaped(&|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"-._/:=@%+".contains(&byte)));
    forms.insert(replaced(&|byte, form| match byte {
        b'\n' => form.extend(br"\n"),
        b'\r' => form.extend(br"\r"),
        b'\t' => form.extend(br"\t"),
        b'\'' | b'\\' => form.extend([b'\\', byte]),
        byte => form.push(byte),
    }));
}

/// As within the quotes of JSON: as it is written by most, with ASCII alone, safe within HTML; and a text of JSON within
/// another one.
fn json(text: &str, forms: &mut BTreeSet<Vec<u8>>) {
    for (ascii, html) in [(false, false), (true, false), (false, true), (true, true)] {
        let once = escape(text, ascii, html);
        forms.insert(escape(&once, ascii, html).into_bytes());
        forms.insert(once.into_bytes());
    }
}

fn escape(text: &str, ascii: bool, html: bool) -> String {
    let mut form = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => form.extend(['\\', c]),
            '\n' => form.push_str(r"\n"),
            '\r' => form.push_str(r"\r"),
            '\t' => form.push_str(r"\t"),
            '\u{8}' => form.push_str(r"\b"),
            '\u{c}' => form.push_str(r"\f"),
            c if c < ' ' || (ascii && c >= '\u{7f}') || (html && matches!(c, '<' | '>' | '&')) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing into a string does not fail.
                    let _ = write!(form, "\\u{unit:04x}");
                }
            }
            c => form.push(c),
        }
    }
    form
}
