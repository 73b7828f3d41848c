//! Headers that nobody would send: whatever stands in them, the answer is one of ours, and nobody is let in by something near a token.

use super::{
    identity::world,
    rig::{Rig, Who},
};
use axum::http::HeaderValue;
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use serde_json::json;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What is done to a text.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Drop(Index),
    Double(Index),
    Put(Index, char),
    Cut(Index),
    Swap(Index, Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<Index>(), 1u8..127).prop_map(|(at, by)| Edit::Flip(at, by)),
        any::<Index>().prop_map(Edit::Drop),
        any::<Index>().prop_map(Edit::Double),
        (any::<Index>(), prop_oneof![Just('.'), Just('='), Just('-'), Just(' '), Just('A'), Just('ä'), any::<char>()])
            .prop_map(|(at, what)| Edit::Put(at, what)),
        any::<Index>().prop_map(Edit::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ];
    prop::collection::vec(edit, 1..4)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        if chars.is_empty() {
            break;
        }
        let len = chars.len();
        match edit {
            Edit::Flip(at, by) => {
                let at = at.index(len);
                chars[at] = char::from(u8::try_from(chars[at]).unwrap_or(b'x') ^ by);
            }
            Edit::Drop(at) => drop(chars.remove(at.index(len))),
            Edit::Double(at) => chars.insert(at.index(len), chars[at.index(len)]),
            Edit::Put(at, what) => chars.insert(at.index(len), *what),
            Edit::Cut(at) => chars.truncate(at.index(len)),
            Edit::Swap(a, b) => {
                // Whole parts, where it has some: header, claims and signature of a signed token.
                let mut parts: Vec<String> = chars.iter().collect::<String>().split('.').map(str::to_owned).collect();
                let (a, b) = (a.index(parts.len()), b.index(parts.len()));
                parts.swap(a, b);
                chars = parts.join(".").chars().collect();
            }
        }
    }
    chars.into_iter().collect()
}

/// Runs cases until the time is up.
fn for_a_while<S: Strategy>(what: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 2_000, max_shrink_time: 2_000, failure_persistence: None, ..Default::default() });
    let began = tokio::time::Instant::now();
    let bounded = |value| if began.elapsed() < Duration::from_secs(6) { test(value) } else { Ok(()) };
    runner.run(what, bounded).unwrap();
}

#[test]
fn nothing_near_a_token_lets_anybody_in() {
    let runtime = Runtime::new().unwrap();
    let (rig, signer, _published) = runtime.block_on(world());
    let of_theirs = signer.token(&json!({}));
    let own = rig.token(Who::Admin).to_owned();
    let schemes = prop_oneof![Just("Bearer "), Just("bearer "), Just("Basic "), Just("Bearer"), Just("")];
    for_a_while(&(any::<bool>(), edits(), schemes), |(of_issuer, edits, scheme)| {
        let good = if of_issuer { &of_theirs } else { &own };
        let token = edited(good, &edits);
        let Ok(value) = HeaderValue::from_bytes(format!("{scheme}{token}").as_bytes()) else { return Ok(()) };
        let reply = runtime.block_on(rig.call("GET", "/api/v1/whoami").value("authorization", value).into_future());
        if token.trim() == good && scheme.eq_ignore_ascii_case("bearer ") {
            prop_assert_eq!(reply.status.as_u16(), 200);
        } else {
            reply.problem(401, "UNAUTHENTICATED");
            prop_assert!(token.len() < 8 || !reply.text().contains(&token), "no answer repeats a token");
        }
        Ok(())
    });
}

#[test]
fn no_header_breaks_the_server() {
    let runtime = Runtime::new().unwrap();
    let rig = runtime.block_on(Rig::new());
    let task = runtime.block_on(rig.task());
    let names = [
        "authorization",
        "x-forwarded-for",
        "x-request-id",
        "idempotency-key",
        "last-event-id",
        "range",
        "if-match",
        "if-none-match",
        "accept",
        "content-type",
        "slipway-client",
    ];
    let seeds = [
        "bytes=0-5",
        "bytes=-1",
        "bytes=9999999999999999999-",
        "1:0",
        "\"1\"",
        "*",
        "10.0.0.1, 192.0.2.7:80",
        "text/event-stream",
        "application/json; charset=utf-8",
        "Bearer x",
    ];
    let header = (0..names.len(), 0..seeds.len(), edits());
    for_a_while(&prop::collection::vec(header, 1..4), |headers| {
        for (method, path) in [
            ("GET", format!("/api/v1/tasks/{task}/log")),
            ("POST", format!("/api/v1/tasks/{task}/move")),
            ("GET", "/api/v1/queues/default".to_owned()),
        ] {
            let mut call = rig.call(method, path).bearer(rig.token(Who::Sam));
            if method == "POST" {
                call = call.json(&json!({"to": "front"}));
            }
            for (name, seed, edits) in &headers {
                let Ok(value) = HeaderValue::from_bytes(edited(seeds[*seed], edits).as_bytes()) else { continue };
                call = call.value(names[*name], value);
            }
            let reply = runtime.block_on(call.into_future());
            prop_assert!(reply.status.as_u16() < 500, "{}", reply.text());
            let told = reply.header("x-request-id").unwrap_or_default();
            prop_assert!(!told.is_empty() && told.len() <= 64 && told.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{}", told);
            if reply.status.is_client_error() {
                prop_assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            }
        }
        Ok(())
    });
}
