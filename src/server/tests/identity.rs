//! Callers by the word of an issuer.

use super::rig::{Rig, Who};
use crate::{domain::Issuer, server::Keys};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// The time at which a rig begins, in seconds.
const NOW: i64 = 1_800_000_000;
const ISS: &str = "https://issuer.example.com";

/// A key of the issuer.
pub(super) struct Signer {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": b64(&point[1..33]), "y": b64(&point[33..])})
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", b64(signature))
    }

    pub(super) fn token(&self, over: &Value) -> String {
        let mut claims = json!({"iss": ISS, "aud": ["slipway"], "sub": "kim", "groups": ["ml"], "exp": NOW + 600});
        let (Value::Object(all), Value::Object(over)) = (&mut claims, over) else { unreachable!("both are objects") };
        all.extend(over.clone());
        self.signed(&json!({"alg": "ES256", "typ": "JWT", "kid": self.kid}), &claims)
    }
}

/// What the issuer publishes, and how often it was asked.
#[derive(Default)]
pub(super) struct Published {
    keys: Mutex<Option<Value>>,
    asked: AtomicUsize,
}

impl Published {
    fn publish(&self, keys: Option<&[Value]>) {
        *self.keys.lock().unwrap() = keys.map(|keys| json!({"keys": keys}));
    }
    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

struct Handle(Arc<Published>);

impl Keys for Handle {
    fn fetch(&self) -> BoxFuture<'_, Result<String, String>> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let keys = self.0.keys.lock().unwrap().clone();
        Box::pin(async move { keys.map(|keys| keys.to_string()).ok_or_else(|| "it is away".to_owned()) })
    }
}

fn issuer() -> Issuer {
    let roles = json!([{"role": "runner", "users": ["system:serviceaccount:slipway:glue"]}, {"role": "submitter", "groups": ["ml"]}]);
    serde_json::from_value(json!({"name": "corp", "issuer": ISS, "roles": roles})).unwrap()
}

pub(super) async fn world() -> (Rig, Signer, Arc<Published>) {
    let (signer, published) = (Signer::new("k1"), Arc::new(Published::default()));
    published.publish(Some(&[signer.jwk()]));
    let rig = Rig::new().await.trusting(vec![(issuer(), Arc::new(Handle(published.clone())))]);
    (rig, signer, published)
}

async fn whoami(rig: &Rig, token: &str) -> super::wires::Reply {
    rig.call("GET", "/api/v1/whoami").bearer(token).await
}

#[tokio::test]
async fn a_caller_is_who_the_issuer_says_with_the_role_that_is_bound() {
    let (rig, signer, published) = world().await;
    let kim = signer.token(&json!({}));
    assert_eq!(whoami(&rig, &kim).await.expect(200), json!({"user": "corp:kim", "role": "submitter"}));
    let task = rig.call("POST", "/api/v1/tasks").bearer(&kim).json(&json!({"command": ["true"]})).await.expect(201);
    assert_eq!(task["user"], "corp:kim");
    let id = task["id"].as_i64().unwrap();
    rig.call("POST", format!("/api/v1/tasks/{id}/cancel"))
        .bearer(&signer.token(&json!({"sub": "eve"})))
        .json(&json!({}))
        .await
        .problem(403, "FORBIDDEN");
    rig.call("POST", format!("/api/v1/tasks/{id}/cancel")).bearer(&kim).json(&json!({})).await.expect(200);
    rig.call("GET", "/api/v1/tokens").bearer(&kim).await.problem(403, "FORBIDDEN");
    let glue = signer.token(&json!({"sub": "system:serviceaccount:slipway:glue", "groups": null}));
    rig.call("GET", "/api/v1/runner/holds?runner=r").bearer(&glue).await;
    rig.call("GET", "/api/v1/tasks").bearer(&glue).await.problem(403, "FORBIDDEN");
    let nobody = whoami(&rig, &signer.token(&json!({"groups": ["sales"]}))).await.problem(403, "FORBIDDEN");
    assert!(nobody["detail"].as_str().unwrap().contains("corp:kim"), "{nobody}");
    // Tokens of the server itself are what they were, and the keys were asked for once.
    assert_eq!(whoami(&rig, rig.token(Who::Sam)).await.expect(200)["role"], "submitter");
    assert_eq!(published.asked(), 1);
}

#[tokio::test]
async fn what_the_issuer_did_not_say_is_not_believed() {
    let (rig, signer, _published) = world().await;
    let other = Signer::new("k1");
    let claims = json!({"iss": ISS, "aud": "slipway", "sub": "kim", "groups": ["ml"], "exp": NOW + 600});
    let good = signer.token(&json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let admin = b64(json!({"iss": ISS, "aud": "slipway", "sub": "root", "groups": ["ml"], "exp": NOW + 600}).to_string());
    // The public key is known to everybody: as a symmetric one it must prove nothing.
    let public = signer.jwk()["x"].as_str().unwrap().to_owned();
    let hmac = {
        let message = format!("{}.{}", b64(json!({"alg": "HS256", "kid": "k1"}).to_string()), b64(claims.to_string()));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
        format!("{message}.{}", b64(aws_lc_rs::hmac::sign(&key, message.as_bytes())))
    };
    let bad = [
        ("another key", other.token(&json!({}))),
        ("a key that is not published", Signer::new("k9").token(&json!({}))),
        ("other claims", format!("{}.{admin}.{}", parts[0], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("none", format!("{}.{}.", b64(r#"{"alg":"none"}"#), parts[1])),
        ("a symmetric one", hmac),
        ("another kind", signer.signed(&json!({"alg": "RS256", "kid": "k1"}), &claims)),
        ("another issuer", signer.token(&json!({"iss": "https://evil.example.com"}))),
        ("no issuer", signer.token(&json!({"iss": null}))),
        ("another audience", signer.token(&json!({"aud": "elsewhere"}))),
        ("an old one", signer.token(&json!({"exp": NOW - 61}))),
        ("an early one", signer.token(&json!({"nbf": NOW + 61}))),
        ("an endless one", signer.token(&json!({"exp": null}))),
        ("nobody's", signer.token(&json!({"sub": ""}))),
        ("a long one", signer.token(&json!({"x": "x".repeat(20_000)}))),
        ("nonsense", "eyJ.eyJ.x".into()),
        ("more nonsense", "ey..".into()),
    ];
    for (what, token) in bad {
        let problem = whoami(&rig, &token).await.problem(401, "UNAUTHENTICATED");
        assert!(!problem.to_string().contains(&token), "{what}: the token is repeated");
    }
    assert_eq!(whoami(&rig, &good).await.expect(200)["user"], "corp:kim");
    // As time goes by the good one ends too.
    rig.pass(661_000);
    whoami(&rig, &good).await.problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_token_changed_anywhere_is_none() {
    let (rig, signer, _published) = world().await;
    let good = signer.token(&json!({}));
    for at in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bad).unwrap();
        // The last letter of a part may hold bits that mean nothing; a strict reader refuses those too.
        whoami(&rig, &bad).await.problem(401, "UNAUTHENTICATED");
        whoami(&rig, &good[..at]).await.problem(401, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn keys_come_and_go_and_nobody_can_have_them_asked_for_often() {
    let (rig, first, published) = world().await;
    assert_eq!(whoami(&rig, &first.token(&json!({}))).await.expect(200)["user"], "corp:kim");
    let second = Signer::new("k2");
    let strange = json!({"kty": "XYZ", "kid": "k0"});
    published.publish(Some(&[strange, first.jwk(), second.jwk()]));
    for _ in 0..50 {
        whoami(&rig, &second.token(&json!({}))).await.problem(401, "UNAUTHENTICATED");
    }
    assert_eq!(published.asked(), 1, "within ten seconds it is not asked again");
    rig.pass(10_000);
    whoami(&rig, &second.token(&json!({}))).await.expect(200);
    assert_eq!(published.asked(), 2);
    // The issuer is away: what is known holds, for a day.
    published.publish(None);
    rig.pass(3_600_000);
    let later = json!({"exp": NOW + 200_000});
    whoami(&rig, &first.token(&later)).await.expect(200);
    rig.pass(24 * 3_600_000);
    whoami(&rig, &first.token(&later)).await.problem(401, "UNAUTHENTICATED");
    // A key that is withdrawn counts no more once the keys are fetched again.
    published.publish(Some(&[second.jwk()]));
    rig.pass(10_000);
    whoami(&rig, &first.token(&later)).await.problem(401, "UNAUTHENTICATED");
    whoami(&rig, &second.token(&later)).await.expect(200);
}
