//! Callers and their tokens, against a real server: where the first token is, and what a client does that comes too often.

use crate::{
    eventually,
    world::{Part, World},
};
use serde_json::json;
use slipway::client::{Client, Error};
use std::{fs, path::Path};

/// A server with this file, which runs when this returns.
async fn served(world: &mut World, file: &serde_json::Value) {
    let path = world.root.join("server.yaml");
    fs::write(&path, file.to_string()).expect("its file");
    world.more = vec!["--config".to_owned(), path.display().to_string()];
    world.start(Part::Server);
    let anybody = Client::new(&world.url, None, "test/0").expect("a client");
    eventually("the server", async || anybody.version().await.ok()).await;
}

async fn bears(world: &World, token: &str) -> Result<String, Error> {
    let client = Client::new(&world.url, Some(token.trim().to_owned().into()), "test/0").expect("a client");
    client.whoami().await.map(|me| me.role.to_string())
}

/// What `slipway admin mint-token` prints.
async fn minted(world: &World) -> String {
    let mut program = world.program(&["admin", "mint-token"]);
    let status = eventually("a token", async || program.ended()).await;
    assert!(status.success());
    String::from_utf8(program.out()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_is_kept_where_the_operator_says() {
    let mut world = World::new();
    let file = world.root.join("secret-token");
    served(&mut world, &json!({"adminTokenFile": file})).await;
    let made = fs::read_to_string(&file).expect("the token was put there");
    assert_eq!(bears(&world, &made).await.expect("it holds"), "admin");
    assert!(!Path::new(&world.data().join("admin-token")).exists(), "and nowhere else");

    // One that is there, as a Secret brings it, is taken; the other goes on until it is revoked.
    let brought = minted(&world).await;
    fs::write(&file, &brought).expect("the token is replaced");
    world.part(Part::Server).kill();
    served(&mut world, &json!({"adminTokenFile": file})).await;
    for token in [&brought, &made] {
        assert_eq!(bears(&world, token).await.expect("it holds"), "admin");
    }
    let stranger = minted(&world).await;
    assert!(bears(&world, &stranger).await.is_err(), "a fresh token is nobody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_too_often_waits_as_it_is_told() {
    let mut world = World::new();
    served(&mut world, &json!({"rates": {"read": {"perSecond": 2, "burst": 2}}})).await;
    let token = fs::read_to_string(world.data().join("admin-token")).expect("the token");
    let began = tokio::time::Instant::now();
    for _ in 0..6 {
        assert_eq!(bears(&world, &token).await.expect("it is answered in the end"), "admin");
    }
    assert!(began.elapsed().as_secs_f64() > 1.5, "two at once, then two a second");
}
