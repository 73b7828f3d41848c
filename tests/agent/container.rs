//! The agent where there is nothing else: an empty root that cannot be written.

use crate::{
    AGENT, command,
    pods::{PATH, Root, log, stored},
    server::Server,
    sh,
};
use slipway::{
    domain::pod,
    wire::{AttemptRef, handoff::Testament},
};
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};
use tokio::process::Command;

/// A container in the small: namespaces of its own, this process 1 in it, a root that cannot be written and holds the
/// agent and nothing else, an ordinary user where the tests are not one already.
const CONTAINER: &str = r#"
set -e
mount --bind "$ROOT" "$ROOT"
cd "$ROOT"
mount -t proc proc proc
for file in null random urandom; do mount --bind /dev/$file dev/$file; done
mount --bind "$MESSAGE" dev/termination-log
mount -t tmpfs tmpfs slipway/bin
mount -t tmpfs tmpfs slipway/work
mount -o remount,bind,ro "$ROOT"
chroot $AS . /slipway-agent install /slipway/bin
mount -o remount,bind,ro slipway/bin
exec chroot $AS . /slipway/bin/slipway-agent run
"#;

/// Runs the agent in a container of its own: exit code, standard output, termination message. `None` where this machine
/// allows no namespaces.
async fn contained(server: &Server, of: AttemptRef, url: &str) -> Option<(Option<i32>, String, String)> {
    let root = Root::new(server, of, url);
    for (path, dir) in [("proc", true), ("dev/null", false), ("dev/random", false), ("dev/urandom", false)] {
        if dir { fs::create_dir(root.at(path)).unwrap() } else { fs::write(root.at(path), "").unwrap() }
    }
    fs::copy(AGENT, root.at("slipway-agent")).unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let message = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(message.path(), fs::Permissions::from_mode(0o666)).unwrap();
    let (user, chroot): (&[_], _) =
        if nix::unistd::geteuid().is_root() { (&[], "--userspec=1234:1234") } else { (&["--map-root-user"], "") };
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(user).args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]).kill_on_drop(true);
        unshare
    };
    let probe = unshare().arg("mount -t proc proc /proc").output().await;
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine allows no namespaces");
        return None;
    }
    let run = unshare()
        .arg(CONTAINER)
        .env_clear()
        .env("PATH", PATH)
        .env("ROOT", root.path())
        .env("MESSAGE", message.path())
        .env("AS", chroot)
        .env(pod::POD_UID, root.uid())
        .output();
    let output = tokio::time::timeout(Duration::from_mins(1), run).await.expect("it hangs").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("mount:") && !err.contains("chroot:"), "{err}");
    Some((output.status.code(), out + &err, fs::read_to_string(message.path()).unwrap()))
}

#[tokio::test]
async fn an_empty_read_only_root_is_enough() {
    let server = Server::start().await;
    let of = server.claimed(command(&["/slipway/bin/slipway-agent", "version"]));
    let Some((code, out, message)) = contained(&server, of, &server.url).await else { return };
    assert_eq!(code, Some(0), "{out} {message}");
    assert_eq!(out, concat!("slipway-agent ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!((log(&server, of), stored(&server, of).exit_code), (out, Some(0)));
    let testament: Testament = serde_json::from_str(&message).unwrap();
    assert_eq!(testament.result, Some(stored(&server, of)));
}

#[tokio::test]
async fn a_name_is_not_told_to_a_public_resolver() {
    let server = Server::start().await;
    let of = server.claimed(sh("exit 0"));
    let Some((code, _, message)) = contained(&server, of, "http://slipway.private.example:7227").await else { return };
    assert_eq!(code, Some(98), "{message}");
    assert!(message.contains("/etc/resolv.conf names nobody to ask"), "{message}");
}
