//! How often one caller may call.

use super::rig::{Rig, Who};
use crate::{
    domain::{Rate, Rates},
    server::Peer,
};
use serde_json::json;
use std::net::SocketAddr;

/// Two calls of each kind at once, then one a second; strangers may come four times.
fn tight() -> Rates {
    let rate = Rate { per_second: 1, burst: 2 };
    Rates { read: rate, write: rate, runner: rate, beat: rate, bytes: rate, stranger: Rate { per_second: 1, burst: 4 } }
}

#[tokio::test]
async fn whoever_calls_too_often_hears_when_to_come_back() {
    let rig = Rig::new().await.limited(&tight());
    let get = |who| rig.get(who, "/api/v1/whoami");
    let first = get(Who::Sam).await;
    first.expect(200);
    assert_eq!((first.header("ratelimit"), first.header("ratelimit-policy")), (Some("\"read\";r=1;t=1"), Some("\"read\";q=2;w=2")));
    let second = get(Who::Sam).await;
    second.expect(200);
    assert_eq!(second.header("ratelimit"), Some("\"read\";r=0;t=2"));
    let third = get(Who::Sam).await;
    let problem = third.problem(429, "RATE_LIMITED");
    assert_eq!((third.header("retry-after"), &problem["retryAfterSeconds"]), (Some("1"), &json!(1)));
    assert!(problem["detail"].as_str().unwrap().contains("More than 1 calls of the kind read"), "{problem}");

    // Neither another kind of call nor another credential is touched by it.
    rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"]})).await.expect(201);
    get(Who::Sue).await.expect(200);
    rig.pass(1_000);
    get(Who::Sam).await.expect(200);
    get(Who::Sam).await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn signs_of_life_have_buckets_of_their_own() {
    let rig = Rig::new().await;
    rig.task().await;
    let own = rig.running().await;
    let rig = rig.limited(&tight());
    let beat = || own.beat(&rig, &json!({"phase": "running", "waitMs": 0}));
    beat().await.expect(200);
    // The log is more than it may be; the signs of life go on.
    let mut refused = 0;
    for _ in 0..5 {
        let status = own.put(&rig, 0, b"x").await.status.as_u16();
        refused += u32::from(status == 429);
    }
    assert_eq!(refused, 3);
    beat().await.expect(200);
    beat().await.expect(200);
    beat().await.problem(429, "RATE_LIMITED");
    rig.pass(1_000);
    beat().await.expect(200);
}

#[tokio::test]
async fn strangers_share_the_bucket_of_their_address() {
    let rig = Rig::new().await.limited(&tight());
    let wrong = format!("slw_{}", "A".repeat(49));
    let from = async |address: &str, token: &str| {
        let address: SocketAddr = address.parse().unwrap();
        let call = rig.call("GET", "/api/v1/whoami").bearer(token).extension(Peer { address, secure: true });
        call.await.status.as_u16()
    };
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.push(from("192.0.2.1:4000", &wrong).await);
    }
    assert_eq!(heard, [401, 401, 401, 401, 429, 429]);
    assert_eq!(from("192.0.2.2:4000", &wrong).await, 401, "another address");
    for port in 1..5 {
        assert_eq!(from(&format!("[2001:db8::{port}]:4000"), &wrong).await, 401);
    }
    assert_eq!(from("[2001:db8::77]:4000", &wrong).await, 429, "one network of version 6 is one caller");
    assert_eq!(from("[2001:db8:0:1::1]:4000", &wrong).await, 401);
    // Whoever has a token that holds is none of them, whatever their address does.
    assert_eq!(from("192.0.2.1:4000", rig.token(Who::Sam)).await, 200);
    // Whether the server lives is told to everybody, always.
    for _ in 0..9 {
        rig.call("GET", "/livez").await.expect(200);
    }
}

#[tokio::test]
async fn what_is_over_is_forgotten() {
    let rig = Rig::new().await.limited(&tight());
    for _ in 0..3 {
        rig.get(Who::Sam, "/api/v1/whoami").await;
    }
    rig.pass(10_000);
    rig.app.rates.forget();
    assert_eq!(rig.app.rates.len(), 0);
    rig.get(Who::Sam, "/api/v1/whoami").await.expect(200);
    assert_eq!(rig.app.rates.len(), 1);
}
