//! Service accounts as callers: the cluster signs who they are, and the server believes it. No secret is made by hand.

use crate::kit::{Scene, World, plain_queue, task, tests};
use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::api::PostParams;
use serde_json::{Value, json};
use slipway::{app::ambient::SystemRng, client::Client, domain::Rng, wire::TaskState};
use std::{fs, path::Path, sync::Arc};

tests!(Shared: a_glue_and_a_user_are_service_accounts);

/// A token of a service account, as kubelet projects them, in a file.
async fn projected(scene: &Scene, account: &str, audiences: &[&str], file: &Path) -> String {
    let request = json!({"spec": {"audiences": audiences, "expirationSeconds": 3_600}});
    let request: TokenRequest = serde_json::from_value(request).expect("a token request");
    let made = scene.api::<ServiceAccount>().create_token_request(account, &PostParams::default(), &request).await.expect("a token");
    let token = made.status.and_then(|status| status.token).expect("a token");
    fs::write(file, &token).expect("a file");
    token
}

async fn a_glue_and_a_user_are_service_accounts(scene: Arc<Scene>) {
    let mut world = World::new(&scene).await;
    for name in ["glue-k8s", "ci"] {
        scene.create::<ServiceAccount>(json!({"metadata": {"name": name}})).await;
    }
    let [ours, reader, ca, other, mine] = ["glue", "reader", "ca", "other", "ci"].map(|name| world.root().join(name));
    // Whoever is a service account may read the cluster's keys.
    projected(&scene, "ci", &[], &reader).await;
    projected(&scene, "glue-k8s", &["slipway"], &ours).await;
    let bot = projected(&scene, "ci", &["slipway"], &mine).await;
    let foreign = projected(&scene, "ci", &["somebody-else"], &other).await;
    let (api, authority) = scene.cluster.address();
    fs::write(&ca, authority).expect("a file");
    let issuer = scene.cluster.issuer().await;
    let account = |name: &str| format!("system:serviceaccount:{}:{name}", scene.namespace);
    let roles = json!([{"role": "runner", "users": [account("glue-k8s")]}, {"role": "submitter", "users": [account("ci")]}]);
    let config = json!({"issuers": [{
        "name": "cluster", "issuer": issuer, "keysUrl": format!("{api}/openid/v1/jwks"), "caFile": ca, "tokenFile": reader, "roles": roles,
    }]});
    world.configure(&config).await;
    world.glue("k8s", json!({"tokenFile": ours})).await;
    world.queue("q", plain_queue()).await;

    let client =
        |token: &str| Client::new(&world.url, Some(token.to_owned().into()), "test/1").expect("a client").allowing_plain_http(true);
    let who = client(&bot).whoami().await.expect("the bot is known");
    assert_eq!((who.user, who.role.as_str()), (format!("cluster:{}", account("ci")), "submitter"));
    let submitted: Value = json!({"queue": "q", "command": ["echo", "by the bot"]});
    let id = client(&bot).submit(&task(submitted), SystemRng.uuid()).await.expect("the task").id;
    let ended = world.ended(id).await;
    assert_eq!((ended.state, ended.user), (TaskState::Succeeded, format!("cluster:{}", account("ci"))));
    assert_eq!(world.log(id, 0).await, b"by the bot\n");
    assert!(client(&foreign).whoami().await.is_err(), "a token for somebody else is none for us");
    let said = world.said();
    assert!(![bot, foreign].iter().any(|token| said.contains(token.as_str())), "a token is said");
}
