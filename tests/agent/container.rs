//! The agent where there is nothing else: an empty root that cannot be written.

use crate::{
    AGENT, command,
    pods::{PATH, Root, log, stored},
    server::Server,
    sh,
};
use slipway::{
    domain::pod,
    wire::{FinishRequest, handoff::Testament},
};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};
use tokio::process::Command;

/// A container in the small: namespaces of its own, this process 1 in it, a root that cannot be written and holds the
/// agent and what the image brings, an ordinary user where the tests are not one already.
const CONTAINER: &str = r#"
set -e
mount --bind "$ROOT" "$ROOT"
cd "$ROOT"
mount -t proc proc proc
for file in null random urandom; do mount --bind /dev/$file dev/$file; done
for dir in $DIRS; do mount --bind "$dir" ".$dir"; mount -o remount,bind,ro ".$dir"; done
mount --bind "$MESSAGE" dev/termination-log
mount -t tmpfs tmpfs slipway/bin
mount -t tmpfs tmpfs slipway/work
mount -o remount,bind,ro "$ROOT"
chroot $AS . /slipway-agent install /slipway/bin
mount -o remount,bind,ro slipway/bin
CHROOT=$(command -v chroot)
export PATH="$IMAGES_PATH"
exec "$CHROOT" $AS . /slipway/bin/slipway-agent run
"#;

/// What an image has beside the agent.
#[derive(Clone, Default)]
pub(crate) struct Image {
    /// Directories of this machine, under the same names.
    pub(crate) dirs: Vec<PathBuf>,
    /// Names that stand for others, as `lib` for `usr/lib`.
    pub(crate) links: Vec<(&'static str, &'static str)>,
    /// Where its programs are.
    pub(crate) path: String,
}

/// How a container ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What it wrote, and then its errors.
    pub(crate) out: String,
    /// The termination message.
    pub(crate) message: String,
}

/// Runs the agent in a container of its own. `None` where this machine allows no namespaces.
pub(crate) async fn contained(root: Root, image: &Image) -> Option<Ended> {
    for (path, dir) in [("proc", true), ("dev/null", false), ("dev/random", false), ("dev/urandom", false)] {
        if dir { fs::create_dir(root.at(path)).unwrap() } else { fs::write(root.at(path), "").unwrap() }
    }
    image.dirs.iter().for_each(|dir| fs::create_dir_all(root.at(&dir.display().to_string())).unwrap());
    image.links.iter().for_each(|(name, to)| std::os::unix::fs::symlink(to, root.at(name)).unwrap());
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
    let dirs: Vec<_> = image.dirs.iter().map(|dir| dir.display().to_string()).collect();
    let run = unshare()
        .arg(CONTAINER)
        .env_clear()
        .env("PATH", PATH)
        .env("IMAGES_PATH", &image.path)
        .env("ROOT", root.path())
        .env("DIRS", dirs.join(" "))
        .env("MESSAGE", message.path())
        .env("AS", chroot)
        .env(pod::POD_UID, root.uid())
        .output();
    let output = tokio::time::timeout(Duration::from_mins(1), run).await.expect("it hangs").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("mount:") && !err.contains("chroot:"), "{err}");
    Some(Ended { code: output.status.code(), out: out + &err, message: fs::read_to_string(message.path()).unwrap() })
}

#[tokio::test]
async fn an_empty_read_only_root_is_enough() {
    let server = Server::start().await;
    let of = server.claimed(command(&["/slipway/bin/slipway-agent", "version"]));
    let Some(Ended { code, out, message }) = contained(Root::new(&server, of, &server.url), &Image::default()).await else { return };
    assert_eq!(code, Some(0), "{out} {message}");
    assert_eq!(out, concat!("slipway-agent ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!((log(&server, of), stored(&server, of).exit_code), (out, Some(0)));
    let testament: Testament = serde_json::from_str(&message).unwrap();
    assert_eq!(testament.result, Some(FinishRequest { notes: None, ..stored(&server, of) }));
}

#[tokio::test]
async fn a_name_is_not_told_to_a_public_resolver() {
    let server = Server::start().await;
    let of = server.claimed(sh("exit 0"));
    let url = "http://slipway.private.example:7227";
    let Some(Ended { code, message, .. }) = contained(Root::new(&server, of, url), &Image::default()).await else { return };
    assert_eq!(code, Some(98), "{message}");
    assert!(message.contains("/etc/resolv.conf names nobody to ask"), "{message}");
}
