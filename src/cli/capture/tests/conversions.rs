//! What git would convert on its way from the disk: the task gets the disk.

use super::*;

/// Has git write the files anew, as a checkout does.
fn checked_out(world: &World) {
    fs::remove_file(world.work().join(".git/index")).unwrap();
    world.git(&["reset", "-q", "--hard"]);
}

#[tokio::test]
async fn crlf_by_the_users_settings() {
    for setting in ["true", "input"] {
        let world = World::new();
        world.git(&["config", "core.autocrlf", setting]);
        checked_out(&world);
        let windows = fs::read(world.work().join("README")).unwrap() == b"hello\r\n";
        assert_eq!(windows, setting == "true");
        let captured = world.travels().await;
        assert_eq!(captured.facts.changed, 0, "in git's eyes nothing changed");
        world.write("new", "a\r\nb\n");
        world.write("src/train.py", "a\nb\r\n");
        assert_eq!(world.travels().await.facts.changed, 1);
    }
}

#[tokio::test]
async fn crlf_by_attributes() {
    for attributes in ["* text=auto\n", "* text eol=crlf\n", "*.py eol=lf\nREADME text eol=crlf\n", "* crlf\n"] {
        let world = World::with(|work| {
            write(work, ".gitattributes", attributes);
            write(work, "README", "hello\nyou\n");
            write(work, "src/train.py", "print(1)\n");
            write(work, "mixed", "a\r\nb\nc\r\n");
        });
        checked_out(&world);
        world.travels().await;
        // Written with the other ends after the commit, which git takes for unchanged.
        world.write("README", "hello\r\nyou\r\n");
        world.git(&["add", "README"]);
        world.write("new", "a\r\nb\n");
        world.travels().await;
    }
}

#[tokio::test]
async fn other_encodings_and_keywords() {
    let world = World::with(|work| {
        write(work, ".gitattributes", "*.u working-tree-encoding=UTF-16LE text\n*.i ident\n");
        write(work, "a.u", [b'h', 0, b'i', 0, b'\n', 0]);
        write(work, "b.i", "$Id$\n");
    });
    checked_out(&world);
    assert!(fs::read(world.work().join("b.i")).unwrap().len() > 20, "git fills the keyword in");
    world.travels().await;
    world.write("b.i", "$Id: mine $ more\n");
    world.write("c.u", [b'y', 0, b'o', 0]);
    world.travels().await;
}

const POINTER: &str =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

#[tokio::test]
async fn files_under_lfs_stay_pointers_until_they_change() {
    let world = World::with(|work| {
        write(work, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
        write(work, "model.bin", POINTER);
        write(work, "other.bin", POINTER);
    });
    // As Git LFS leaves it: the content on the disk, the pointer in the index, which knows the file.
    world.git(&["config", "filter.lfs.smudge", "printf real"]);
    world.git(&["config", "filter.lfs.clean", "cat >&2; exit 1"]);
    fs::remove_file(world.work().join("model.bin")).unwrap();
    world.git(&["checkout", "-q", "--", "model.bin"]);
    assert_eq!(fs::read(world.work().join("model.bin")).unwrap(), b"real");
    // A file of the same moment as the index would be looked at again.
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    for file in ["model.bin", "other.bin"] {
        File::options().write(true).open(world.work().join(file)).unwrap().set_modified(old).unwrap();
    }
    let [pointer] = [world.git(&["rev-parse", "HEAD:model.bin"])];
    fs::remove_file(world.work().join(".git/index")).unwrap();
    world.git(&["-c", "filter.lfs.clean=true", "read-tree", "HEAD"]);
    world.git(&["-c", &format!("filter.lfs.clean=printf '%s' '{POINTER}'"), "update-index", "--refresh"]);
    world.write("other.bin", "changed by the user");
    let captured = world.captured().await;
    let restored = world.restored(&captured);
    assert_eq!(fs::read(restored.path().join("model.bin")).unwrap(), POINTER.as_bytes());
    assert_eq!(fs::read(restored.path().join("other.bin")).unwrap(), b"changed by the user");
    assert_eq!(git(restored.path(), &["hash-object", "--no-filters", "model.bin"]), pointer);
    assert_eq!(captured.facts.unfaithful, ["under Git LFS, as the pointers to them (--lfs fetches them): 1 file"]);
    let fetched = captured_with(&world.work(), &Options { lfs: true, ..Options::default() }).await;
    assert!(gitcode(&fetched).lfs && fetched.facts.unfaithful.is_empty());
}
