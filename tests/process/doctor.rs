//! `slipway doctor` as a process, against real servers and none.

use crate::{
    eventually,
    world::{Part, World},
};
use serde_json::Value;

/// What `slipway doctor` says under a token file, and its exit code.
async fn doctor(world: &World, token: &str, more: &[&str]) -> (i32, String, String) {
    let token = world.data().join(token).display().to_string();
    let args = [&["doctor", "--url", &world.url, "--token-file", &token], more].concat();
    let mut program = world.program(&args);
    let status = eventually("the doctor's end", async || program.ended()).await;
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&program.out()).into_owned(), program.err())
}

/// The verdict of each line of a report by check.
fn verdicts(report: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(report).expect("JSON");
    let word = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    report["checks"].as_array().into_iter().flatten().map(|line| (word(line, "check"), word(line, "verdict"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_healthy_installation_nothing_fails_and_each_fault_is_found() {
    let mut world = World::with_both();
    world.ready().await;
    let (code, out, err) = doctor(&world, "admin-token", &["--canary", "default", "-o", "json"]).await;
    let lines = verdicts(&out);
    assert_eq!(code, 0, "{out}{err}");
    let skipped = ["rights", "base-url", "queues", "security", "pull-secret", "capacity"];
    for (check, verdict) in &lines {
        // What only clusters have is not looked at.
        let expected = if skipped.contains(&check.as_str()) { "skip" } else { "ok" };
        assert_eq!(verdict, expected, "{check}: {out}");
    }
    assert_eq!(lines.len(), 19, "{out}");
    assert!(out.contains("and the canary's agent fetched it"), "{out}");

    let (code, out, _) = doctor(&world, "runner-token", &[]).await;
    assert!(code == 1 && out.contains("this is a runner's token"), "{out}");
    std::fs::write(world.data().join("wrong-token"), "slw_0000000000000000000000000000000000000000000").expect("a file");
    let (code, out, _) = doctor(&world, "wrong-token", &["-o", "json"]).await;
    let failed = |out: &str| verdicts(out).into_iter().filter(|(_, verdict)| verdict == "fail").map(|(check, _)| check).collect::<Vec<_>>();
    assert_eq!((code, failed(&out)), (1, vec!["token".to_owned()]), "{out}");

    // Without a server there is one failure, and no guess about the rest.
    world.part(Part::Server).kill();
    let (code, out, _) = doctor(&world, "admin-token", &["-o", "json"]).await;
    assert_eq!((code, failed(&out)), (1, vec!["server".to_owned()]), "{out}");
    assert!(out.contains("slipway up"), "{out}");
    world.revive();
    world.nothing_left().await;
}
