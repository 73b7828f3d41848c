//! Where commits are and what of them a remote has.

use super::*;

#[tokio::test]
async fn a_detached_head() {
    let world = World::new();
    world.git(&["checkout", "-q", "--detach"]);
    world.write("README", "changed\n");
    let captured = world.travels().await;
    assert_eq!((captured.facts.branch.as_deref(), gitcode(&captured).reference.as_deref()), (None, Some("main")));
}

#[tokio::test]
async fn a_merge_of_two_branches_that_are_not_pushed() {
    let world = World::new();
    let first = world.git(&["rev-parse", "HEAD"]);
    world.write("a", "a");
    commit(&world.work(), "second");
    world.push();
    let second = world.git(&["rev-parse", "HEAD"]);
    world.write("b", "b");
    commit(&world.work(), "on the second");
    world.git(&["checkout", "-q", "-b", "side", &first]);
    world.write("c", "c");
    commit(&world.work(), "on the first");
    world.git(&["checkout", "-q", "main"]);
    world.git(&["merge", "-q", "--no-ff", "-m", "both", "side"]);
    world.write("d", "d");
    let captured = world.travels().await;
    let mut bases = gitcode(&captured).snapshot.clone().unwrap().bases;
    bases.sort();
    let mut expected = [first, second];
    expected.sort();
    assert_eq!(bases, expected);
}

#[tokio::test]
async fn too_many_loose_ends_are_refused_with_the_remedy() {
    let world = World::new();
    let base = world.git(&["rev-parse", "HEAD"]);
    let mut sides = Vec::new();
    for i in 0..18 {
        world.git(&["checkout", "-q", "--detach", &base]);
        world.write("pushed", i.to_string());
        commit(&world.work(), "pushed");
        world.git(&["update-ref", &format!("refs/remotes/origin/{i}"), "HEAD"]);
        world.write("local", i.to_string());
        commit(&world.work(), "local");
        sides.push(world.git(&["rev-parse", "HEAD"]));
    }
    let mut args = vec!["merge", "-q", "-s", "ours", "-m", "all"];
    args.extend(sides.iter().map(String::as_str));
    world.git(&args);
    let failure = look(&world.work(), &Options::default()).await.unwrap_err();
    assert!(failure.message.unwrap().contains("at most 16"));
    assert_eq!(failure.hints, ["push them first: git push origin HEAD"]);
}

#[tokio::test]
async fn the_remote_of_the_branch_counts_and_then_origin() {
    let world = World::new();
    world.git(&["remote", "add", "fork", "ssh://git@host/lena/vision.git"]);
    world.git(&["update-ref", "refs/remotes/fork/work", "HEAD"]);
    assert_eq!(gitcode(&world.captured().await).url, URL);
    world.git(&["branch", "-q", "-u", "fork/work"]);
    let captured = world.captured().await;
    let code = gitcode(&captured);
    assert_eq!((code.url.as_str(), code.reference.as_deref()), ("ssh://git@host/lena/vision.git", Some("work")));
}

#[tokio::test]
async fn a_worktree_and_a_clone_that_borrows_its_objects() {
    let world = World::new();
    world.git(&["worktree", "add", "-q", "-b", "side", "../side"]);
    let side = world.dir.path().join("side");
    write(&side, "README", "on the side\n");
    write(&side, "new", "x");
    let restored = world.restored(&captured(&side).await);
    assert_eq!(things(restored.path()), things(&side));
    git(world.dir.path(), &["clone", "-q", "--shared", "work", "borrower"]);
    let borrower = world.dir.path().join("borrower");
    git(&borrower, &["remote", "set-url", "origin", URL]);
    write(&borrower, "README", "borrowed\n");
    let restored = world.restored(&captured(&borrower).await);
    assert_eq!(things(restored.path()), things(&borrower));
}

#[tokio::test]
async fn a_shallow_clone_ends_at_what_the_remote_has() {
    let world = World::new();
    world.write("a", "a");
    commit(&world.work(), "second");
    world.push();
    let tag = world.git(&["rev-parse", "HEAD"]);
    git(&world.remote(), &["tag", "v1", &tag]);
    let from = format!("file://{}", world.remote().display());
    git(world.dir.path(), &["clone", "-q", "--depth=1", "--branch=v1", &from, "shallow"]);
    let shallow = world.dir.path().join("shallow");
    git(&shallow, &["remote", "set-url", "origin", URL]);
    write(&shallow, "a", "changed");
    commit(&shallow, "local");
    write(&shallow, "a", "changed again");
    let captured = captured(&shallow).await;
    assert_eq!(gitcode(&captured).snapshot.as_ref().unwrap().bases, [tag]);
    assert_eq!(things(world.restored(&captured).path()), things(&shallow));
}

#[tokio::test]
async fn a_sparse_checkout_keeps_what_it_leaves_out() {
    for form in ["--no-sparse-index", "--sparse-index"] {
        let world = World::new();
        let all = things(&world.work());
        world.git(&["sparse-checkout", "set", "--cone", form, "src"]);
        world.write("src/train.py", "changed\n");
        world.write("src/new", "new\n");
        let captured = world.captured().await;
        assert_eq!((captured.facts.changed, captured.facts.untracked), (1, 1));
        let mut expected = all.clone();
        expected.extend(things(&world.work()));
        assert_eq!(things(world.restored(&captured).path()), expected);
    }
}

#[tokio::test]
async fn a_file_that_git_was_told_to_overlook() {
    let world = World::new();
    world.git(&["update-index", "--assume-unchanged", "README"]);
    world.git(&["update-index", "--skip-worktree", "src/train.py"]);
    world.write("README", "changed\n");
    world.write("src/train.py", "changed\n");
    assert_eq!(world.travels().await.facts.changed, 2);
}

#[tokio::test]
async fn a_split_index() {
    let world = World::new();
    world.git(&["update-index", "--split-index"]);
    world.write("README", "changed\n");
    world.travels().await;
}

#[tokio::test]
async fn a_directory_in_the_repository_is_where_the_command_runs() {
    let world = World::new();
    let captured = captured(&world.work().join("src/data")).await;
    assert_eq!(captured.working_dir.as_deref(), Some("src/data"));
    world.write(".gitignore", "out\n");
    world.write("out/x", "x");
    let captured = super::captured(&world.work().join("out")).await;
    assert_eq!(captured.working_dir, None);
    assert_eq!(captured.facts.unfaithful, ["nothing of out/ travels: the command runs at the top"]);
    // Where git keeps its own things there is no code.
    assert_eq!(super::captured(&world.work().join(".git/info")).await.facts.kind, Kind::None);
}

#[tokio::test]
async fn the_file_of_the_environment_is_the_nearest_that_travels() {
    let world = World::new();
    world.write("uv.lock", "ignored");
    world.write(".git/info/exclude", "uv.lock\n");
    world.write("pyproject.toml", "top");
    let lock = |captured: Captured| captured.facts.lock.map(|lock| lock.file);
    assert_eq!(lock(world.captured().await).as_deref(), Some("pyproject.toml"));
    world.write("src/requirements.txt", "torch\n");
    assert_eq!(lock(captured(&world.work().join("src")).await).as_deref(), Some("src/requirements.txt"));
    assert_eq!(lock(captured(&world.work().join("src/data")).await).as_deref(), Some("pyproject.toml"));
}
