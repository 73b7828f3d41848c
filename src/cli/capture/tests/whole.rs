//! Files that travel as one archive.

use super::{super::Upload, *};

fn unpacked(captured: &Captured) -> Things {
    assert_eq!(captured.facts.kind, Kind::Upload);
    let [blob] = &captured.blobs[..] else { panic!("one archive") };
    assert_eq!(captured.code.as_ref().unwrap().upload.as_ref(), Some(&blob.sha256));
    assert_eq!(fs::metadata(&blob.file).unwrap().len(), blob.size);
    let dir = tempfile::tempdir().unwrap();
    tar::Archive::new(File::open(&blob.file).unwrap()).unpack(dir.path()).unwrap();
    things(dir.path())
}

fn asked() -> Options {
    Options { upload: Some(Upload::Here), ..Options::default() }
}

#[tokio::test]
async fn without_a_usable_remote_the_files_travel_whole_and_it_is_said_why() {
    for (url, why) in [
        (None, "the repository has no remote"),
        (
            Some("/srv/git/x.git"),
            "the remote origin cannot be used: a repository is https://host/path, ssh://user@host/path or user@host:path",
        ),
        (Some("git://host/x.git"), "the remote origin cannot be used: only https:// and ssh:// reach a repository from a task"),
    ] {
        let world = World::new();
        match url {
            None => world.git(&["remote", "remove", "origin"]),
            Some(url) => world.git(&["remote", "set-url", "origin", url]),
        };
        world.write("README", "changed\n");
        world.write("new", "new\n");
        let captured = world.captured().await;
        assert_eq!(captured.facts.why.as_deref(), Some(why));
        assert_eq!(unpacked(&captured), things(&world.work()));
    }
}

#[tokio::test]
async fn a_remote_that_has_nothing_of_it_is_none() {
    let world = World::new();
    world.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    let captured = world.captured().await;
    assert_eq!(captured.facts.why.as_deref(), Some("nothing of it is known to be on origin"));
    unpacked(&captured);
}

#[tokio::test]
async fn a_repository_without_a_commit_travels_whole_and_an_empty_one_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q", "."]);
    assert_eq!(captured(dir.path()).await.facts.kind, Kind::None);
    write(dir.path(), "a/b", "x");
    let captured = super::captured(&dir.path().join("a")).await;
    assert_eq!(captured.facts.why.as_deref(), Some("the repository has no commit yet"));
    assert_eq!((unpacked(&captured), captured.working_dir.as_deref()), (things(dir.path()), Some("a")));
}

#[tokio::test]
async fn a_repository_travels_whole_where_that_is_asked_for() {
    let world = World::new();
    let work = world.work();
    world.write(".gitignore", "out\n");
    world.write("out/x", "stays");
    world.write("new", "x");
    link(&work, "dangling", "./no//where");
    link(&work, "to-directory", "src/data");
    fs::set_permissions(work.join("README"), PermissionsExt::from_mode(0o700)).unwrap();
    fs::remove_file(work.join("src/train.py")).unwrap();
    fs::write(work.join(OsStr::from_bytes(b"\xff\n")), "odd").unwrap();
    let within = work.join("vendor/tool");
    fs::create_dir_all(&within).unwrap();
    git(&within, &["init", "-q", "."]);
    write(&within, "a", "a");
    commit(&within, "first");
    let mut expected = things(&work);
    expected.remove(&b"out/x"[..]);
    let captured = captured_with(&work.join("src"), &asked()).await;
    assert_eq!(unpacked(&captured), expected);
    assert_eq!((captured.working_dir.as_deref(), captured.facts.why), (Some("src"), None));
    // A directory of it alone.
    let part = Options { upload: Some(Upload::Folder("src".into())), ..Options::default() };
    let captured = captured_with(&work, &part).await;
    assert_eq!((unpacked(&captured), captured.working_dir), (things(&work.join("src")), None));
}

#[tokio::test]
async fn a_plain_folder_travels_only_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "train.py", "x");
    write(dir.path(), "data/large", "x");
    write(dir.path(), "sub/.git/config", "not ours");
    write(dir.path(), ".slipwayignore", "data\n");
    write(dir.path(), ".hidden", "x");
    let mut expected = things(dir.path());
    expected.remove(&b"data/large"[..]);
    assert_eq!(captured(dir.path()).await.facts.kind, Kind::None);
    let here = captured_with(dir.path(), &asked()).await;
    assert_eq!(unpacked(&here), expected);
    let elsewhere = tempfile::tempdir().unwrap();
    let there = Options { upload: Some(Upload::Folder(dir.path().into())), ..Options::default() };
    assert_eq!(captured_with(elsewhere.path(), &there).await.code, here.code);
    let failure = look(elsewhere.path(), &asked()).await.unwrap_err();
    assert!(failure.message.unwrap().starts_with("there is no file to send along"));
}
