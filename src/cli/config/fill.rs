//! What a configuration says of tasks, put where a task says nothing itself. Pure.

use super::{Config, keys};
use crate::{
    cli::{exit::Failure, span::parse_seconds},
    wire::{Environment, NewTask, Problem, Retries},
};
use serde_json::Value;
use std::collections::BTreeMap;

impl Config {
    /// The queue of tasks that name none.
    pub(crate) fn queue(&self) -> Option<&str> {
        self.get("submit.queue").map(|setting| setting.value.as_str())
    }

    /// Completes a task, but for its environment.
    pub(crate) fn fill(&self, task: &mut NewTask) {
        let text = |key: &str| self.get(key).map(|setting| setting.value.clone());
        let seconds = |key: &str| self.get(key).and_then(|setting| parse_seconds(&setting.value).ok());
        task.queue = task.queue.take().or_else(|| text("submit.queue"));
        task.image = task.image.take().or_else(|| text("submit.image"));
        task.priority = task.priority.or_else(|| self.parsed("submit.priority"));
        task.timeout_seconds = task.timeout_seconds.or_else(|| seconds("submit.time"));
        task.max_wait_seconds = task.max_wait_seconds.or_else(|| seconds("submit.max-wait"));
        task.total_timeout_seconds = task.total_timeout_seconds.or_else(|| seconds("submit.total-time"));
        task.grace_seconds = task.grace_seconds.or_else(|| seconds("submit.grace"));
        if let (None, Some(user)) = (&task.retries, self.parsed("submit.retries")) {
            task.retries = Some(Retries { user, ..Retries::default() });
        }
        self.fill_resources(task);
        let texts = |table| self.entries(table).map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>();
        under(&mut task.env, texts("submit.env"));
        under(&mut task.labels, texts("submit.labels"));
        under(&mut task.node_selector, texts("submit.node-selector"));
        let values = self.entries("submit.variables").map(|(name, value)| (name.to_owned(), Value::from(value)));
        under(&mut task.variables, values.collect());
    }

    /// A task that says anything of its resources says how many GPUs it needs: none, where it names no number.
    fn fill_resources(&self, task: &mut NewTask) {
        let (gpus, cpu, memory) = (self.parsed("submit.gpus"), self.parsed("submit.cpu"), self.parsed("submit.memory"));
        if gpus.is_none() && cpu.is_none() && memory.is_none() {
            return;
        }
        let said = task.resources.is_some();
        let resources = task.resources.get_or_insert_default();
        if !said {
            resources.gpus = gpus.unwrap_or_default();
        }
        resources.cpu = resources.cpu.or(cpu);
        resources.memory = resources.memory.or(memory);
    }

    /// Completes the environment of a task that has code.
    pub(crate) fn fill_environment(&self, task: &mut NewTask) {
        let (kind, python) = (self.parsed("submit.environment"), self.get("submit.python").map(|setting| setting.value.clone()));
        if task.environment.is_none() && (kind.is_some() || python.is_some()) {
            task.environment = Some(Environment { kind: kind.unwrap_or_default(), python, ..Environment::default() });
        }
    }

    /// What a task has of the configuration: by who said it, the keys.
    pub(crate) fn used(&self, with: &NewTask, without: &NewTask) -> BTreeMap<String, Vec<String>> {
        let value = |task: &NewTask| serde_json::to_value(task).unwrap_or_default();
        let (with, without) = (value(with), value(without));
        let mut used = BTreeMap::<String, Vec<String>>::new();
        for (key, setting) in &self.settings {
            let Some(pointer) = pointer(key) else { continue };
            if with.pointer(&pointer).is_some() && with.pointer(&pointer) != without.pointer(&pointer) {
                let place = setting.origin.to_string();
                let place = place.rsplit_once(':').map_or(place.as_str(), |(file, _)| file).to_owned();
                used.entry(place).or_default().push(key.trim_start_matches("submit.").to_owned());
            }
        }
        used
    }

    /// Says of what a server refuses where it was said, as nobody has typed it.
    pub(crate) fn blamed(&self, problem: &Problem, with: &NewTask, without: &NewTask, mut failure: Failure) -> Failure {
        let value = |task: &NewTask| serde_json::to_value(task).unwrap_or_default();
        let (with, without) = (value(with), value(without));
        for (key, setting) in &self.settings {
            let Some(pointer) = pointer(key) else { continue };
            let refused = problem.errors.iter().any(|error| error.pointer == pointer || format!("{}/kind", error.pointer) == pointer);
            if refused && with.pointer(&pointer) != without.pointer(&pointer) {
                failure = failure.hint(format!("{key} is set in {}", setting.origin));
            }
        }
        failure
    }
}

/// Adds what is not there yet.
fn under<T>(all: &mut BTreeMap<String, T>, more: BTreeMap<String, T>) {
    for (name, value) in more {
        all.entry(name).or_insert(value);
    }
}

/// Where in a task a key goes.
fn pointer(key: &str) -> Option<String> {
    let (known, entry) = keys::find(key)?;
    let entry = entry.map(|entry| format!("/{}", entry.replace('~', "~0").replace('/', "~1"))).unwrap_or_default();
    Some(format!("{}{entry}", known.pointer?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::config::{Origin, Setting, keys::KEYS},
        wire::{FieldError, ProblemCode},
    };
    use serde_json::json;

    fn config(said: &[(&str, &str)]) -> Config {
        let origin = |nth: usize| Origin::File { path: "/p/.slipway.toml".into(), line: nth + 1 };
        let setting =
            |(nth, (key, value)): (usize, &(&str, &str))| ((*key).to_owned(), Setting { value: (*value).to_owned(), origin: origin(nth) });
        Config { settings: said.iter().enumerate().map(setting).collect() }
    }

    /// A value for every key that goes into a task.
    const ALL: [(&str, &str); 17] = [
        ("submit.queue", "gpu"),
        ("submit.image", "python:3.12"),
        ("submit.gpus", "2"),
        ("submit.cpu", "4"),
        ("submit.memory", "8Gi"),
        ("submit.time", "2h"),
        ("submit.max-wait", "1d"),
        ("submit.total-time", "3d"),
        ("submit.grace", "90"),
        ("submit.retries", "2"),
        ("submit.priority", "low"),
        ("submit.environment", "uv"),
        ("submit.python", "3.12"),
        ("submit.env.A", "1"),
        ("submit.labels.team", "vision"),
        ("submit.variables.size", "7"),
        ("submit.node-selector.zone", "a"),
    ];

    #[test]
    fn every_key_reaches_the_task() {
        let all = config(&ALL);
        let mut task = NewTask { command: Some(vec!["true".into()]), ..NewTask::default() };
        let bare = task.clone();
        all.fill(&mut task);
        all.fill_environment(&mut task);
        insta::assert_json_snapshot!(task);
        assert_eq!(all.used(&task, &bare).into_values().flatten().count(), ALL.len());
        let missing: Vec<_> =
            KEYS.iter().filter(|key| key.pointer.is_some() && !ALL.iter().any(|(name, _)| name.starts_with(key.name))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn what_a_task_says_itself_stays() {
        let own: NewTask = serde_json::from_value(json!({
            "command": ["true"], "queue": "cpu", "image": "own", "priority": "high", "timeoutSeconds": 1, "maxWaitSeconds": 2,
            "totalTimeoutSeconds": 3, "graceSeconds": 4, "retries": {"user": 0}, "resources": {"gpus": 0, "cpu": "1", "memory": "1Gi"},
            "env": {"A": "own"}, "labels": {"team": "own"}, "variables": {"size": 1}, "nodeSelector": {"zone": "own"},
            "environment": {"kind": "image"},
        }))
        .unwrap();
        let mut task = own.clone();
        let all = config(&ALL);
        all.fill(&mut task);
        all.fill_environment(&mut task);
        assert_eq!(task, own);
        assert!(all.used(&task, &own).is_empty());
    }

    #[test]
    fn what_is_refused_is_told_with_its_place() {
        let all = config(&ALL);
        let mut task = NewTask { priority: Some("high".parse().unwrap()), ..NewTask::default() };
        let bare = task.clone();
        all.fill(&mut task);
        let wrong = |pointer: &str| FieldError { pointer: pointer.to_owned(), message: "no".to_owned() };
        let mut problem = Problem::new(ProblemCode::ValidationFailed);
        problem.errors = ["/image", "/priority", "/env/A"].map(wrong).into();
        let hints = all.blamed(&problem, &task, &bare, Failure::usage("x")).hints;
        assert_eq!(hints, ["submit.env.A is set in /p/.slipway.toml:14", "submit.image is set in /p/.slipway.toml:2"]);
    }
}
