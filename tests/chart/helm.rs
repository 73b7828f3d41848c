//! Helm, and what it renders.

use serde::Deserialize;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::OnceLock,
};
use tempfile::TempDir;

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/slipway");
/// The oldest Kubernetes that the chart takes.
pub(crate) const OLDEST: &str = "1.28.0";
/// What the script answers where a prerequisite is missing.
const MISSING: i32 = 77;

/// Helm of both major versions.
#[derive(Default)]
pub(crate) struct Helm {
    home: OnceLock<TempDir>,
    absent: OnceLock<Option<String>>,
}

/// Whether what is missing may be passed over: by people, not by CI.
#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
pub(crate) fn may_skip() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true").eq(&false)
}

/// The names of the files of `ci/`, without `-values.yaml`.
pub(crate) fn scenarios() -> Vec<String> {
    let files = fs::read_dir(Path::new(CHART).join("ci")).expect("the scenarios");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix("-values.yaml").map(str::to_owned)).collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

impl Helm {
    /// Why there is none.
    pub(crate) fn absent(&self) -> Option<String> {
        let ask = || {
            let output = self.run("4", &["version"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() || output.status.code() == Some(MISSING), "{said}");
            (!output.status.success()).then_some(said)
        };
        self.absent.get_or_init(ask).clone()
    }

    fn run(&self, version: &str, words: &[&str]) -> Output {
        let home = self.home.get_or_init(|| tempfile::tempdir().expect("a directory"));
        let mut helm = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/helm.sh"));
        helm.arg(home.path()).arg(version).args(words).output().expect("the script runs")
    }

    /// Whether Helm took it, and what it said.
    pub(crate) fn ask(&self, version: &str, words: &[&str]) -> (bool, String) {
        let output = self.run(version, words);
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// What `helm template` prints of a scenario, with more words.
    pub(crate) fn text(&self, version: &str, name: &str, more: &[&str]) -> String {
        let file = format!("{CHART}/ci/{name}-values.yaml");
        let words = [&["template", "team", CHART, "--namespace", "ns", "--kube-version", OLDEST, "-f", &file][..], more].concat();
        let (taken, said) = self.ask(version, &words);
        assert!(taken, "{name}: {said}");
        said
    }

    /// The objects of a scenario, each with all its keys once.
    pub(crate) fn objects(&self, version: &str, name: &str, more: &[&str]) -> Vec<Value> {
        objects(&self.text(version, name, more))
    }
}

/// The objects of a text.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    // As YAML's own value first: that refuses keys which come twice.
    let read = |document| serde_yaml::Value::deserialize(document).expect("YAML with each key once");
    let values = documents.map(read).filter(|value| !value.is_null());
    let mut all: Vec<Value> = values.map(|value| serde_json::to_value(value).expect("JSON")).collect();
    all.sort_by_key(called);
    all
}

/// Kind, namespace and name.
pub(crate) fn called(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}/{}", text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}
