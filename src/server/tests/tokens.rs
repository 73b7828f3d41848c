//! Tokens: shown once, listed without their secrets, gone when revoked.

use super::rig::{Rig, Who};
use crate::wire::CreatedToken;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_secret_is_shown_once() {
    let rig = Rig::new().await;
    let body = json!({"user": "kim", "role": "submitter", "expiresInSeconds": 3600});
    let reply = rig.post(Who::Admin, "/api/v1/tokens", &body).await;
    let made = reply.expect(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("slw_") && secret.ends_with(made["token"]["tail"].as_str().unwrap()));
    assert_eq!((&made["token"]["createdBy"], &made["token"]["expiresAt"]), (&json!("ada"), &json!("2027-01-15T09:00:00Z")));
    assert!(!format!("{:?}", serde_json::from_slice::<CreatedToken>(&reply.body).unwrap()).contains(secret));
    let list = rig.get(Who::Admin, "/api/v1/tokens").await;
    assert!(!list.text().contains(secret) && !list.text().contains("slw_"));
    let listed = list.expect(200)["items"].as_array().unwrap().clone();
    assert!(listed.contains(&made["token"]), "{listed:?}");

    // Nor does it lie in the database, nor in its log ahead.
    for entry in std::fs::read_dir(rig.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{}", path.display());
        }
    }
    // A repeat makes another one.
    assert_ne!(rig.post(Who::Admin, "/api/v1/tokens", &body).await.expect(201)["secret"], made["secret"]);
}

#[tokio::test]
async fn a_token_with_a_fault_is_not_made() {
    let rig = Rig::new().await;
    for (body, pointer) in [
        (json!({"user": "", "role": "viewer"}), "/user"),
        (json!({"user": "@me", "role": "viewer"}), "/user"),
        (json!({"user": "a\nb", "role": "viewer"}), "/user"),
        (json!({"user": "a,b", "role": "viewer"}), "/user"),
        (json!({"user": "x".repeat(101), "role": "viewer"}), "/user"),
        (json!({"user": "kim", "role": "root"}), "/role"),
        (json!({"user": "kim", "role": "viewer", "expiresInSeconds": 0}), "/expiresInSeconds"),
        (json!({"user": "kim", "role": "viewer", "expiresInSeconds": u64::MAX}), "/expiresInSeconds"),
    ] {
        let problem = rig.post(Who::Admin, "/api/v1/tokens", &body).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    assert_eq!(rig.get(Who::Admin, "/api/v1/tokens").await.expect(200)["items"].as_array().unwrap().len(), Who::ALL.len());
}

#[tokio::test]
async fn everyone_is_told_who_they_are() {
    let rig = Rig::new().await;
    for who in Who::ALL.into_iter().filter(|who| *who != Who::Runner) {
        let told = rig.get(who, "/api/v1/whoami").await.expect(200);
        assert_eq!(told, json!({"user": who.user(), "role": who.role()}));
    }
}

/// A caller who hangs up between the commit and its effect must not leave a revoked token in force.
#[tokio::test]
async fn a_revocation_counts_even_if_its_caller_hangs_up() {
    let rig = Rig::new().await;
    let made = rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer"})).await.expect(201);
    let (secret, id) = (made["secret"].as_str().unwrap(), &made["token"]["id"]);
    let mut revoke = rig.call("DELETE", format!("/api/v1/tokens/{id}")).bearer(rig.token(Who::Admin)).into_future();
    // It is sent, and dropped before it is answered.
    assert!(futures::poll!(&mut revoke).is_pending());
    drop(revoke);
    let refused = async {
        while rig.call("GET", "/api/v1/whoami").bearer(secret).await.status != 401 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.expect("the token is out of force");
}

/// Two changes at once must not let the older reading of the tokens win.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_at_once_all_count() {
    let rig = Rig::new().await;
    for _ in 0..5 {
        let made = |_| rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer"})).into_future();
        let made: Vec<_> = futures::future::join_all((0..8).map(made)).await.iter().map(|reply| reply.expect(201)).collect();
        let revoke = |t: &serde_json::Value| {
            let call = rig.call("DELETE", format!("/api/v1/tokens/{}", t["token"]["id"])).bearer(rig.token(Who::Admin));
            tokio::spawn(call.into_future())
        };
        for done in futures::future::join_all(made.iter().map(revoke)).await {
            done.unwrap().expect(204);
        }
        for token in &made {
            rig.call("GET", "/api/v1/whoami").bearer(token["secret"].as_str().unwrap()).await.problem(401, "UNAUTHENTICATED");
        }
    }
}

#[tokio::test]
async fn a_rotated_token_goes_on_beside_the_new_one_for_a_while() {
    let rig = Rig::new().await;
    let new = json!({"user": "kim", "role": "submitter", "queues": ["default"], "expiresInSeconds": 86_400});
    let old = rig.post(Who::Admin, "/api/v1/tokens", &new).await.expect(201);
    rig.pass(3_600_000);
    let path = format!("/api/v1/tokens/{}/rotate", old["token"]["id"]);
    let rotate = |body| rig.post(Who::Admin, path.clone(), &body);
    rotate(json!({"overlapSeconds": 2_592_001})).await.problem(422, "VALIDATION_FAILED");
    let made = rotate(json!({"overlapSeconds": 600})).await.expect(201);
    let whoami = |of: &serde_json::Value| rig.call("GET", "/api/v1/whoami").bearer(of["secret"].as_str().unwrap());
    let me = json!({"user": "kim", "role": "submitter", "grants": [{"role": "submitter", "queues": ["default"]}]});
    for token in [&old, &made] {
        assert_eq!(whoami(token).await.expect(200), me);
    }
    let problem = rotate(json!({})).await.problem(409, "CONFLICT");
    assert!(problem["detail"].as_str().unwrap().contains("rotated already"), "{problem}");
    rig.pass(599_999);
    whoami(&old).await.expect(200);
    rig.pass(1);
    whoami(&old).await.problem(401, "UNAUTHENTICATED");
    whoami(&made).await.expect(200);
    // It lives as long as the old one was given, from now on.
    rig.pass(86_400_000 - 600_001);
    whoami(&made).await.expect(200);
    rig.pass(1);
    whoami(&made).await.problem(401, "UNAUTHENTICATED");
    rig.post(Who::Admin, "/api/v1/tokens/4711/rotate", &json!({})).await.problem(404, "TOKEN_NOT_FOUND");
}

#[tokio::test]
async fn a_rotation_leaves_a_nearer_end_and_without_an_overlap_ends_at_once() {
    let rig = Rig::new().await;
    let short = rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer", "expiresInSeconds": 60})).await.expect(201);
    let long = rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer"})).await.expect(201);
    let rotate = |of: &serde_json::Value, body| rig.post(Who::Admin, format!("/api/v1/tokens/{}/rotate", of["token"]["id"]), &body);
    rotate(&short, json!({})).await.expect(201);
    let new = rotate(&long, json!({"overlapSeconds": 0})).await.expect(201);
    let whoami = |of: &serde_json::Value| rig.call("GET", "/api/v1/whoami").bearer(of["secret"].as_str().unwrap());
    whoami(&long).await.problem(401, "UNAUTHENTICATED");
    assert!(new["token"]["expiresAt"].is_null(), "{new}");
    rig.pass(60_000);
    whoami(&short).await.problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_token_tells_when_it_was_used_last() {
    let rig = Rig::new().await;
    let made = rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer"})).await.expect(201);
    let used = async |rig: &Rig| {
        let list = rig.get(Who::Admin, "/api/v1/tokens").await.expect(200);
        list["items"].as_array().unwrap().last().unwrap()["lastUsedAt"].clone()
    };
    assert!(used(&rig).await.is_null());
    rig.pass(1_000);
    rig.call("GET", "/api/v1/whoami").bearer(made["secret"].as_str().unwrap()).await.expect(200);
    let at = used(&rig).await;
    assert!(at.is_string());
    // It survives a restart once it is written down.
    crate::server::clockwork::note(&rig.app).await;
    let rig = rig.restarted().await;
    assert_eq!(used(&rig).await, at);
}

#[tokio::test]
async fn queues_that_no_queue_can_have_are_refused() {
    let rig = Rig::new().await;
    for queues in [json!([]), json!(["a*b"]), json!([""]), json!(["-"])] {
        let reply = rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer", "queues": queues})).await;
        assert_eq!(reply.problem(422, "VALIDATION_FAILED")["errors"][0]["pointer"], "/queues");
    }
}
