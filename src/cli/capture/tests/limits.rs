//! What stays behind, and what is too much.

use super::{super::Limits, *};

fn left(captured: &Captured) -> Vec<(&str, u64, &str)> {
    captured.facts.excluded.iter().map(|left| (left.path.as_str(), left.bytes, left.why.as_str())).collect()
}

#[tokio::test]
async fn what_slipwayignore_names_stays_behind() {
    let world = World::new();
    world.write(".slipwayignore", "# large\ndata/\n*.ckpt\n!keep.ckpt\n/top\n");
    world.write("src/data/b.bin", "12345");
    world.write("data/x/y", "123");
    world.write("data/z", "12");
    world.write("a.ckpt", "1");
    world.write("keep.ckpt", "kept");
    world.write("top", "1");
    world.write("src/top", "kept");
    world.write("src/.slipwayignore", "!a.ckpt\nonly\n");
    world.write("src/a.ckpt", "kept");
    world.write("src/only", "1");
    world.write("only", "kept");
    let captured = world.travels_without(&["data", "src/data/b.bin", "a.ckpt", "top", "src/only"]).await;
    let why = ".slipwayignore";
    assert_eq!(
        left(&captured),
        [("data/", 5, why), ("src/data/", 5, why), ("a.ckpt", 1, why), ("src/only", 1, why), ("top", 1, why)],
        "what git knows travels whatever the file says"
    );
}

#[tokio::test]
async fn a_file_beyond_the_limit_stays_behind_unless_git_knows_it() {
    let world = World::new();
    world.write("README", "x".repeat(2_000));
    world.write("big", "x".repeat(2_000));
    world.write("small", "x");
    let options = Options { limits: Limits { file: 1_000, total: 10_000 }, ..Options::default() };
    let captured = captured_with(&world.work(), &options).await;
    assert_eq!(left(&captured), [("big", 2_000, "larger than 1000 B")]);
    let mut here = things(&world.work());
    here.remove(&b"big"[..]);
    assert_eq!(things(world.restored(&captured).path()), here);
}

#[tokio::test]
async fn too_much_is_refused_and_the_largest_are_named() {
    let world = World::new();
    for i in 1..=7 {
        world.write(&format!("part{i}"), "x".repeat(i * 1_000));
    }
    let options = Options { limits: Limits { file: 100_000, total: 20_000 }, ..Options::default() };
    for upload in [None, Some(super::super::Upload::Here)] {
        let failure = look(&world.work(), &Options { upload, ..options.clone() }).await.unwrap_err();
        assert_eq!(failure.exit, crate::cli::Exit::Usage);
        let message = failure.message.unwrap();
        assert!(message.contains("part7 6.8 KiB, part6 5.9 KiB, part5 4.9 KiB, part4 3.9 KiB, part3 2.9 KiB"), "{message}");
        assert!(!message.contains("part2"), "{message}");
    }
    // What git knows counts with what is sent of it.
    let sums = (0..2_000_u32).map(|i| crate::domain::Sha256::of(&i.to_be_bytes()).to_string());
    let noise: String = sums.collect();
    fs::remove_dir_all(world.work().join("src")).unwrap();
    for i in 1..=7 {
        fs::remove_file(world.work().join(format!("part{i}"))).unwrap();
    }
    world.write("README", noise);
    let failure = look(&world.work(), &options).await.unwrap_err();
    assert!(failure.message.unwrap().contains("may travel with a task"));
}
