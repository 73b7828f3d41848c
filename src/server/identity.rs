//! Tokens that others signed: whose they are, and whether the signature holds.
//!
//! Only asymmetric signatures count, and only those of keys that the issuer publishes. The keys are kept; a token under one that
//! is not known makes them be asked for again, ten seconds after the last time at the earliest, so that nobody can have us ask
//! an issuer as often as they send tokens.

use super::error::{ApiError, ApiResult};
use crate::{
    domain::{Clock, Doubt, Issuer, Rights, fingerprint},
    wire::{Problem, ProblemCode},
};
use futures::future::BoxFuture;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

/// The longest token in bytes.
const MAX_TOKEN: usize = 16 << 10;
/// The most keys of an issuer.
const MAX_KEYS: usize = 100;
/// How long after asking for keys they are not asked for again.
const PAUSE: Duration = Duration::from_secs(10);
/// How long keys are believed without asking again.
const FRESH: Duration = Duration::from_mins(30);
/// How long keys are believed where they cannot be asked for.
const STALE: Duration = Duration::from_hours(24);
/// How long a token that held is believed without checking its signature again, within its own time.
const REMEMBERED: Duration = Duration::from_mins(1);
/// The most tokens that are remembered so.
const MAX_REMEMBERED: usize = 20_000;

/// Signatures that may count. None is symmetric: whoever can check such a one can make it.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Where an issuer's keys come from: a set of keys as JSON (RFC 7517).
pub trait Keys: Send + Sync + 'static {
    /// Fetches them; the error is for the log alone.
    fn fetch(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// The issuers whose word counts.
#[derive(Default)]
pub(super) struct Identity {
    trusted: Vec<Trusted>,
    /// Tokens that held lately, by their fingerprint.
    remembered: Mutex<HashMap<[u8; 32], Held>>,
}

/// A token that held.
#[derive(Clone)]
struct Held {
    user: String,
    rights: Rights,
    /// The keys that it was checked with; others end its being remembered.
    keys: Arc<Vec<Jwk>>,
    /// On the monotonic clock.
    until: Duration,
}

struct Trusted {
    issuer: Issuer,
    keys: Arc<dyn Keys>,
    known: RwLock<Known>,
    /// Held while keys are fetched: others wait for what comes.
    fetching: tokio::sync::Mutex<()>,
}

/// A set of keys, of any kinds.
#[derive(serde::Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Vec<Jwk>>,
    /// On the monotonic clock: when they came, and when they were asked for last.
    came: Option<Duration>,
    asked: Option<Duration>,
}

/// Whether a text could be a token of an issuer; tokens of this server look otherwise.
pub(super) fn is_signed(token: &str) -> bool {
    token.starts_with("ey") && token.bytes().filter(|b| *b == b'.').count() == 2
}

impl Identity {
    pub(super) fn new(issuers: Vec<(Issuer, Arc<dyn Keys>)>) -> Self {
        let trusted = |(issuer, keys)| Trusted { issuer, keys, known: RwLock::default(), fetching: tokio::sync::Mutex::default() };
        Self { trusted: issuers.into_iter().map(trusted).collect(), remembered: Mutex::default() }
    }

    /// The bearer of a signed token that held lately under keys that are still in use: no signature is checked, so that right tokens
    /// stay cheap while wrong ones pour in.
    pub(super) fn remembered(&self, token: &str, clock: &dyn Clock) -> Option<(String, Rights)> {
        let held = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&fingerprint(token)).cloned()?;
        let in_use = |trusted: &Trusted| {
            let known = trusted.known();
            let old = known.came.is_none_or(|came| clock.monotonic().saturating_sub(came) > FRESH);
            Arc::ptr_eq(&known.keys, &held.keys) && !old
        };
        (clock.monotonic() < held.until && self.trusted.iter().any(in_use)).then_some((held.user, held.rights))
    }

    fn remember(&self, token: &str, held: Held, clock: &dyn Clock) {
        let now = clock.monotonic();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.retain(|_, held| now < held.until);
        }
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(fingerprint(token), held);
        }
    }

    /// The bearer of a signed token, and the rights.
    pub(super) async fn whose(&self, token: &str, clock: &dyn Clock) -> ApiResult<(String, Rights)> {
        if token.len() > MAX_TOKEN {
            return Err(refused("it is too long"));
        }
        let header = decode_header(token).map_err(|_| refused("it is no signed token"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused("its kind of signature is not taken"));
        }
        // Not checked yet: it only says whose key to check it with.
        let claimed: Map<String, Value> =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| refused("it is no signed token"))?;
        let iss = claimed.get("iss").and_then(Value::as_str).unwrap_or_default();
        let mut last = refused("its issuer is not one that this server trusts");
        // One issuer may be named twice, for two audiences.
        for trusted in &self.trusted {
            if trusted.issuer.issuer != iss {
                continue;
            }
            let keys = trusted.keys_for(header.kid.as_deref(), clock).await;
            match trusted.check(token, header.alg, header.kid.as_deref(), &keys, clock) {
                Ok((user, rights, expires)) => {
                    let rest = Duration::from_secs(expires.saturating_sub(clock.now().0.div_euclid(1_000)).unsigned_abs());
                    let until = clock.monotonic() + REMEMBERED.min(rest);
                    let held = Held { user: user.clone(), rights: rights.clone(), keys: keys.clone(), until };
                    if expires > clock.now().0.div_euclid(1_000) {
                        self.remember(token, held, clock);
                    }
                    return Ok((user, rights));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Trusted {
    /// The keys, fetched where they are too old or lack the one that is asked for.
    async fn keys_for(&self, kid: Option<&str>, clock: &dyn Clock) -> Arc<Vec<Jwk>> {
        let due = |known: &Known| {
            let now = clock.monotonic();
            let old = known.came.is_none_or(|came| now.saturating_sub(came) > FRESH);
            let lacks = select(&known.keys, kid).next().is_none();
            (old || lacks) && known.asked.is_none_or(|asked| now.saturating_sub(asked) >= PAUSE)
        };
        if due(&self.known()) {
            let _fetching = self.fetching.lock().await;
            if due(&self.known()) {
                self.refresh(clock).await;
            }
        }
        let known = self.known();
        let stale = known.came.is_none_or(|came| clock.monotonic().saturating_sub(came) > STALE);
        if stale { Arc::default() } else { known.keys }
    }

    async fn refresh(&self, clock: &dyn Clock) {
        let fetched = self.keys.fetch().await.and_then(|text| {
            let set: Set = serde_json::from_str(&text).map_err(|e| format!("no set of keys: {e}"))?;
            if set.keys.len() > MAX_KEYS {
                return Err(format!("{} keys are too many", set.keys.len()));
            }
            // A key of a kind that we do not know must not cost us the others (RFC 7517, 5).
            Ok(set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok()).collect::<Vec<_>>())
        });
        let now = clock.monotonic();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.asked = Some(now);
        match fetched {
            Ok(keys) => (known.keys, known.came) = (Arc::new(keys), Some(now)),
            Err(error) => tracing::error!(issuer = %self.issuer.name, %error, "the keys of an issuer cannot be had"),
        }
    }

    /// Checks it: its user, the rights, and when it expires (seconds since 1970).
    fn check(&self, token: &str, alg: Algorithm, kid: Option<&str>, keys: &[Jwk], clock: &dyn Clock) -> ApiResult<(String, Rights, i64)> {
        // Times and audience are judged by our clock and our rule, below.
        let mut validation = Validation::new(alg);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        validation.set_issuer(&[&self.issuer.issuer]);
        let candidates: Vec<&Jwk> = select(keys, kid).filter(|key| fits(key, alg)).collect();
        if candidates.is_empty() {
            return Err(refused("it is signed by a key that its issuer does not publish"));
        }
        for key in candidates {
            let Ok(key) = DecodingKey::from_jwk(key) else { continue };
            match decode::<Map<String, Value>>(token, &key, &validation) {
                Ok(data) => {
                    let now = clock.now().0.div_euclid(1_000);
                    let (user, rights) = self.issuer.principal(&data.claims, now).map_err(|doubt| self.doubted(&doubt))?;
                    let expires = data.claims.get("exp").and_then(Value::as_i64).unwrap_or(now);
                    return Ok((user, rights, expires));
                }
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
                Err(_) => return Err(refused("it is no signed token")),
            }
        }
        Err(refused("its signature does not hold"))
    }

    fn doubted(&self, doubt: &Doubt) -> ApiError {
        if let Doubt::NoRole(user) = doubt {
            let detail = format!("The server knows {user} by the issuer {} and binds no role to them.", self.issuer.name);
            return Problem::new(ProblemCode::Forbidden)
                .detail(detail)
                .hint("An admin adds them to the issuer's roles in the server's file.")
                .into();
        }
        refused(&doubt.to_string())
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The keys of an id; of a token that names none, all of them.
fn select<'a>(keys: &'a [Jwk], kid: Option<&'a str>) -> impl Iterator<Item = &'a Jwk> {
    keys.iter().filter(move |key| kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid)))
}

/// Whether a key may have made such a signature: of its family, meant for signatures, and for this kind where it says which.
fn fits(key: &Jwk, alg: Algorithm) -> bool {
    let family = match key.algorithm {
        AlgorithmParameters::RSA(_) => "RPS",
        AlgorithmParameters::EllipticCurve(_) => "E",
        AlgorithmParameters::OctetKeyPair(_) => "Ed",
        // Symmetric ones, and what may come.
        _ => return false,
    };
    let named = format!("{alg:?}");
    let of_family = match family {
        "RPS" => named.starts_with("RS") || named.starts_with("PS"),
        "E" => named.starts_with("ES"),
        _ => named.starts_with("Ed"),
    };
    let signs = key.common.public_key_use.as_ref().is_none_or(|meant| *meant == PublicKeyUse::Signature);
    let same = key.common.key_algorithm.is_none_or(|own| format!("{own:?}") == named);
    of_family && signs && same
}

fn refused(why: &str) -> ApiError {
    Problem::new(ProblemCode::Unauthenticated).detail(format!("The token is not accepted: {why}.")).into()
}
