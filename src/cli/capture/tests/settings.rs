//! The user's own settings of git neither matter nor run.

use super::*;

/// A program that leaves a trace beside the repository.
fn trap(world: &World) -> String {
    let path = world.dir.path().join("trap");
    fs::write(&path, format!("#!/bin/sh\ntouch '{}'\nexit 1\n", world.dir.path().join("ran").display())).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn ran(world: &World) -> bool {
    world.dir.path().join("ran").exists()
}

#[tokio::test]
async fn capture_noprefix() {
    let world = World::new();
    for (name, value) in [
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.renames", "copies"),
        ("diff.relative", "true"),
        ("diff.ignoreSubmodules", "all"),
        ("core.quotePath", "true"),
        ("color.ui", "always"),
        ("status.showUntrackedFiles", "no"),
        ("core.whitespace", "trailing-space"),
        ("apply.whitespace", "fix"),
        ("core.safecrlf", "true"),
        ("log.showSignature", "true"),
        ("commit.gpgSign", "true"),
    ] {
        world.git(&["config", name, value]);
    }
    world.write("README", "x  \r\n");
    world.write("n\u{e4}w", "x");
    let facts = world.travels().await.facts;
    assert_eq!((facts.changed, facts.untracked), (1, 1));
}

#[tokio::test]
async fn capture_external_diff() {
    let world = World::new();
    let trap = trap(&world);
    world.git(&["config", "diff.external", &trap]);
    world.git(&["config", "diff.tool.command", &trap]);
    world.git(&["config", "diff.tool.textconv", &trap]);
    world.write(".gitattributes", "* diff=tool\n");
    world.write("README", "changed\n");
    world.travels().await;
    assert!(!ran(&world));
}

#[tokio::test]
async fn hooks_filters_and_monitors_never_run() {
    let world = World::new();
    let trap = trap(&world);
    let hooks = world.work().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["pre-commit", "post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman", "post-commit"] {
        fs::copy(&trap, hooks.join(hook)).unwrap();
    }
    for name in
        ["core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "gpg.program", "core.editor", "core.pager"]
    {
        world.git(&["config", name, &trap]);
    }
    world.write(".gitattributes", "*.py filter=evil\n");
    world.write("src/train.py", "changed\n");
    world.write("new.py", "new\n");
    fs::remove_file(world.dir.path().join("ran")).ok();
    world.travels().await;
    assert!(!ran(&world));
}

#[tokio::test]
async fn a_password_in_an_address_is_neither_shown_nor_sent() {
    let world = World::new();
    for url in ["https://lena:hunter2@git.example.com/acme/vision.git", "https://hunter2@git.example.com/acme/vision.git"] {
        world.git(&["remote", "set-url", "origin", url]);
        world.write("README", "changed\n");
        let captured = world.travels().await;
        let said = format!("{:?} {} {:?}", captured, serde_json::to_string(&captured.facts).unwrap(), captured.facts.lines());
        assert!(!said.contains("hunter2"), "{said}");
    }
    world.git(&["remote", "set-url", "origin", "http://lena:hunter2@git.example.com/acme/vision.git"]);
    let captured = world.captured().await;
    assert_eq!(captured.facts.kind, Kind::Upload);
    assert!(!format!("{captured:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_address_is_the_one_that_git_itself_would_use() {
    let world = World::new();
    world.git(&["remote", "set-url", "origin", "short:vision.git"]);
    world.git(&["config", "url.https://git.example.com/acme/.insteadOf", "short:"]);
    assert_eq!(gitcode(&world.travels().await).url, URL);
}
