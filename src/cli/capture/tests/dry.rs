//! What a dry run tells.

use super::*;
use crate::cli::{help::parsed, testing::Bench};

async fn typed(dir: &Path, words: &[&str]) -> (u8, String, String) {
    let bench = Bench { dir: dir.to_owned(), ..Bench::default() };
    let words = [&["submit", "--dry-run"], words].concat();
    let exit = crate::cli::run(parsed(&words), bench.surroundings()).await.code();
    (exit, bench.out.text(), bench.err.text())
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_sent() {
    let world = World::new();
    world.write("README", "changed\n");
    world.write("src/uv.lock", "version = 1\n");
    world.write("src/large", "x".repeat(3_000));
    world.write(".slipwayignore", "large\n");
    let (exit, out, err) = typed(&world.work().join("src"), &["-o", "json", "--python", "3.12", "--", "python", "train.py"]).await;
    assert_eq!(exit, 0, "{err}");
    assert!(err.starts_with("code      acme/vision @ 882592a (main) + 1 changed, 2 untracked files ("), "{err}");
    assert!(err.contains("   excluded: src/large (2.9 KiB, .slipwayignore)\nenv       src/uv.lock "), "{err}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    // How well git packs is up to its version.
    insta::assert_json_snapshot!(told, {".preflight.bytes" => "[bytes]", ".task.code.git.snapshot.pack" => "[sha256]"});
    // For people the task alone is data.
    let (_, out, _) = typed(&world.work(), &["--", "make"]).await;
    assert!(out.starts_with("command:\n- make\ncode:\n  git:\n    url: https://git.example.com/acme/vision.git\n"), "{out}");
}

#[tokio::test]
async fn no_code_is_captured_where_there_is_none_or_none_is_wanted() {
    let world = World::new();
    let plain = tempfile::tempdir().unwrap();
    let file = plain.path().join("task.yaml");
    fs::write(&file, "command: [make]\ncode: {inline: {Makefile: 'all:'}}\n").unwrap();
    let list = plain.path().join("tasks.yaml");
    fs::write(&list, "- command: [make]\n- command: [make, more]\n").unwrap();
    let (file, list) = (file.to_str().unwrap(), list.to_str().unwrap());
    for (dir, words) in [
        (plain.path(), &["--", "make"][..]),
        (&world.work(), &["--no-code", "--", "make"]),
        (&world.work(), &["-f", file]),
        (&world.work(), &["-f", list]),
    ] {
        let (exit, out, err) = typed(dir, words).await;
        assert_eq!((exit, err.as_str()), (0, ""), "{words:?}");
        assert!(!out.contains("git:"), "{words:?}: {out}");
    }
    let (_, out, err) = typed(plain.path(), &["--upload", "-o", "json", "--", "make"]).await;
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["preflight"]["kind"], &told["preflight"]["files"]), (&"upload".into(), &2.into()));
    assert!(err.contains(", 2 files ("), "{err}");
}
