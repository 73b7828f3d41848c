//! What machines read: `-o json` of every command against the API document, field by field, with nothing beside it on standard output.

use crate::{eventually, world::World};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
};

/// Commands whose output is no object of the API, and what it is.
const OTHERS: &[(&str, &str)] = &[
    ("abandon", "the task, as cancel shows it; it wants an attempt whose machine is gone"),
    ("admin migrate", "an offline look at a database"),
    ("admin support-bundle", "a file"),
    ("admin reap", "what would be removed from a cluster"),
    ("api", "whatever the call answers"),
    ("context ls", "the caller's own file"),
    ("context rm", "the caller's own file"),
    ("context show", "the caller's own file"),
    ("context use", "the caller's own file"),
    ("config get", "the caller's own files"),
    ("config set", "the caller's own file"),
    ("config unset", "the caller's own file"),
    ("doctor", "its own checks"),
    ("glue rbac", "a manifest of Kubernetes"),
    ("login", "the caller's own file"),
    ("logout", "the caller's own file"),
    ("logs", "bytes"),
    ("outputs get", "files"),
    ("queue diff", "a comparison"),
    ("queue edit", "the queue, as apply shows it; it wants an editor"),
    ("queue export", "a file to apply"),
    ("queue import", "a file to apply"),
    ("template presets", "files to apply"),
    ("template explain", "who set a value of a manifest"),
    ("template lint", "needs no server"),
    ("template render", "a manifest of Kubernetes"),
    ("version", "this program's beside the server's"),
];

/// Every command, in an order in which each has something to show; `{task}` is the newest task, `{token}` the newest token, `{runner}` a runner. The schema
/// is that of the object, or of each line where it begins with `*`; none where there is no object any more.
const COMMANDS: &[(&str, &str)] = &[
    (
        "submit -o json --keep model.txt --label team=vision --time 1m --gpus 0 -- sh -c 'echo w > model.txt; slipway-agent result set acc=0.9'",
        "Task",
    ),
    ("wait {task} -o json", "Task"),
    ("watch {task} -o json", "Task"),
    ("get {task} -o json", "Task"),
    ("why {task} -o json", "Why"),
    ("stats {task} -o json", "Timeline"),
    ("events {task} -o json", "EventList"),
    ("outputs ls {task} -o json", "OutputList"),
    ("rerun {task} -o json", "Task"),
    ("submit -o json --array 0-2%1 -- true", "Task"),
    ("get {task} -o json", "Task"),
    ("cancel {task} -o json", "Task"),
    ("queue apply -f queue.yaml -o json", "QueueList"),
    ("queue ls -o json", "QueueList"),
    ("queue pause gpu --reason racks -o json", "Queue"),
    ("submit -q gpu -o json -- true", "Task"),
    ("why {task} -o json", "Why"),
    ("submit -q gpu -o json -- true", "Task"),
    ("move {task} --front -o json", "Task"),
    ("boost {task} -o json", "Task"),
    ("ls -o json", "TaskList"),
    ("ls --all --elements -o jsonl", "*Task"),
    ("queue get gpu -o json", "Queue"),
    ("queue resume gpu -o json", "Queue"),
    ("queue drain gpu -o json", "Queue"),
    ("queue history gpu -o json", "QueueRevisionList"),
    ("budget set pool --resource gpus --max 8 -o json", "Budget"),
    ("budget apply -f budget.yaml -o json", "BudgetList"),
    ("budget get pool -o json", "Budget"),
    ("budget ls -o json", "BudgetList"),
    ("token create lena --role viewer -o json", "CreatedToken"),
    ("token ls -o json", "TokenList"),
    ("token rotate {token} -o json", "CreatedToken"),
    ("token revoke {token} -o json", ""),
    ("budget delete pool -o json", ""),
    ("queue apply -f other.yaml -o json", "QueueList"),
    ("queue delete other -o json", ""),
    ("whoami -o json", "Whoami"),
    ("runner ls -o json", "RunnerList"),
    ("runner get {runner} -o json", "Runner"),
    ("nodes -o json", "NodeList"),
    ("usage --by user,queue -o json", "UsageReport"),
    ("audit -o json", "AuditList"),
    ("export tasks", "*Task"),
    ("export attempts", "*AttemptLine"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_every_command_prints_for_machines_is_what_the_document_says() {
    let mut world = World::with_both();
    world.ready().await;
    // In the environment, since a command of the task follows on some lines.
    let token = world.data().join("admin-token").display().to_string();
    world.env.extend([("SLIPWAY_URL", world.url.clone()), ("SLIPWAY_TOKEN_FILE", token)]);
    fs::write(world.root.join("queue.yaml"), "name: gpu\nlimits: {maxRunning: 4}\n").expect("a file");
    fs::write(world.root.join("other.yaml"), "name: other\n").expect("a file");
    fs::write(world.root.join("budget.yaml"), "budgets:\n  pool: {resource: gpus, max: 4}\n").expect("a file");
    let (mut values, mut known) = (Vec::new(), std::collections::BTreeMap::new());
    for (line, schema) in COMMANDS {
        let line = known.iter().fold((*line).to_owned(), |line, (name, id): (&&str, &String)| line.replace(&format!("{{{name}}}"), id));
        let words: Vec<String> = shlex(&line);
        let mut program = world.program(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let status = eventually("the command's end", async || program.ended()).await;
        let text = String::from_utf8(program.out()).expect("UTF-8");
        assert!(status.success(), "{line}: {status}\n{text}{}", program.err());
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{line}: {error}\n{text}"));
        if schema.is_empty() {
            assert_eq!(text, "", "{line}");
            continue;
        }
        let found: Vec<Value> = if schema.starts_with('*') { text.lines().map(read).collect() } else { vec![read(&text)] };
        assert!(!found.is_empty(), "{line}: nothing");
        for (name, of, at) in [("task", "Task", "/id"), ("token", "CreatedToken", "/token/id"), ("runner", "RunnerList", "/items/0/name")] {
            if *schema == of {
                let id = found[0].pointer(at).unwrap_or_else(|| panic!("{line}: no {at}"));
                known.insert(name, id.as_str().map_or_else(|| id.to_string(), str::to_owned));
            }
        }
        values.extend(found.into_iter().map(|value| json!({"what": line, "schema": schema.trim_start_matches('*'), "value": value})));
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"));
    // What would let everything pass is noticed.
    let wrong = json!({"what": "wrong", "schema": "Whoami", "value": {"user": 1, "role": "admin", "more": true}});
    let given = |values: &[Value]| json!({"document": format!("{root}/docs/openapi.json"), "values": values}).to_string();
    let said = compared(&given(&[wrong]));
    assert!(said.contains("/user") && said.contains("more"), "{said}");
    assert_eq!(compared(&given(&values)), "");
    world.nothing_left().await;
}

/// Each command that prints data is in one of the two tables.
#[test]
fn no_command_that_prints_data_is_forgotten() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CLI.md")).expect("docs/CLI.md");
    let sections = document.split("\n## slipway ").skip(1);
    let prints = sections.filter(|section| section.contains("--output <FORMAT>") && !section.contains("\nCommands:\n"));
    let all: BTreeSet<&str> = prints.filter_map(|section| section.lines().next()).collect();
    let is = |line: &str, command: &str| line == command || line.starts_with(&format!("{command} "));
    let tried = |command: &&str| COMMANDS.iter().any(|(line, _)| is(line, command)) || OTHERS.iter().any(|(other, _)| other == command);
    let forgotten: Vec<_> = all.iter().filter(|command| !tried(command)).collect();
    assert!(forgotten.is_empty(), "neither tried nor named: {forgotten:?}");
    let gone: Vec<_> = OTHERS.iter().filter(|(other, _)| !all.contains(other)).collect();
    assert!(gone.is_empty(), "no such commands: {gone:?}");
}

/// The words of a line, as a shell reads quotes of one kind.
fn shlex(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(nth, part)| match nth % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// What differs.
fn compared(given: &str) -> String {
    let support = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support");
    let mut command = Command::new("bash");
    command.args([format!("{support}/schemathesis.sh"), "python".into(), format!("{support}/schemas.py")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bash starts");
    child.stdin.take().expect("its input").write_all(given.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
