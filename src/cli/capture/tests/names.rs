//! Names and bytes that are easily mistaken.

use super::*;

#[tokio::test]
async fn capture_names() {
    let names: [&[u8]; 9] = [
        b"two words",
        b"quo\"te'",
        b"new\nline",
        b"tab\there",
        "gr\u{fc}\u{df}e".as_bytes(),
        b"no-\xff-utf8",
        b"-option",
        b"back\\slash",
        b":(glob)*",
    ];
    let world = World::with(|work| {
        for name in names {
            fs::write(work.join(OsStr::from_bytes(name)), "old\n").unwrap();
        }
    });
    for name in names {
        fs::write(world.work().join(OsStr::from_bytes(name)), "changed\n").unwrap();
        let fresh = [b"fresh ", name].concat();
        fs::write(world.work().join(OsStr::from_bytes(&fresh)), "new\n").unwrap();
    }
    let facts = world.travels().await.facts;
    assert_eq!((facts.changed, facts.untracked), (names.len(), names.len()));
}

#[tokio::test]
async fn capture_bytes() {
    let world = World::with(|work| {
        write(work, "a", "x  \n\n\n");
        write(work, "b", "no end");
    });
    world.write("a", "x \t \n\n\r\n\u{c}\n");
    world.write("b", "no end either  ");
    world.write("c", "");
    world.write("d", "\u{feff}bom\r");
    world.write("diff", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a \n+b \n\\ No newline at end of file\n");
    world.travels().await;
}

#[tokio::test]
async fn names_in_a_repository_within_and_where_the_user_stands() {
    let world = World::new();
    let odd = world.work().join(OsStr::from_bytes(b"sub \xff\"")).join("re po");
    fs::create_dir_all(&odd).unwrap();
    git(&odd, &["init", "-q", "."]);
    fs::write(odd.join(OsStr::from_bytes(b"a\n\xfe")), "x").unwrap();
    commit(&odd, "first");
    world.travels().await;
    let plain = world.work().join("with blank/and \"");
    fs::create_dir_all(&plain).unwrap();
    fs::write(plain.join("x"), "x").unwrap();
    assert_eq!(captured(&plain).await.working_dir.as_deref(), Some("with blank/and \""));
    let no_text = world.work().join(OsStr::from_bytes(b"\xfe"));
    fs::create_dir_all(&no_text).unwrap();
    fs::write(no_text.join("x"), "x").unwrap();
    let failure = look(&no_text, &Options::default()).await.unwrap_err();
    assert!(failure.message.unwrap().contains("has a name that no task can be given"));
}
