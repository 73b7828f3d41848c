//! How long a certificate is good for, read from its DER: two dates, and nothing else of it. Whether it is to be trusted the
//! connection has decided before.

use crate::wire::Timestamp;

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The dates of a certificate (RFC 5280, 4.1); none where it is none.
pub(super) fn validity(der: &[u8]) -> Option<Validity> {
    let (tag, certificate, _) = element(der)?;
    let (inner, to_be_signed, _) = element(certificate)?;
    if (tag, inner) != (SEQUENCE, SEQUENCE) {
        return None;
    }
    let mut rest = to_be_signed;
    let (first, _, after) = element(rest)?;
    if first == VERSION {
        rest = after;
    }
    // Serial number, signature, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (tag, dates, _) = element(rest)?;
    let (from, after) = time(dates)?;
    let (until, _) = time(after)?;
    (tag == SEQUENCE).then_some(Validity { from, until })
}

/// The first element: its tag, what is in it, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if !(1..=4).contains(&digits.len()) {
            return None;
        }
        (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
    };
    let (within, after) = rest.split_at_checked(length)?;
    Some((tag, within, after))
}

/// A point in time, and what follows it: `YYMMDDHHMMSSZ` up to 2049, then `YYYYMMDDHHMMSSZ`.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, text, after) = element(bytes)?;
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let whole = match tag {
        UTC_TIME => format!("{}{text}", if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let (date, clock) = whole.strip_suffix('Z').filter(|digits| digits.len() == 14)?.split_at(8);
    Some((format!("{date}T{clock}Z").parse().ok()?, after))
}

/// As much of a certificate as is read here, good for this time: `YYMMDDHHMMSSZ`.
#[cfg(test)]
pub(super) fn sample(from: &str, until: &str) -> Vec<u8> {
    let wrap = |tag: u8, parts: &[Vec<u8>]| {
        let within = parts.concat();
        [vec![tag, u8::try_from(within.len()).unwrap()], within].concat()
    };
    let date = |text: &str| wrap(UTC_TIME, &[text.as_bytes().to_vec()]);
    let (serial, name) = (wrap(0x02, &[vec![7]]), wrap(SEQUENCE, &[]));
    let dates = wrap(SEQUENCE, &[date(from), date(until)]);
    let version = wrap(VERSION, &[wrap(0x02, &[vec![2]])]);
    wrap(SEQUENCE, &[wrap(SEQUENCE, &[version, serial, name.clone(), name, dates])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_of_every_known_authority_are_read() {
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            let Validity { from, until } = validity(der).unwrap();
            assert!(from < until && from > "1995-01-01T00:00:00Z".parse().unwrap(), "{from} to {until}");
        }
        // Let's Encrypt's first root: 4 June 2015 to 4 June 2035.
        let isrg = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| validity(der))
            .find(|validity| validity.from.to_string() == "2015-06-04T11:04:38Z" && validity.until.to_string() == "2035-06-04T11:04:38Z");
        assert!(isrg.is_some());
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        let whole = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[0];
        for length in 0..whole.len().min(300) {
            assert_eq!(validity(&whole[..length]), None, "cut after {length}");
        }
        for wrong in [&b""[..], b"no certificate", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80], &[0xff; 64]] {
            assert_eq!(validity(wrong), None, "{wrong:?}");
        }
    }
}
