//! The figures of the bench on Kubernetes: what is counted, and that its page shows the newest of each case.

use crate::{
    case::Case,
    measure::{Spread, mean, not_once, of_word, rate, turnarounds},
    page::{Line, markdown, read, replaced},
    record,
};
use serde_json::json;
use std::{fs, path::Path};

fn lines(text: &str) -> Vec<record::Line> {
    text.lines().filter_map(record::Line::read).collect()
}

#[test]
fn a_slot_is_empty_from_one_end_to_the_next_start() {
    // Two slots: the third start takes the slot of the first end, whichever task that was.
    let record = lines(
        "1 1 start a 10\n2 1 start b 10.5\n2 1 end b 11\n3 1 start c 11.25\n1 1 end a 12\n4 1 start d 13\n3 1 end c 14\n4 1 end d 15",
    );
    let (starts, ends) = (of_word(&record, "start"), of_word(&record, "end"));
    assert_eq!(turnarounds(&starts, &ends, 2), [0.25, 1.0]);
    assert!((mean(&turnarounds(&starts, &ends, 2)) - 0.625).abs() < 1e-9);
    assert_eq!(turnarounds(&starts, &ends, 4), Vec::<f64>::new(), "no slot was used twice");
    assert!((rate(&starts, &ends) - 0.8).abs() < 1e-9, "four tasks in five seconds");
    assert_eq!(not_once(1..=4, &record), None);
}

#[test]
fn a_task_that_did_not_run_exactly_once_makes_a_run_void() {
    for (text, what) in [
        ("1 1 start a 1\n1 1 end a 2", "of task 2 is on record: []"),
        ("1 1 start a 1\n1 1 end a 2\n2 1 start b 1\n2 1 killed b 2", "\"killed\""),
        ("1 1 start a 1\n1 1 end a 2\n2 1 start b 1\n2 1 end b 2\n2 2 start c 3\n2 2 end c 4", "\"start\", \"end\", \"start\", \"end\""),
        ("1 1 start a 1\n1 1 end a 2\n2 1 start b 1\n2 1 end b 2\n3 1 start c 3\n3 1 end c 4\n3 1 end c 5", "of task 3"),
    ] {
        let why = not_once(1..=2, &lines(text)).expect("something is wrong");
        assert!(why.contains(what), "{why}");
    }
}

#[test]
fn a_percentile_is_the_least_value_that_so_many_do_not_exceed() {
    let values: Vec<f64> = (1..=200).map(f64::from).collect();
    assert_eq!(Spread::of(&values), Spread { p50: 100.0, p95: 190.0, p99: 198.0 });
    assert_eq!(Spread::of(&[7.0]), Spread { p50: 7.0, p95: 7.0, p99: 7.0 });
    assert!(Spread::of(&[]).p50.is_nan());
}

fn run() -> Line {
    Line::Run { at: "2026-11-30T0100Z".into(), commit: "c".into(), hardware: "2 cores".into(), release: true }
}

fn pass(side: &str, rate: f64, empty: f64, pair: usize) -> Line {
    let spread = json!({"p50": 1.0, "p95": 2.0, "p99": 3.0});
    let line = json!({
        "kind": "pass", "case": {"slots": 16, "ms": 100, "tasks": 200}, "side": side, "pair": pair, "seconds": 5.0, "tasksPerSecond": rate,
        "submitToStart": spread, "submitToPod": spread, "submitToFinished": spread, "endToFinished": spread, "turnaround": empty,
        "turnarounds": spread, "writesPerTask": 12.0, "writes": {"POST jobs": 1.0}, "readsPerTask": 0.0, "reads": {}, "planeCpuMs": {"etcd": 1.0, "apiserver": 4.0},
        "ownCpuMs": {}, "ownMemoryMib": {}, "pressure": 0.1,
    });
    serde_json::from_value(line).expect("a line of results")
}

#[test]
fn a_goal_is_judged_by_the_median_of_the_ratios_within_pairs() {
    let feeder = "Jobs, waits for the Job";
    let of = |rates: [f64; 3], empty: f64| {
        let pairs = (1..).zip(rates).flat_map(|(pair, rate)| [pass(feeder, 10.0, 1.0, pair), pass("Slipway", rate, empty, pair)]);
        markdown(&[run()].into_iter().chain(pairs).collect::<Vec<_>>())
    };
    let text = of([25.0, 20.0, 40.0], 0.3);
    assert!(text.contains("2.50 (2.00–4.00) × the tasks/s (goal 2, stretch 3: met)"), "{text}");
    assert!(text.contains("empty for 0.30 s between two commands (goal 0.3: met)"), "{text}");
    let text = of([15.0, 19.0, 31.0], 0.31);
    assert!(text.contains("stretch 3: MISSED") && text.contains("(goal 0.3: MISSED)"), "{text}");
    assert!(of([31.0, 30.0, 29.0], 0.1).contains("stretch 3: stretch)"));
}

#[test]
fn the_page_shows_the_newest_results_of_each_case() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, lines: &[Line]| {
        let text: String = lines.iter().map(|line| serde_json::to_string(line).expect("JSON") + "\n").collect();
        fs::write(dir.path().join(name), text).expect("a file");
    };
    write("kubernetes-1.jsonl", &[run(), pass("Slipway", 11.0, 1.0, 1)]);
    let case = Case { slots: 16, ms: 1_000, tasks: 200 };
    let void = Line::Void { case, side: "Slipway".into(), pair: 1, why: "lost".into() };
    write("kubernetes-2.jsonl", &[run(), void]);
    write("2026-11-30T0000Z.jsonl", &[]);
    let text = markdown(&read(dir.path()).expect("lines"));
    assert!(text.contains("| Slipway | 11.0 (11.0–11.0)") && text.contains("**Void**: Slipway, pair 1: lost"), "{text}");
    write("kubernetes-3.jsonl", &[run(), pass("Slipway", 12.0, 1.0, 1)]);
    let text = markdown(&read(dir.path()).expect("lines"));
    assert!(text.contains("| Slipway | 12.0 (12.0–12.0)") && !text.contains("11.0"), "{text}");
}

#[test]
fn the_tables_of_the_page_are_those_of_the_results() {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    let page = fs::read_to_string(benches.join("kubernetes/README.md")).expect("the page");
    let fresh = replaced(&page, &read(&benches.join("results")).expect("results")).expect("a marked section");
    assert!(page == fresh, "run `make bench-kubernetes-table`: the page does not show the newest results");
}
