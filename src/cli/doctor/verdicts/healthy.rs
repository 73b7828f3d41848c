//! A healthy installation, and what tests change in it.

use crate::{
    cli::{
        doctor::{
            canary::Sung,
            certificate::sample,
            facts::{Facts, Greeted, Looked, Sent, Trouble},
        },
        testing::{NOW, queue},
    },
    client::Greeting,
    wire::{
        BytesHealth, DatabaseHealth, Footing, Health, Level, ProblemCode, Rendering, Role, Runner, TaskId, TemplateFinding, Timestamp,
        Version, Whoami,
    },
};
use serde_json::json;
use std::time::Duration;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn version() -> Version {
    Version { version: "0.1.0".into(), api: "v1".into() }
}

pub(super) fn runner(name: &str, kind: &str) -> Runner {
    Runner {
        name: name.parse().unwrap(),
        kind: kind.into(),
        version: "0.1.0".into(),
        slots: 8,
        gpus: 0,
        queues: vec!["*".into()],
        active: 3,
        registered_at: at("2026-11-20T08:00:00Z"),
        seen_at: Some(at("2026-11-20T09:22:38Z")),
        state: None,
        footing: None,
        footing_at: None,
    }
}

pub(super) fn footing() -> Footing {
    let namespaces = vec!["research".to_owned()];
    Footing {
        agent_url: "http://slipway-server.ml.svc".into(),
        namespaces,
        checks_queues: true,
        reads_nodes: true,
        needed: 20,
        ..Footing::default()
    }
}

pub(super) fn rendering(cluster: &str, findings: Vec<TemplateFinding>) -> Rendering {
    Rendering {
        runner: Some("k8s".parse().unwrap()),
        cluster: Some(cluster.into()),
        manifest: Some(json!({"spec": {"template": {"spec": {"imagePullSecrets": [{"name": "registry"}]}}}})),
        origins: None,
        faults: Vec::new(),
        findings,
        nodes_at: Some(at(NOW)),
        checked_at: Some(at(NOW)),
    }
}

pub(super) fn finding(level: Level, code: &'static str, pointer: &str) -> TemplateFinding {
    let [found, message, said] = ["x", "so it is", ""].map(str::to_owned);
    TemplateFinding { level, code: code.into(), pointer: pointer.into(), found, message, fix: "do this".into(), said, layer: None }
}

pub(super) fn sung() -> Sung {
    Sung {
        task: TaskId(7),
        queue: "cpu".parse().unwrap(),
        ended: true,
        is_success: true,
        how: "succeeded".into(),
        runner: Some("k8s".parse().unwrap()),
        log_bytes: 42,
        log_ended: true,
        speaks: true,
        code: true,
        took: Duration::from_secs(3),
        stuck: None,
    }
}

pub(super) fn bytes(facts: &mut Facts, took_ms: Option<u64>) {
    facts.health.as_mut().unwrap().as_mut().unwrap().bytes = Some(BytesHealth { url: Some("s3://logs".into()), took_ms });
}

/// An installation of which nothing bad can be said.
pub(super) fn healthy() -> Facts {
    let glue = Runner { footing: Some(footing()), ..runner("k8s", "kubernetes") };
    let greeting = Greeting { version: version(), date: Some(at(NOW)), certificate: None };
    let database = DatabaseHealth { kind: "sqlite".into(), schema: 9, known_schema: 9, read_ms: 1, commit_ms: 4 };
    Facts {
        url: "http://127.0.0.1:7227".into(),
        in_cluster: false,
        now: at(NOW),
        client: "0.1.0",
        greeted: Ok(Greeted { greeting, at: at(NOW), took: Duration::from_millis(2) }),
        ready: Ok(()),
        me: Some(Ok(Whoami { user: "ada".into(), role: Role::Admin, grants: Vec::new() })),
        health: Some(Ok(Health {
            version: "0.1.0".into(),
            at: at(NOW),
            database,
            bytes: Some(BytesHealth { url: None, took_ms: None }),
            stuck: Vec::new(),
        })),
        bases: vec![("k8s".parse().unwrap(), footing().agent_url, Ok(version()))],
        runners: Some(Ok(vec![runner("box", "process"), glue])),
        queues: Some(Ok(vec![Looked { queue: queue("cpu", 1), rendered: Ok(vec![rendering("eu-1", Vec::new())]) }])),
        large: Some(Ok(Sent { bytes: 8 << 20, took: Duration::from_millis(300) })),
        upload: Some(Ok(())),
        stream: Some(Ok(Duration::from_millis(5))),
        canary: Some(Ok(sung())),
    }
}

pub(super) fn away() -> Trouble {
    Trouble::Away("cannot reach http://x: refused".into())
}

pub(super) fn refused(code: ProblemCode) -> Trouble {
    Trouble::Refused(code, "no".into())
}

pub(super) fn runners(facts: &mut Facts) -> &mut Vec<Runner> {
    facts.runners.as_mut().unwrap().as_mut().unwrap()
}

pub(super) fn glue(facts: &mut Facts) -> &mut Footing {
    runners(facts)[1].footing.as_mut().unwrap()
}

pub(super) fn look(facts: &mut Facts) -> &mut Looked {
    &mut facts.queues.as_mut().unwrap().as_mut().unwrap()[0]
}

pub(super) fn says(facts: &mut Facts, findings: Vec<TemplateFinding>) {
    look(facts).rendered = Ok(vec![rendering("eu-1", findings)]);
}

pub(super) fn greeted(facts: &mut Facts) -> &mut Greeted {
    facts.greeted.as_mut().unwrap()
}

pub(super) fn certified(facts: &mut Facts, from: &str, until: &str) {
    facts.url = "https://slipway.example.org".into();
    greeted(facts).greeting.certificate = Some(sample(from, until));
}
