//! Tokens: how they look and how they are stored.
//!
//! A token is `<prefix>_<43 characters of base64url: 256 random bits><6 of a CRC-32C>`, so that secret scanners
//! recognise it and a mistyped one is refused without a look-up. Only its SHA-256 is ever stored (a fast hash
//! suffices at this entropy, `docs/decisions/0003-tokens.md`).

use super::ambient::Rng;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// What a token is for; it shows in the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// A user's or a runner's API token, `slw_…`.
    Api,
    /// The one-time right to start one attempt, `slws_…`.
    Start,
    /// The right to speak for one started attempt, `slwa_…`.
    Attempt,
}

impl SecretKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Api => "slw_",
            Self::Start => "slws_",
            Self::Attempt => "slwa_",
        }
    }
}

/// Makes a new token.
#[must_use]
pub fn mint_secret(kind: SecretKind, rng: &dyn Rng) -> SecretString {
    let mut bits = [0; 32];
    rng.fill(&mut bits);
    let body = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bits));
    let sum = checksum(&body);
    SecretString::from(body + &sum)
}

/// Whether `text` can be a token of this kind: prefix, length, checksum.
#[must_use]
pub fn well_formed(kind: SecretKind, text: &str) -> bool {
    let Some(split) = text.len().checked_sub(6).filter(|at| text.is_char_boundary(*at)) else { return false };
    let (body, sum) = text.split_at(split);
    body.strip_prefix(kind.prefix()).is_some_and(|bits| bits.len() == 43) && checksum(body) == sum
}

/// The SHA-256 of a token: what the database holds.
#[must_use]
pub fn fingerprint(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn checksum(body: &str) -> String {
    URL_SAFE_NO_PAD.encode(crc32c::crc32c(body.as_bytes()).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    struct Fixed(u8);
    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_token_knows_its_kind_and_its_slips() {
        let token = mint_secret(SecretKind::Api, &Fixed(7));
        let text = token.expose_secret();
        assert!(text.starts_with("slw_") && text.len() == 4 + 43 + 6);
        assert!(well_formed(SecretKind::Api, text));
        assert!(!well_formed(SecretKind::Start, text));
        assert!(!well_formed(SecretKind::Api, &text.replacen('B', "C", 1)));
        for wrong in ["", "slw_", "slw_ä", &text[1..]] {
            assert!(!well_formed(SecretKind::Api, wrong), "{wrong:?}");
        }
        assert_ne!(fingerprint(text), fingerprint(mint_secret(SecretKind::Api, &Fixed(8)).expose_secret()));
    }
}
