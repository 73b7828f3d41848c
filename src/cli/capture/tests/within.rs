//! Repositories within the repository.

use super::*;

const SUB: &str = "https://git.example.com/acme/lib.git";

/// A world with a submodule at `libs/a`, pushed and clean.
fn with_submodule() -> World {
    let world = World::new();
    let dir = world.dir.path();
    git(dir, &["init", "-q", "--bare", "lib.git"]);
    git(dir, &["clone", "-q", "lib.git", "lib"]);
    write(&dir.join("lib"), "lib.py", "lib\n");
    commit(&dir.join("lib"), "lib");
    git(&dir.join("lib"), &["push", "-q", "origin", "HEAD:refs/heads/main"]);
    world.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", dir.join("lib.git").to_str().unwrap(), "libs/a"]);
    world.git(&["config", "-f", ".gitmodules", "submodule.libs/a.url", SUB]);
    commit(&world.work(), "with a submodule");
    world.push();
    world
}

fn sub(world: &World) -> PathBuf {
    world.work().join("libs/a")
}

#[tokio::test]
async fn a_submodule_that_is_pushed_and_clean_is_fetched() {
    let world = with_submodule();
    let captured = world.captured().await;
    assert!(gitcode(&captured).submodules && gitcode(&captured).snapshot.is_none());
    // Another commit of it, which its remote has too.
    write(&sub(&world), "more", "x");
    commit(&sub(&world), "more");
    git(&sub(&world), &["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let captured = world.captured().await;
    assert_eq!((captured.facts.changed, gitcode(&captured).submodules), (1, true));
    let restored = world.restored(&captured);
    let snapshot = &gitcode(&captured).snapshot.as_ref().unwrap().commit;
    let link = git(restored.path(), &["rev-parse", &format!("{snapshot}:libs/a")]);
    assert_eq!(link, git(&sub(&world), &["rev-parse", "HEAD"]));
}

#[tokio::test]
async fn a_dirty_submodule_travels_as_plain_files() {
    let world = with_submodule();
    write(&sub(&world), "lib.py", "changed\n");
    write(&sub(&world), "new", "x");
    write(&sub(&world), ".gitignore", "*.log\n");
    write(&sub(&world), "run.log", "x");
    let captured = world.travels_without(&["libs/a/run.log"]).await;
    assert!(!gitcode(&captured).submodules);
    assert_eq!(captured.facts.unfaithful, ["without their history, as plain files: libs/a"]);
    assert_eq!((captured.facts.changed, captured.facts.untracked), (1, 2));
}

#[tokio::test]
async fn a_submodule_with_a_commit_that_is_not_pushed_travels_as_plain_files() {
    let world = with_submodule();
    write(&sub(&world), "lib.py", "changed\n");
    commit(&sub(&world), "local");
    assert!(!gitcode(&world.travels().await).submodules);
}

#[tokio::test]
async fn a_submodule_that_no_task_can_reach_travels_as_plain_files() {
    let world = with_submodule();
    world.git(&["config", "-f", ".gitmodules", "submodule.libs/a.url", "/srv/lib.git"]);
    assert!(!gitcode(&world.travels().await).submodules);
}

#[tokio::test]
async fn a_submodule_that_is_not_checked_out_stays_empty() {
    let world = with_submodule();
    world.git(&["submodule", "--quiet", "deinit", "-f", "libs/a"]);
    world.write("README", "changed\n");
    let captured = world.travels().await;
    assert!(!gitcode(&captured).submodules);
    fs::remove_dir(sub(&world)).unwrap();
    assert_eq!(world.travels().await.facts.changed, 2);
}

#[tokio::test]
async fn filters_of_a_submodule_never_run() {
    let world = with_submodule();
    let trace = world.dir.path().join("ran");
    for name in ["filter.evil.clean", "core.fsmonitor"] {
        git(&sub(&world), &["config", name, &format!("touch '{}'", trace.display())]);
    }
    write(&sub(&world), ".gitattributes", "* filter=evil\n");
    write(&sub(&world), "lib.py", "changed\n");
    fs::remove_file(&trace).ok();
    world.travels().await;
    assert!(!trace.exists());
}

#[tokio::test]
async fn a_repository_that_was_cloned_into_it_travels_as_plain_files() {
    let world = World::new();
    let within = world.work().join("vendor/tool");
    fs::create_dir_all(&within).unwrap();
    git(&within, &["init", "-q", "."]);
    write(&within, "a", "a");
    commit(&within, "first");
    write(&within, "b", "b");
    // And one in that.
    let deeper = within.join("deep");
    fs::create_dir_all(&deeper).unwrap();
    git(&deeper, &["init", "-q", "."]);
    write(&deeper, "c", "c");
    commit(&deeper, "first");
    let empty = world.work().join("empty");
    fs::create_dir_all(&empty).unwrap();
    git(&empty, &["init", "-q", "."]);
    write(&empty, "staged", "x");
    git(&empty, &["add", "staged"]);
    let captured = world.travels().await;
    assert_eq!(captured.facts.unfaithful.len(), 1);
    assert!(captured.facts.unfaithful[0].contains("vendor/tool/deep"), "{:?}", captured.facts.unfaithful);
    // Added by mistake, as a link to nothing.
    world.git(&["add", "vendor/tool"]);
    world.travels().await;
    world.write(".slipwayignore", "vendor/\n");
    fs::remove_file(world.work().join(".git/index")).unwrap();
    world.git(&["reset", "-q"]);
    world.travels_without(&["vendor"]).await;
}
