//! Secrets in what a command prints: they are neither in the log, nor on the container's output, nor in a message.

use crate::{
    pods::{Pod, log, stored},
    server::Server,
    sh,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use slipway::domain::pod::{SECRET_ENV, SECRET_FILES};
use std::fs;
use tokio::process::Command;

const KEY: &str = "it's a \"key\"/+?";
const LINES: &str = "first-line-of-it\n  second-line\nx\n";

/// A pod with `KEY` from a Secret and a Secret's file, as the glue says.
fn with_secrets(server: &Server, script: &str) -> (slipway::wire::AttemptRef, Pod) {
    let of = server.claimed(sh(script));
    let pod = Pod::start_with(server, of, "run", |root, command: &mut Command| {
        fs::create_dir(root.at("/secrets")).unwrap();
        fs::write(root.at("/secrets/lines"), LINES).unwrap();
        command.env("KEY", KEY).env(SECRET_ENV, "KEY").env(SECRET_FILES, "/secrets").env("ROOT", root.path());
    });
    (of, pod)
}

#[tokio::test]
async fn a_secret_that_a_command_prints_shows_nowhere() {
    let server = Server::start().await;
    let script = r#"
        echo "raw $KEY raw"
        cat $ROOT/secrets/lines
        printf %s "$KEY" | base64
        printf 'user:%s' "$KEY" | base64
        printf 'x%s' "$KEY" | base64
        echo 'it'\''\'\'''\''s a "key"/+?'
        echo 'it'"'"'s+a+%22key%22%2f%2b%3f and it%27s%20a%20%22key%22%2F%2B%3F'
        echo 'it'"'"'s a \"key\"/+? of JSON'
        printf 'it'; printf "'s a "; printf '"key"/+?\n'
        echo "slw_0123456789012345678901234567890123456789012345678"
        env | grep -c SLIPWAY_SECRET
        printf "the end: it's a"
    "#;
    let (of, mut pod) = with_secrets(&server, script);
    let (_, out, err) = pod.ended().await;
    let text = log(&server, of);
    assert!(text.starts_with("raw [masked] raw\n[masked]"), "{text}");
    for part in [KEY, "it's", "key", "2f", "first-line", "second-line", "slw_", &STANDARD.encode(KEY)[..12]] {
        for (place, text) in [("the log", &text), ("the output", &out), ("the agent's errors", &err), ("the message", &pod.root.message())]
        {
            assert!(!text.contains(part), "{part:?} in {place}: {text}");
        }
    }
    assert_eq!(out, text, "the container's output is the log");
    assert!(text.ends_with("\n0\nthe end: [masked]"), "{text}");
    let end = stored(&server, of);
    assert_eq!((end.log_bytes, end.log_crc), (text.len() as u64, crc32c::crc32c(text.as_bytes())), "what is counted is masked");
}

#[tokio::test]
async fn a_pause_shows_little_and_holds_little_back() {
    let server = Server::start().await;
    let (of, mut pod) = with_secrets(&server, r#"printf "go on? it'"; while ! [ -e $ROOT/go ]; do sleep 0.01; done; echo "${KEY#it\'}""#);
    server.until("the prompt", |w| w.attempts[&of].log == b"go on? it'").await;
    fs::write(pod.root.at("/go"), "").unwrap();
    pod.ended().await;
    assert_eq!(log(&server, of), "go on? it'[masked]\n");
}

#[tokio::test]
async fn what_is_not_masked_is_told_by_its_name_before_the_command_begins() {
    let server = Server::start().await;
    let of = server.claimed(sh("echo $PIN"));
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.env("PIN", "12345").env(SECRET_ENV, "PIN");
    });
    let (_, out, _) = pod.ended().await;
    insta::assert_snapshot!(out, @r"
    [slipway: the value of PIN is shorter than 6 bytes and is not masked]
    12345
    ");
}

#[tokio::test]
async fn a_command_that_cannot_start_does_not_show_a_secret_in_its_name() {
    let server = Server::start().await;
    let of = server.claimed(crate::command(&["/nowhere/my-secret-name"]));
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.env("NAME", "my-secret-name").env(SECRET_ENV, "NAME");
    });
    let (_, out, _) = pod.ended().await;
    assert!(out.starts_with("[slipway: cannot start /nowhere/[masked]: "), "{out}");
    assert!(stored(&server, of).message.unwrap().starts_with("cannot start /nowhere/[masked]: "));
    assert!(!pod.root.message().contains("my-secret-name"));
}
