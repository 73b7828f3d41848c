//! The server against its own API document: requests made from it by schemathesis, thousands of them, right and wrong ones. No answer
//! may be a fault of the server, of a status, type or shape that the document does not name, or take what the document forbids.

use crate::world::{Part, World};
use std::{fs, process::Command};

/// Rules that hang on other fields, or on what is stored, no document can tell: they are answered by 412, 413, 416 and 422. Whatever
/// cannot even be read, 400, must be told by the document.
const CONFIG: &str = "
[checks]
positive_data_acceptance.expected-statuses = ['2xx', '3xx', '401', '403', '404', '409', '410', '412', '413', '416', '422', '429']
negative_data_rejection.expected-statuses = ['400', '401', '403', '404', '405', '409', '410', '412', '413', '415', '416', '422', '429']
";
/// Lists of states and queues, and selectors of labels, have a grammar that no pattern holds.
const SELECTORS: &str = "
[[operations]]
include-operation-id = 'listTasks'
checks.positive_data_acceptance.expected-statuses = ['2xx', '400']
";
/// For calls that would end the very token that they bear.
const OTHERS_TOKEN: &str = "
[[operations]]
include-path-regex = '/tokens/'
parameters = { 'path.id' = 4711 }
";

#[tokio::test]
async fn the_server_keeps_to_its_own_document() {
    let mut world = World::new();
    world.start(Part::Server);
    let client = world.client().await;
    // As many tasks as the document's examples name.
    for count in [1_000, 50] {
        let tasks: Vec<_> = (0..count).map(|_| serde_json::json!({"command": ["true"]})).collect();
        let submit = client.call(reqwest::Method::POST, "api/v1/tasks:batch").json(&serde_json::json!({"tasks": tasks}));
        submit.send::<serde_json::Value>().await.expect("tasks are submitted");
    }
    let check = |token: &str, config: &str, which: &[&str]| {
        let said = run(&world, client.base(), token, config, which);
        assert!(said.contains("No issues found"), "{token} {which:?}: {said}");
    };
    let apart = ["--exclude-operation-id", "watchEvents", "--exclude-operation-id", "revokeToken", "--exclude-operation-id", "rotateToken"];
    check(
        "admin-token",
        &format!("{CONFIG}{SELECTORS}"),
        &[["--exclude-tag", "runner", "--exclude-tag", "attempt"].as_slice(), &apart].concat(),
    );
    check("runner-token", CONFIG, &["--include-tag", "runner", "--include-tag", "attempt"]);
    let others = format!("{CONFIG}{OTHERS_TOKEN}");
    let ends = ["--include-operation-id", "revokeToken", "--include-operation-id", "rotateToken"];
    check("admin-token", &others, &[ends.as_slice(), &["--exclude-checks", "negative_data_rejection"]].concat());
}

/// What one run by the bearer of a token says.
fn run(world: &World, url: &str, token: &str, config: &str, which: &[&str]) -> String {
    let secret = fs::read_to_string(world.data().join(token)).expect("the token");
    let file = world.root.join("schemathesis.toml");
    fs::write(&file, config).expect("its configuration");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/schemathesis.sh");
    let mut command = Command::new("bash");
    command.arg(script).arg("--config-file").arg(&file).arg("run").arg(format!("{url}/openapi.json"));
    command.args(["--header", &format!("Authorization: Bearer {}", secret.trim())]).args(which);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "7", "--continue-on-failure"]);
    command.args(["--request-timeout", "30", "--no-color", "--warnings", "off"]);
    let output = command.current_dir(&world.root).output().expect("bash starts");
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
