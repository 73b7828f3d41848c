//! Certificates as people keep them: one after the other in a text (RFC 7468).

use base64::{Engine, engine::general_purpose::STANDARD};

const BEGIN: &str = "-----BEGIN ";
const CERTIFICATE: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// What is wrong with such a text, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct PemFault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// A certificate of such a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// Its bytes (DER).
    pub der: Vec<u8>,
}

/// The certificates in a text, at least one. Text between them is a comment, as programs that print certificates write it.
///
/// # Errors
/// The first place at which there is something other than a certificate.
pub fn certificates(text: &str) -> Result<Vec<Certified>, PemFault> {
    let mut all = Vec::new();
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    while let Some((line, begin)) = lines.next() {
        let fault = |line: usize, what: &str| Err(PemFault { line, what: what.to_owned() });
        let Some(label) = begin.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix("-----")) else {
            if begin.starts_with("-----") {
                return fault(line, "a line of dashes that begins no certificate");
            }
            continue;
        };
        if label.ends_with("PRIVATE KEY") {
            return fault(line, "there is a private key in it: it takes certificates alone");
        }
        if !CERTIFICATE.contains(&label) {
            return fault(line, &format!("{label:?} is no certificate"));
        }
        let mut body = String::new();
        loop {
            match lines.next() {
                Some((_, end)) if end == format!("-----END {label}-----") => break,
                Some((at, inner)) if inner.bytes().any(|b| !(b.is_ascii_alphanumeric() || b"+/=".contains(&b))) => {
                    return fault(at, "it is no part of a certificate: base64 is expected, up to -----END CERTIFICATE-----");
                }
                Some((_, inner)) => body += inner,
                None => return fault(line, "the certificate that begins here has no end"),
            }
        }
        match STANDARD.decode(&body) {
            Ok(der) if is_whole(&der) => all.push(Certified { line, der }),
            _ => return fault(line, "the certificate that begins here is damaged"),
        }
    }
    if all.is_empty() {
        return Err(PemFault { line: 1, what: "there is no certificate in it".to_owned() });
    }
    Ok(all)
}

/// Whether bytes are one DER sequence, no more and no less.
fn is_whole(der: &[u8]) -> bool {
    let Some((0x30, rest)) = der.split_first().map(|(tag, rest)| (*tag, rest)) else { return false };
    match rest.split_first() {
        Some((short @ 0..=0x7F, rest)) => usize::from(*short) == rest.len(),
        Some((long @ 0x81..=0x84, rest)) => rest
            .split_at_checked(usize::from(long & 0x7F))
            .is_some_and(|(length, rest)| length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)) == rest.len()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As small as a whole one can be.
    const SMALL: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

    #[test]
    fn several_are_found_with_what_stands_between_them() {
        let text = format!("# corp\n{SMALL}\nsubject=CN = other\r\n{}", SMALL.replace('\n', "\r\n"));
        let lines: Vec<_> = certificates(&text).unwrap().into_iter().map(|found| (found.line, found.der)).collect();
        assert_eq!(lines, [(2, vec![0x30, 0]), (7, vec![0x30, 0])]);
    }

    #[test]
    fn the_line_of_a_fault_is_said() {
        let wrong = |text: &str| certificates(text).unwrap_err().to_string();
        assert_eq!(wrong(""), "line 1: there is no certificate in it");
        assert_eq!(wrong("MAA="), "line 1: there is no certificate in it");
        let key = SMALL.replace("CERTIFICATE", "EC PRIVATE KEY");
        assert_eq!(wrong(&format!("{SMALL}{key}")), "line 4: there is a private key in it: it takes certificates alone");
        assert_eq!(wrong(&SMALL.replace("CERTIFICATE", "PUBLIC KEY")), "line 1: \"PUBLIC KEY\" is no certificate");
        assert_eq!(wrong(&format!("{SMALL}-----BEGIN CERTIFICATE-----\nMAA=\n")), "line 4: the certificate that begins here has no end");
        assert!(wrong(&format!("{SMALL}{}", SMALL.replace("MAA=", "MA*="))).starts_with("line 5: it is no part"));
        for damaged in ["MAE=", "MA", "AAA=", ""] {
            assert_eq!(wrong(&SMALL.replace("MAA=", damaged)), "line 1: the certificate that begins here is damaged", "{damaged}");
        }
        assert!(wrong("-----BEGIN CERTIFICATE----\nMAA=\n").starts_with("line 1: a line of dashes"));
    }
}
