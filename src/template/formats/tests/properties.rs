//! Any text is read in bounded time, without a panic, into queues or notes.

use crate::template::formats::{Format, detect, glue, read};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// What files are made of, put together without sense.
const WORDS: [&str; 44] = [
    "agentk8sglue",
    "queues",
    "templateOverrides",
    "queueSettings",
    "basePodTemplate",
    "gpu",
    "resources",
    "limits",
    "nvidia.com/gpu",
    "labels",
    "env",
    "name",
    "value",
    "fileMounts",
    "fileContent",
    "folderPath",
    "maxPods",
    "monitoredResources",
    "maxResources",
    "spec",
    "template",
    "metadata",
    "containers",
    "kubernetes",
    "template_variables",
    "launchConfig",
    "kind",
    "Job",
    "apiVersion",
    "batch/v1",
    "no",
    "017",
    "1_000",
    "${run_id}",
    "'{{gpus}}'",
    "${CLEARML_TASK.name|x}",
    "&a",
    "*a",
    "<<",
    "\"quoted\"",
    "null",
    "[]",
    "{}",
    "|",
];

fn text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        6 => proptest::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
        4 => proptest::sample::select(vec![": ", "\n", "\n  ", "\n    ", "\n      - ", "{", "}", "[", "]", ", ", "---\n", "\t", "`"]).prop_map(str::to_owned),
        1 => "[ -~é]{0,6}",
    ];
    proptest::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn read_all(text: &str) {
    let _ = detect(text);
    let _ = glue(text);
    for format in [Format::ClearMl, Format::Launch] {
        let import = read(format, text, Some("q"));
        assert!(!import.queues.is_empty() || !import.notes.is_empty(), "{format}: {text}");
    }
}

proptest! {
    #[test]
    fn any_text_gives_queues_or_notes(text in text()) {
        read_all(&text);
    }

    #[test]
    fn any_values_under_known_keys_do(inside in text()) {
        for around in ["agentk8sglue: {queues: {gpu: {templateOverrides: {", "spec: {template: {spec: {", "agentk8sglue: {queues: {gpu: {queueSettings: {"] {
            read_all(&format!("{around}{}}}}}}}}}", inside.replace('\n', " ")));
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures how long the reading takes")]
fn bombs_are_refused_in_no_time() {
    let quadratic = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(60_000), "*a, ".repeat(5_000));
    let exponential = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, i| format!("{text}a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1));
    let nested = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let anchors = format!("{}x{}", "&a [".repeat(60), "]".repeat(60));
    let deep: String = (0..5_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect::<Vec<_>>().concat();
    let wide: String = (0..40_000).map(|i| format!("k{i}: 1\n")).collect::<Vec<_>>().concat();
    let merges = format!(
        "a: &a {{{}}}\nb: [{}]\n",
        (0..2_000).map(|i| format!("k{i}: 1, ")).collect::<Vec<_>>().concat(),
        "{<<: *a}, ".repeat(2_000)
    );
    let long = "x".repeat(5 << 20);
    for bomb in [quadratic, exponential, nested, anchors, deep, wide, merges, long] {
        let begun = Instant::now();
        let import = read(Format::ClearMl, &bomb, None);
        assert!(import.is_refused(), "{bomb:.60}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{bomb:.60}: {:?}", begun.elapsed());
    }
}
