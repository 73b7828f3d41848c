//! From a login to a logout: what is kept, what is sent where, and what is never shown.

use crate::{
    cli::{
        help::parsed,
        run,
        scripted::{Script, Server, json, problem},
        testing::Bench,
    },
    wire::{Problem, ProblemCode, Role, Whoami},
};
use std::{fs, os::unix::fs::MetadataExt};

async fn server(user: &str) -> Server {
    let who = Whoami { user: user.into(), role: Role::Submitter, grants: Vec::new() };
    Script::default().on("GET /api/v1/whoami", json(200, &who)).start().await
}

async fn types(bench: &Bench, words: &[&str]) -> u8 {
    run(parsed(words), bench.surroundings()).await.code()
}

/// The tokens that a server was shown.
fn shown(server: &Server) -> Vec<String> {
    server.seen().iter().map(|seen| seen.headers.get("authorization").cloned().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_login_is_kept_used_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("slipway/contexts.yaml");
    let (one, two) = (server("lena").await, server("omar").await);
    let bench = Bench { contexts: file.clone(), ..Bench::person() };
    // Asked for at a terminal.
    assert_eq!(types(&bench, &["login", &one.url, "--name", "one"]).await, 0, "{}", bench.err.text());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    // Read from a pipe.
    let piped = Bench { contexts: file.clone(), stdin: b"slw_piped\n".to_vec(), ..Bench::default() };
    assert_eq!(types(&piped, &["login", &two.url, "--name", "two"]).await, 0, "{}", piped.err.text());
    // The newest is the current one; others by name, or by their address.
    assert_eq!(types(&bench, &["whoami"]).await, 0);
    assert_eq!(types(&bench, &["whoami", "--context", "one"]).await, 0);
    assert_eq!(types(&bench, &["whoami", "--url", &one.url]).await, 0);
    assert_eq!(types(&bench, &["context", "use", "one"]).await, 0);
    assert_eq!(types(&bench, &["whoami"]).await, 0);
    assert_eq!(shown(&one), ["Bearer slw_typed"; 4]);
    assert_eq!(shown(&two), ["Bearer slw_piped"; 2]);
    assert_eq!(types(&bench, &["context", "ls"]).await, 0);
    assert_eq!(types(&bench, &["context", "ls", "-o", "json"]).await, 0);
    assert_eq!(types(&bench, &["context", "show"]).await, 0);
    assert_eq!(types(&bench, &["context", "rm", "two"]).await, 0);
    assert_eq!(types(&bench, &["logout"]).await, 0);
    assert!(!fs::read_to_string(&file).unwrap().contains("slw_"));
    assert_eq!(types(&bench, &["whoami"]).await, 0, "the script asks for no token");
    assert_eq!(shown(&one).last().unwrap(), "");
    assert_eq!(types(&bench, &["context", "use", "two"]).await, 5);
    let said = bench.out.text() + &bench.err.text();
    assert!(!said.contains("slw_typed") && !said.contains("slw_piped"), "{said}");
    insta::assert_snapshot!(said.replace(&one.url, "http://one").replace(&two.url, "http://two"));
}

#[tokio::test]
async fn nothing_is_kept_of_a_login_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("contexts.yaml");
    let refusing = Script::default().on("GET /api/v1/whoami", problem(&Problem::new(ProblemCode::Unauthenticated))).start().await;
    let bench = Bench { contexts: file.clone(), ..Bench::person() };
    assert_eq!(types(&bench, &["login", &refusing.url]).await, 4);
    let empty = Bench { contexts: file.clone(), ..Bench::default() };
    assert_eq!(types(&empty, &["login", &refusing.url]).await, 4, "nothing came");
    assert_eq!(types(&bench, &["login", "http://slipway.acme.io"]).await, 2, "no token is sent there");
    assert_eq!(types(&bench, &["login", "nonsense"]).await, 2);
    assert!(!file.exists());
    assert!(bench.err.text().contains("--allow-plain-http"), "{}", bench.err.text());
}

#[tokio::test]
async fn of_a_file_its_place_is_kept_and_others_who_can_read_it_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let (file, token) = (dir.path().join("contexts.yaml"), dir.path().join("token"));
    fs::write(&token, "slw_first\n").unwrap();
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let server = server("lena").await;
    let bench = Bench { contexts: file.clone(), ..Bench::default() };
    assert_eq!(types(&bench, &["login", &server.url, "--token-file", token.to_str().unwrap()]).await, 0);
    assert!(bench.err.text().contains("others on this machine can read the token in"), "{}", bench.err.text());
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&token, "slw_second\n").unwrap();
    let quiet = Bench { contexts: file.clone(), ..Bench::default() };
    assert_eq!(types(&quiet, &["whoami"]).await, 0);
    assert_eq!((quiet.err.text().as_str(), shown(&server).last().unwrap().as_str()), ("", "Bearer slw_second"));
    assert!(!fs::read_to_string(&file).unwrap().contains("slw_"));
}
