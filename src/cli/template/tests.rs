//! The commands on the ready files, and those files themselves.

use super::{findings::judge, run, sample::Sample};
use crate::{
    cli::{Common, documents, help, testing::Bench},
    template::Level,
    wire::NewTask,
};
use std::path::PathBuf;

fn ready(file: &str) -> String {
    format!("{}/templates/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// Standard output and standard error of a command line.
async fn said(words: &[&str]) -> (u8, String, String) {
    let crate::cli::Command::Template(args) = help::parsed(&[&["template"], words].concat()) else { panic!("another command") };
    let bench = Bench::default();
    let context = bench.context(Common { output: args.common.output, ..Common::default() });
    let exit = run(args, &context).await.unwrap_or_else(|failure| {
        context.console.report(&failure);
        failure.exit
    });
    let plain = |text: String| anstream::adapter::strip_str(&text).to_string().replace(env!("CARGO_MANIFEST_DIR"), "");
    (exit.code(), plain(bench.out.text()), plain(bench.err.text()))
}

/// Every queue of the ready files, with its file.
fn all() -> Vec<(String, Sample)> {
    let mut found = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(ready("")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for path in files {
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for (name, queue) in documents::read(&file, &text).unwrap() {
            found.push((file.clone(), Sample::of(name, queue, NewTask::default())));
        }
    }
    found
}

#[test]
fn the_ready_files_make_jobs_without_a_finding() {
    for (file, sample) in all() {
        if sample.queue.object.is_none() {
            let judged = judge(&sample);
            let grave: Vec<_> = judged.findings.iter().filter(|finding| finding.level != Level::Info).collect();
            assert!(grave.is_empty(), "{file}: {}: {grave:?}", sample.name);
        }
        let job = sample.complete().unwrap_or_else(|failure| panic!("{file}: {}: {:?}", sample.name, failure.hints));
        insta::assert_json_snapshot!(format!("{file}-{}", sample.name), job.manifest);
    }
}

#[tokio::test]
async fn a_part_of_the_job_says_who_set_it() {
    let (exit, out, err) = said(&["explain", "-f", &ready("gpu.yaml"), "spec.template.spec.tolerations"]).await;
    assert_eq!((exit, err.as_str()), (0, ""));
    let (_, whole, _) = said(&["explain", "-f", &ready("cpu.yaml"), "/spec/template/spec/containers/0"]).await;
    let (missing, _, told) = said(&["explain", "-f", &ready("cpu.yaml"), "spec.template.spec.nodeSelector.x"]).await;
    assert_eq!(missing, 5);
    insta::assert_snapshot!([out, whole, told].join("\n"));
}

#[tokio::test]
async fn a_manifest_goes_alone_to_standard_output() {
    let (exit, out, err) = said(&["render", "-f", &ready("mig.yaml"), "--queue", "mig-small", "-o", "json"]).await;
    assert_eq!((exit, err.as_str()), (0, ""));
    let job: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&job["kind"], &job["metadata"]["name"]), (&"Job".into(), &"slw-xxxxx-1-a1".into()));
    let (exit, out, _) = said(&["render", "-f", &ready("mig.yaml"), "--queue", "mig-small", "--provenance", "-o", "json"]).await;
    let origins: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &origins["spec"]["backoffLimit"], &origins["kind"]), (0, &"enforce".into(), &"builtIn".into()));
    let several = said(&["render", "-f", &ready("mig.yaml")]).await;
    let nobody = said(&["render", "-f", &ready("mig.yaml"), "--queue", "mig-smal"]).await;
    assert_eq!((several.0, several.1.as_str(), nobody.0), (2, "", 5));
    insta::assert_snapshot!([several.2, nobody.2].join("\n"));
}

#[tokio::test]
async fn findings_are_told_and_errors_fail() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("q.yaml");
    std::fs::write(
        &file,
        "queues:\n  a:\n    defaults: {image: i}\n    podTemplate: {spec: {containers: [{resources: {limits: {nvidia.com/mig-1g.10: 1}}}]}}\n  b: {podTemplate: {}}\n  c: {defaults: {image: i}}\n  d: {podTemplate: {}, allow: {images: [\"python:*\"]}}\n",
    )
    .unwrap();
    let (exit, out, _) = said(&["lint", "-f", file.to_str().unwrap()]).await;
    assert_eq!(exit, 1);
    let clean = said(&["lint", "-f", &ready("multi-gpu.yaml")]).await;
    assert_eq!(clean.0, 0);
    insta::assert_snapshot!([out, clean.1].join("\n"));
}
