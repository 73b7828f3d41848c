//! Until when a certificate holds (RFC 5280, 4.1).

use crate::domain::UnixMs;
use jiff::civil::DateTime;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xA0;

/// The end of a certificate's time; nothing where `der` is none.
pub(super) fn not_after(der: &[u8]) -> Option<UnixMs> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&VERSION) {
        (_, _, rest) = element(rest)?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (tag, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (kind, time, _) = element(rest)?;
    (tag == SEQUENCE).then(|| instant(kind, time)).flatten()
}

/// The first element: its tag, what is in it, what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7F => (usize::from(short), rest),
        // More than four bytes of length are no certificate.
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7F))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((tag, inside, rest))
}

/// `YYMMDDHHMMSSZ` of the years 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn instant(kind: u8, text: &[u8]) -> Option<UnixMs> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match (kind, text.len()) {
        (UTC_TIME, 12) => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        (GENERALIZED_TIME, 14) => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(UnixMs(time.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        for (kind, text, expected) in [
            (UTC_TIME, "261128235959Z", "2026-11-28T23:59:59Z"),
            (UTC_TIME, "491231000000Z", "2049-12-31T00:00:00Z"),
            (UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z"),
            (GENERALIZED_TIME, "21260101000000Z", "2126-01-01T00:00:00Z"),
        ] {
            let expected: jiff::Timestamp = expected.parse().unwrap();
            assert_eq!(instant(kind, text.as_bytes()), Some(UnixMs(expected.as_millisecond())), "{text}");
        }
        for (kind, text) in [(UTC_TIME, "2611282359Z"), (GENERALIZED_TIME, "20261328000000Z"), (UTC_TIME, "é61128235959Z"), (4, "")] {
            assert_eq!(instant(kind, text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_authority_of_browsers_has_an_end_and_no_piece_of_one_does_harm() {
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            assert!(not_after(der).is_some_and(|end| end.0 > 1_700_000_000_000), "{der:?}");
        }
        let der: &[u8] = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[0];
        for end in 0..der.len().min(400) {
            assert_eq!(not_after(&der[..end]), None);
            let mut bent = der.to_vec();
            bent[end] ^= 0xFF;
            let _ = not_after(&bent);
        }
    }
}
