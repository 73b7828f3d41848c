//! Repositories over ssh, and files under Git LFS: programs of the test stand for `ssh` and `git-lfs`, check what they are told
//! as the real ones would, and do what they are for.

use crate::{
    pods::{Pod, log, stored},
    private::repository,
    server::{Recipe, Server},
    sh,
};
use slipway::{
    domain::pod,
    wire::{Code, GitCode, GitSource, Reason, Setup, Sources},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nthe-key-that-nobody-may-read\n-----END OPENSSH PRIVATE KEY-----\n";
const KNOWN: &str = "git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ\n";

/// Lets only those in who verify the host, whose key it is, and who ask nobody. `REPOSITORIES` is what the host has.
const SSH: &str = r#"#!/bin/sh
strict=no batch=no known=/dev/null key=/dev/null
while [ $# -gt 0 ]; do
  case $1 in
    -F) shift; [ "$1" = none ] || { echo "a configuration is read: $1" >&2; exit 255; } ;;
    -i) shift; key=$1 ;;
    -o) shift; case $1 in
      StrictHostKeyChecking=yes) strict=yes ;;
      BatchMode=yes) batch=yes ;;
      UserKnownHostsFile=*) known=${1#*=} ;;
    esac ;;
    --) ;;
    -*) ;;
    *) break ;;
  esac
  shift
done
host=${1#*@} command=$2
[ $strict = yes ] && [ $batch = yes ] && grep -q "^$host " "$known" || { echo "Host key verification failed." >&2; exit 255; }
[ "$(stat -c %a "$key")" = 600 ] && grep -q the-key-that-nobody-may-read "$key" || { echo "git@$host: Permission denied (publickey)." >&2; exit 255; }
case $command in
  "git-upload-pack '/"*"'") path=${command#*\'/}; exec git upload-pack "$REPOSITORIES/${path%\'}" ;;
  *) echo "the command is $command" >&2; exit 1 ;;
esac
"#;

/// Fetches one file, and keeps what it was asked to do.
const LFS: &str = r#"#!/bin/sh
echo "$*" >>"$REPOSITORIES/lfs"
case $1 in pull) echo "the weights" >hello ;; esac
"#;

fn program(dir: &Path, name: &str, text: &str) {
    let file = dir.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A pod whose programs are those of a directory before all others; its Secret has these files.
fn start(server: &Server, recipe: Recipe, dir: &Path, secret: &[(&str, &str)]) -> (slipway::wire::AttemptRef, Pod) {
    let of = server.claimed(recipe);
    let pod = Pod::start_with(server, of, "run", |root, command| {
        fs::create_dir_all(root.at(pod::GIT_DIR)).unwrap();
        for (name, text) in secret {
            fs::write(root.at(pod::GIT_DIR).join(name), text).unwrap();
        }
        command.env("PATH", format!("{}:{}", dir.join("bin").display(), crate::pods::PATH)).env("REPOSITORIES", dir);
    });
    (of, pod)
}

#[tokio::test]
async fn ssh_is_given_the_queues_key_and_trusts_no_host_that_the_queue_does_not_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    program(&dir.path().join("bin"), "ssh", SSH);
    let commit = repository(dir.path()).await;
    let server = Server::start().await;
    let recipe = || {
        let git = GitCode { url: "ssh://git@git.example.com/team/vision".into(), commit: commit.clone(), ..GitCode::default() };
        let source = GitSource { secret_ref: Some("git".into()), ..GitSource::default() };
        Recipe {
            setup: Setup { code: Some(Code { git: Some(git), ..Code::default() }), ..Setup::default() },
            sources: Sources { git: Some(source), ..Sources::default() },
            ..sh("cat hello; echo; ls ../setup")
        }
    };
    let (of, mut pod) = start(&server, recipe(), dir.path(), &[("ssh-privatekey", KEY), ("known_hosts", KNOWN)]);
    let (code, ..) = pod.ended().await;
    let text = log(&server, of);
    assert!(code == Some(0) && text.contains("\nfrom the repository\n"), "{text}");
    assert!(!text.contains("ssh-key"), "the set-up left its copy of the key: {text}");

    let other = KNOWN.replace("git.example", "other.example");
    let refused: [(&[(&str, &str)], &str); 3] = [
        (&[("ssh-privatekey", KEY), ("known_hosts", &other)], "Host key verification failed"),
        (&[("ssh-privatekey", KEY)], "Host key verification failed"),
        (&[("known_hosts", KNOWN)], "Permission denied"),
    ];
    for (secret, said) in refused {
        let (of, mut pod) = start(&server, recipe(), dir.path(), secret);
        let (code, ..) = pod.ended().await;
        let text = log(&server, of);
        assert_eq!((code, stored(&server, of).setup_failed), (Some(98), Some(Reason::GitAuthFailed)), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn files_under_lfs_are_fetched_only_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    let commit = repository(dir.path()).await;
    let server = Server::start().await;
    let instead_of = [("https://git.example.com/".to_owned(), format!("file://{}/", dir.path().display()))].into();
    let sources = Sources { git: Some(GitSource { secret_ref: None, instead_of }), ..Sources::default() };
    let recipe = |lfs| {
        let git = GitCode { url: "https://git.example.com/team/vision".into(), commit: commit.clone(), lfs, ..GitCode::default() };
        let code = Some(Code { git: Some(git), ..Code::default() });
        Recipe { setup: Setup { code, ..Setup::default() }, sources: sources.clone(), ..sh("cat hello") }
    };
    let calls = || fs::read_to_string(dir.path().join("lfs")).unwrap_or_default();

    let (of, mut pod) = start(&server, recipe(true), dir.path(), &[]);
    assert_eq!((pod.ended().await.0, stored(&server, of).setup_failed), (Some(98), Some(Reason::ToolMissing)), "{}", log(&server, of));
    assert!(log(&server, of).contains("git-lfs"), "{}", log(&server, of));

    program(&dir.path().join("bin"), "git-lfs", LFS);
    for (lfs, expected, called) in [(false, "from the repository", ""), (true, "the weights\n", "install --local --skip-smudge\npull\n")] {
        let (of, mut pod) = start(&server, recipe(lfs), dir.path(), &[]);
        let (code, ..) = pod.ended().await;
        let text = log(&server, of);
        assert!(code == Some(0) && text.ends_with(expected), "{lfs}: {text}");
        assert_eq!(calls(), called);
    }
}
