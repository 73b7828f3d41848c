//! What a user does to files.

use super::*;

#[tokio::test]
async fn a_clean_commit_travels_by_its_name_alone() {
    let world = World::new();
    let captured = world.travels().await;
    let code = gitcode(&captured);
    assert_eq!((code.snapshot.clone(), code.reference.as_deref()), (None, Some("main")));
    let facts = captured.facts;
    assert_eq!((facts.changed, facts.untracked, facts.bytes), (0, 0, 0));
    assert_eq!(
        (facts.repository.as_deref(), facts.branch.as_deref(), facts.remote_has_commit),
        (Some("acme/vision"), Some("main"), Some(true))
    );
}

#[tokio::test]
async fn capture_staged() {
    let world = World::new();
    world.write("README", "staged\n");
    world.write("new", "staged too\n");
    world.git(&["add", "README", "new"]);
    world.write("src/train.py", "print(2)\n");
    world.write("later", "only said to be added\n");
    world.git(&["add", "-N", "later"]);
    let facts = world.travels().await.facts;
    assert_eq!((facts.changed, facts.untracked), (4, 0));
}

#[tokio::test]
async fn what_is_staged_and_then_changed_once_more_travels_as_it_is_on_the_disk() {
    let world = World::new();
    world.write("README", "staged\n");
    world.git(&["add", "README"]);
    world.write("README", "hello\n");
    let captured = world.travels().await;
    assert_eq!((captured.facts.changed, gitcode(&captured).snapshot.is_none()), (0, true));
}

#[tokio::test]
async fn capture_unpushed() {
    let world = World::new();
    let pushed = world.git(&["rev-parse", "HEAD"]);
    world.write("src/train.py", "print(2)\n");
    commit(&world.work(), "local");
    let captured = world.travels().await;
    let code = gitcode(&captured);
    assert_eq!(code.snapshot.as_ref().unwrap().bases, [pushed]);
    assert_eq!(captured.facts.remote_has_commit, Some(false));
    world.write("src/train.py", "print(3)\n");
    world.travels().await;
}

#[tokio::test]
async fn capture_untracked() {
    let world = World::new();
    world.write(".gitignore", "*.log\nout/\n");
    world.write("deep/er/new.py", "new\n");
    world.write("run.log", "ignored\n");
    world.write("out/big", "ignored\n");
    let captured = world.travels_without(&["run.log", "out"]).await;
    assert_eq!((captured.facts.changed, captured.facts.untracked), (0, 2));
    let left: Vec<_> = captured.facts.excluded.iter().map(|left| (left.path.as_str(), left.bytes, left.why.as_str())).collect();
    assert_eq!(left, [("out/", 8, "ignored by git"), ("run.log", 8, "ignored by git")]);
}

#[tokio::test]
async fn a_binary_file() {
    let world = World::new();
    world.write("src/data/a.bin", [0, 1, 2, 255, 0, 13, 10]);
    world.write("b.bin", (0..=255).cycle().take(100_000).collect::<Vec<u8>>());
    world.travels().await;
}

#[tokio::test]
async fn renamed_and_deleted_files() {
    let world = World::new();
    world.git(&["mv", "src/train.py", "src/fit.py"]);
    fs::rename(world.work().join("README"), world.work().join("LIESMICH")).unwrap();
    fs::remove_file(world.work().join("src/data/a.bin")).unwrap();
    let facts = world.travels().await.facts;
    assert_eq!((facts.changed, facts.untracked), (4, 1));
}

#[tokio::test]
async fn a_file_becomes_a_directory_and_a_directory_a_file_or_a_link() {
    let world = World::new();
    let work = world.work();
    fs::remove_file(work.join("README")).unwrap();
    world.write("README/de", "hallo\n");
    fs::remove_dir_all(work.join("src/data")).unwrap();
    world.write("src/data", "now a file\n");
    world.travels().await;
    fs::remove_file(work.join("src/data")).unwrap();
    write(&work, "elsewhere/a.bin", "x");
    link(&work, "src/data", "../elsewhere");
    world.travels().await;
}

#[tokio::test]
async fn links_travel_as_links() {
    let world = World::new();
    let work = world.work();
    link(&work, "to-file", "README");
    link(&work, "to-directory", "src/data");
    link(&work, "dangling", "nowhere/at all");
    link(&work, "away", "/mnt/data");
    link(&work, "src/up", "../../elsewhere");
    let facts = world.travels().await.facts;
    assert_eq!(facts.unfaithful, ["links to what does not travel: away → /mnt/data, src/up → ../../elsewhere"]);
    commit(&work, "links");
    world.push();
    fs::remove_file(work.join("to-file")).unwrap();
    link(&work, "to-file", "src/train.py");
    world.travels().await;
}

#[tokio::test]
async fn modes() {
    let world = World::new();
    let mode = |path: &str, mode| fs::set_permissions(world.work().join(path), PermissionsExt::from_mode(mode)).unwrap();
    mode("README", 0o755);
    world.write("new.sh", "#!/bin/sh\n");
    mode("new.sh", 0o700);
    world.travels().await;
    // Where the disk has no such bits, the index keeps them.
    world.git(&["update-index", "--chmod=+x", "README"]);
    world.git(&["config", "core.fileMode", "false"]);
    mode("README", 0o644);
    world.write("README", "changed\n");
    let restored = world.restored(&world.captured().await);
    let runs = |path: &str| matches!(things(restored.path())[path.as_bytes()], Thing::File { runs: true, .. });
    assert!(runs("README"));
}

#[tokio::test]
async fn a_merge_that_is_not_done() {
    let world = World::new();
    world.git(&["checkout", "-q", "-b", "other"]);
    world.write("README", "theirs\n");
    commit(&world.work(), "theirs");
    world.git(&["checkout", "-q", "main"]);
    world.write("README", "ours\n");
    commit(&world.work(), "ours");
    let merged =
        Command::new("git").args(["-c", "user.name=a", "-c", "user.email=a@b", "merge", "-q", "other"]).current_dir(world.work()).output();
    assert_eq!(merged.unwrap().status.code(), Some(1));
    world.travels().await;
}

#[tokio::test]
async fn a_file_that_was_written_as_the_index_was() {
    let world = World::new();
    // Of the same size and in the same moment: only its bytes tell.
    let file = world.work().join("README");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    world.write("README", "jello\n");
    File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    File::options().write(true).open(world.work().join(".git/index")).unwrap().set_modified(before).unwrap();
    world.travels().await;
}
