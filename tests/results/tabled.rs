//! The table of the reliability page: what is said of a run, and that it is the runs' own.

use crate::score::{Level, Score, Size, Verdict, read, replaced, table};
use std::{fs, path::Path};

fn run() -> Score {
    Score {
        scenario: 2,
        level: Level::P,
        tries: Some(2_000),
        seed: 7,
        lost: Some(0),
        duplicated: Some(0),
        false_successes: Some(0),
        worst_recovery_ms: Some(1_290),
        api_writes_per_task: None,
        verdict: Verdict::Pass,
        form: Size::Full,
        at: Some("2026-11-29T19:00Z".to_owned()),
        version: Some("0.1.0".to_owned()),
    }
}

#[test]
fn a_run_without_failures_gives_a_bound_and_one_with_failures_their_number() {
    let text = table(&[run()]);
    assert!(text.contains("| 2000 | 0 | 0 | 0 | 0.15 % | 1.3 s | – | pass |"), "{text}");
    assert!(text.contains("\n- 1: ") && !text.contains("\n- 2: "), "{text}");
    let failed = Score { lost: Some(1), duplicated: Some(2), verdict: Verdict::Fail, ..run() };
    let text = table(&[failed]);
    assert!(text.contains("| 2000 | 1 | 2 | 0 | 3 of 2000 seen | 1.3 s | – | **fail** |"), "{text}");
    let broken = Score { tries: None, lost: None, duplicated: None, false_successes: None, worst_recovery_ms: None, ..run() };
    assert!(table(&[broken]).contains("| – | – | – | – | – | – | – |"));
    assert!(!table(&[run()]).to_lowercase().contains("never"));
}

#[test]
fn the_line_of_a_run_has_the_fields_that_were_promised() {
    let line = Score { at: None, version: None, ..run() };
    assert_eq!(
        serde_json::to_string(&line).expect("JSON"),
        r#"{"scenario":2,"level":"P","tries":2000,"seed":7,"lost":0,"duplicated":0,"falseSuccesses":0,"worstRecoveryMs":1290,"apiWritesPerTask":null,"verdict":"pass","form":"full"}"#
    );
}

#[test]
fn the_table_of_the_reliability_page_is_that_of_the_results() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let scores = read(&docs.join("reliability")).expect("results");
    let page = fs::read_to_string(docs.join("RELIABILITY.md")).expect("the page");
    let fresh = replaced(&page, &scores).expect("a marked section");
    assert!(page == fresh, "run `make scoreboard-table`: docs/RELIABILITY.md does not show the newest runs in docs/reliability");
    assert!(!page.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("never")), "a bound is not a never");
}
