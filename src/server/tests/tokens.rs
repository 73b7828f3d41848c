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
