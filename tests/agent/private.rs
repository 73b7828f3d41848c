//! A repository that asks who comes: git over HTTP on loopback, as a git server speaks it, and an agent in a pod whose queue
//! names a Secret.

use crate::{
    pods::{Pod, log, stored},
    server::{Recipe, Server},
    sh,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use slipway::{
    domain::pod,
    wire::{Code, GitCode, GitSource, Reason, Setup, Sources},
};
use std::{fs, net::Ipv4Addr, path::Path, process::Stdio, sync::Arc};
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command};
use tokio_util::task::AbortOnDropHandle;

pub(crate) const PASSWORD: &str = "token-that-nobody-may-read";

/// Runs a program in a directory; what it wrote.
async fn run(dir: &Path, words: &[&str]) -> String {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let out = command.output().await.unwrap();
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// What git itself brings for web servers (CGI, RFC 3875), behind a password.
async fn answer(State(root): State<Arc<Path>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let known = format!("Basic {}", STANDARD.encode(format!("bot:{PASSWORD}")));
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != known.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")]).into_response();
    }
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut backend = Command::new("git");
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", &*root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "bot");
    backend.env("PATH_INFO", uri.path()).env("QUERY_STRING", uri.query().unwrap_or_default()).env("REQUEST_METHOD", method.as_str());
    backend.env("CONTENT_TYPE", of("content-type")).env("HTTP_CONTENT_ENCODING", of("content-encoding"));
    backend.env("HTTP_GIT_PROTOCOL", of("git-protocol")).env("GIT_PROTOCOL", of("git-protocol"));
    let mut backend = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = backend.stdin.take().unwrap();
    let ((), out) = tokio::join!(
        async move {
            // It may know enough before it has read all.
            let _ = stdin.write_all(&body).await;
        },
        backend.wait_with_output()
    );
    let out = out.unwrap().stdout;
    let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let kind = String::from_utf8_lossy(&out[..end]).lines().find_map(|line| line.strip_prefix("Content-Type: ").map(str::to_owned));
    ([(header::CONTENT_TYPE, kind.unwrap_or_default())], out[end + 4..].to_vec()).into_response()
}

/// Serves the repositories below a directory: the address.
pub(crate) async fn serve(root: &Path) -> (String, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app = Router::new().fallback(answer).with_state(Arc::<Path>::from(root));
    (address, AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })))
}

/// Makes the repository `team/vision` below a directory, with one file; its commit.
pub(crate) async fn repository(dir: &Path) -> String {
    let (bare, clone) = (dir.join("team/vision"), dir.join("clone"));
    fs::create_dir_all(&bare).unwrap();
    run(&bare, &["git", "init", "--quiet", "--bare", "--initial-branch=main"]).await;
    run(dir, &["git", "clone", "--quiet", "team/vision", "clone"]).await;
    fs::write(clone.join("hello"), "from the repository").unwrap();
    run(&clone, &["git", "add", "hello"]).await;
    run(&clone, &["git", "-c", "user.name=kim", "-c", "user.email=kim@example.com", "commit", "--quiet", "-m", "work"]).await;
    run(&clone, &["git", "push", "--quiet", "origin", "HEAD:main"]).await;
    run(&clone, &["git", "rev-parse", "HEAD"]).await
}

#[tokio::test]
async fn a_private_repository_is_read_with_the_queues_credentials_which_nobody_sees() {
    let dir = tempfile::tempdir().unwrap();
    let commit = repository(dir.path()).await;
    let (address, _serving) = serve(dir.path()).await;

    let server = Server::start().await;
    let instead_of = [("https://git.example.com/".to_owned(), format!("http://{address}/"))].into();
    let recipe = |secret: Option<&str>| {
        let git = GitCode { url: "https://git.example.com/team/vision".into(), commit: commit.clone(), ..GitCode::default() };
        let code = Code { git: Some(git), ..Code::default() };
        let source = GitSource { secret_ref: secret.map(str::to_owned), instead_of: std::collections::BTreeMap::clone(&instead_of) };
        Recipe {
            setup: Setup { code: Some(code), ..Setup::default() },
            sources: Sources { git: Some(source), ..Sources::default() },
            ..sh("cat hello; echo; ls ../setup; cat ../../git/.git-credentials")
        }
    };

    let of = server.claimed(recipe(None));
    let (code, ..) = Pod::start_with(&server, of, "run", |_, _| {}).ended().await;
    assert_eq!((code, stored(&server, of).setup_failed), (Some(98), Some(Reason::GitAuthFailed)), "{}", log(&server, of));

    let of = server.claimed(recipe(Some("git")));
    let mut pod = Pod::start_with(&server, of, "run", |root, _| {
        fs::create_dir_all(root.at(pod::GIT_DIR)).unwrap();
        fs::write(root.at(pod::GIT_DIR).join(".git-credentials"), format!("http://bot:{PASSWORD}@{address}\n")).unwrap();
    });
    let (code, out, _) = pod.ended().await;
    let log = log(&server, of);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\nfrom the repository\n"), "{log}");
    assert!(!log.contains("git-credentials"), "the set-up left its copy: {log}");
    assert!(log.contains("[masked]"), "{log}");
    for (what, text) in [("the log", &log), ("the pod's output", &out), ("the termination message", &pod.root.message())] {
        assert!(!text.contains(PASSWORD), "{what} shows the password: {text}");
    }
}
