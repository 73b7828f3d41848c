//! Server, runner, agent and command under TLS with an authority of the test's own, and without it.

use crate::{
    support::{Program, eventually},
    world::{Part, World},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use slipway::wire::TaskState;
use std::{fs, net::TcpListener, path::Path, time::Duration};
use tokio::time::timeout;

/// Writes an authority and a certificate of it for this machine: `NAME.ca`, `NAME.crt`, `NAME.key`.
pub(crate) fn certify(dir: &Path, name: &str) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).expect("an authority");
    let own = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let cert = CertificateParams::new(names).and_then(|of| of.signed_by(&own, &Issuer::new(params, key))).expect("a certificate");
    for (end, text) in [("ca", ca.pem()), ("crt", cert.pem()), ("key", own.serialize_pem())] {
        fs::write(dir.join(format!("{name}.{end}")), text).expect("a file");
    }
}

/// The end of a command: its code, and what it said.
pub(crate) async fn end(mut program: Program) -> (Option<i32>, String) {
    let code = eventually("the command's end", async || program.ended()).await.code();
    (code, program.err() + &String::from_utf8_lossy(&program.out()))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_parts_speak_https_and_say_what_to_do_where_they_cannot() {
    let mut world = World::new();
    let root = world.root.clone();
    certify(&root, "ours");
    certify(&root, "other");
    let file = |name: &str| root.join(name).display().to_string();
    let both =
        [fs::read_to_string(root.join("other.ca")), fs::read_to_string(root.join("ours.ca"))].map(|text| text.expect("a file")).concat();
    fs::write(root.join("both.ca"), &both).expect("a file");
    world.secure(both);
    world.more = ["--tls-cert".to_owned(), file("ours.crt"), "--tls-key".to_owned(), file("ours.key")].into();
    world.env.push(("SLIPWAY_CA_FILE", file("both.ca")));
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let id = world.submit(&world.recorder.task("emit under TLS")).await;
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    assert_eq!(end(world.command(&["whoami"])).await.0, Some(0));

    world.env.clear();
    let (code, said) = end(world.command(&["whoami"])).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("UnknownIssuer") && said.contains("--ca-file FILE, or SLIPWAY_CA_FILE"), "{said}");
    let (code, said) = end(world.command(&["whoami", "--ca-file", &file("other.ca")])).await;
    // Another one of the same name.
    assert!(code == Some(1) && said.contains("BadSignature") && said.contains("an authority that is not known here"), "{said}");
    let (code, said) = end(world.command(&["whoami", "--ca-file", &file("ours.key")])).await;
    assert!(code == Some(2) && said.contains("ours.key:1: there is a private key in it"), "{said}");
    assert_eq!(end(world.command(&["whoami", "--ca-file", &file("ours.ca")])).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_leaves_over_plain_http() {
    let world = World::new();
    let token = world.root.join("token");
    fs::write(&token, "slw_never-sent").expect("a token");
    // Not of loopback by its address, and yet this machine: what would be sent would be seen here.
    let listener = TcpListener::bind("0.0.0.0:0").expect("a listener");
    let url = format!("http://0.0.0.0:{}", listener.local_addr().expect("an address").port());
    let listener = tokio::net::TcpListener::from_std({
        listener.set_nonblocking(true).expect("a mode");
        listener
    })
    .expect("a listener");
    let token = token.display().to_string();
    let (code, said) = end(world.program(&["whoami", "--url", &url, "--token-file", &token])).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("over plain http") && said.contains("SLIPWAY_ALLOW_PLAIN_HTTP=true"), "{said}");
    let (code, said) = end(world.program(&["runner", "--url", &url, "--token-file", &token])).await;
    assert!(code == Some(1) && said.contains("is plain http") && said.contains("--allow-plain-http"), "{said}");
    assert!(timeout(Duration::from_millis(200), listener.accept()).await.is_err(), "somebody connected");
    // And with leave it does.
    let allowed = world.program(&["whoami", "--url", &url, "--token-file", &token, "--allow-plain-http"]);
    timeout(Duration::from_secs(20), listener.accept()).await.expect("it connects").expect("a connection");
    drop(allowed);
}
