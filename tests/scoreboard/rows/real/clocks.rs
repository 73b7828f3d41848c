//! Row 19: the wall clocks of server, glue and agents step by up to an hour, each by itself; so glue and cluster differ too.

use crate::{
    row::{Absent, Form, Outcome, Row},
    rows::clock_steps::{EXACT, Kind, LIMIT, STEPS, ran, set, stepped, wrong},
    score::Level,
    site::{Site, on_site, times},
    support::Dice,
};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use slipway::{
    app::ambient::SystemClock,
    domain::Clock,
    wire::{NewTask, Times},
};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

pub(crate) const ROW: Row = Row { number: 19, level: Level::R, short: 4, full: 40, run: |form| Box::pin(run(form)) };

async fn run(form: Form) -> Result<Outcome, Absent> {
    // A clock that is an hour ahead would pass any of these.
    let short = Times { heartbeat_lost_ms: 30_000, ..crate::kit::times() };
    on_site("clocks", form.of(short, times(form)), async |site| stepping(site, form).await).await
}

async fn stepping(site: &mut Site, form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    // Files of this machine are more than the profile "restricted" lets a pod have; all else of it holds.
    site.scene.trust().await;
    let dir = site.world.root().join("clocks");
    fs::create_dir(&dir).expect("a directory");
    let opened = [site.world.root(), &dir].map(|dir| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)));
    assert!(opened.iter().all(Result::is_ok), "pods may look");
    let [server, glue, agents] = ["server", "glue", "agents"].map(|name| dir.join(name));
    for clock in [&server, &glue, &agents] {
        set(clock, *dice.pick(&STEPS).expect("a step"));
    }
    site.world.env = vec![("SLIPWAY_CLOCK_STEP", server.display().to_string())];
    site.world.start_server();
    site.server_ready().await;
    site.world.env = vec![("SLIPWAY_CLOCK_STEP", glue.display().to_string())];
    // Agents are told by the environment of their pods.
    site.scene.create::<ConfigMap>(json!({"metadata": {"name": "clock"}, "data": {"SLIPWAY_CLOCK_STEP": "/clocks/agents"}})).await;
    let container = json!({
        "name": "task",
        "image": "slipway.test/busybox:1",
        "envFrom": [{"configMapRef": {"name": "clock"}}],
        "volumeMounts": [{"name": "clocks", "mountPath": "/clocks", "readOnly": true}],
    });
    let spec = json!({"containers": [container], "volumes": [{"name": "clocks", "hostPath": {"path": dir}}]});
    site.queue("q", json!({"podTemplate": {"spec": spec}})).await;
    site.glue("k8s", json!({"maxPods": 6})).await;
    site.throughout(&["k8s"]);
    let kinds: Vec<_> = (0..form.tasks).map(Kind::of).collect();
    let tasks: Vec<_> = kinds
        .iter()
        .map(|kind| {
            let body = kind.body(&mut dice);
            let task = if *kind == Kind::Limited { site.open_task("q", &body) } else { site.task("q", &body) };
            // Enough to say when it was told to end.
            kind.task(NewTask { grace_seconds: Some(10), ..task })
        })
        .collect();
    let ids = site.submit(&tasks).await;
    let kinds: BTreeMap<_, _> = ids.iter().copied().zip(kinds).collect();
    let (steps, _) = stepped(&site.world, &[&server, &glue, &agents], &mut dice).await;
    let judged = site.judged(&ids).await;
    let (mut outcome, lines) = (judged.outcome, site.recorder.lines());
    for task in &judged.tasks {
        outcome.broken.extend(wrong(task, kinds[&task.id], &lines));
    }
    let limits: Vec<_> = ids.iter().filter(|id| kinds[id] == Kind::Limited).filter_map(|id| ran(*id, &lines)).collect();
    eprintln!("{steps} steps; limits of {LIMIT} s, exact to {EXACT} s, came after {limits:.2?} s");
    set(&server, STEPS[4]);
    let told = site.world.client().await.health().await.expect("an answer").at.as_millisecond() - SystemClock.now().0;
    outcome.must(steps > 0 && told > STEPS[3], || format!("after {steps} steps the server's clock is {told} ms ahead"));
    site.nothing_left(&mut outcome).await;
    outcome
}
