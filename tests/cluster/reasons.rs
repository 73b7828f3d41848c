//! Why a task does not start, in situations made for real: each is told by its code and class, with a next step, within ten seconds
//! of the cluster's own word; and none is unknown at any moment.

use crate::{
    kit::{Recorder, Scene, Webhook, World, plain_queue, registry::Registry, task, tests},
    support::eventually,
};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration,
    core::v1::{LimitRange, PersistentVolumeClaim, Pod, ResourceQuota},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use reqwest::Method;
use serde_json::{Value, json};
use slipway::{
    app::ambient::SystemClock,
    domain::{Clock, pod::LABEL_TASK},
    wire::{
        Reason::{
            self, AdmissionWebhookDenied, ArrayThrottle, BudgetExhausted, DependencyNotMet, ImageNotFound, ImagePullAuth, InsufficientGpu,
            LimitRangeViolation, MigProfileNotAdvertised, NeverFits, NoNodeMatchesSelector, NoRunnerForQueue, ObjectInvalid,
            PodSecurityViolation, PriorityClassMissing, QueueConcurrencyLimit, QueuePaused, RegistryUnreachable, ResourceQuotaExceeded,
            RunnerAtCapacity, RunnerForbidden, RuntimeClassMissing, ScheduledLater, SecretOrConfigMissing, ServiceAccountMissing,
            UntoleratedTaint, UserLimit, VolumeUnbound,
        },
        ReasonClass::{self, Change, Escalate, Wait},
        TaskId, Why, timestamp,
    },
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::sleep;

// It plays nodes and makes rules for the whole cluster.
tests!(Exclusive: every_situation_is_told_for_what_it_is);

/// How long after the cluster, or for what is ours after the submit.
const SOON: SignedDuration = SignedDuration::from_secs(10);
/// How long a reason is waited for.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// A task in a situation: its queue's name, which is the situation's, and what is to be told of it.
type Case = (&'static str, TaskId, Reason, ReasonClass);

/// What was seen of a task, since it was looked at.
#[derive(Default)]
struct Seen {
    /// Every code that was ever told.
    codes: BTreeSet<Reason>,
    /// When the cluster was first seen to know.
    known: Option<Timestamp>,
    /// How long it had known when the right reason was first told.
    after: Option<SignedDuration>,
    /// What was told then, and until then what was told last.
    why: Option<Why>,
}

/// The situations that a pod template makes in the scene's own namespace.
fn templates(full: &str, registry: &Registry, private: &Registry) -> Vec<(&'static str, Value, Reason, ReasonClass)> {
    let with = |container: Value| json!({"containers": [container]});
    let limits = |limits: Value| with(json!({"resources": {"limits": limits}}));
    let image = |at: String| with(json!({"name": "task", "image": at}));
    let volume = |of: Value| json!({"volumes": [of]});
    // What no container mounts is no matter to the kubelet.
    let mounted = |of: Value| {
        let mount = json!({"name": of["name"], "mountPath": "/mnt"});
        json!({"volumes": [of], "containers": [{"volumeMounts": [mount]}]})
    };
    let key = json!({"secretKeyRef": {"name": "nowhere", "key": "token"}});
    vec![
        ("selector", json!({"nodeSelector": {"slipway.test/pool": "none"}}), NoNodeMatchesSelector, Change),
        ("taint", json!({"nodeSelector": {"type": "kwok"}}), UntoleratedTaint, Change),
        ("mig-unknown", limits(json!({"nvidia.com/mig-7g.80gb": 1})), MigProfileNotAdvertised, Escalate),
        ("gpu-full", limits(json!({full: 1})), InsufficientGpu, Wait),
        ("large", with(json!({"resources": {"requests": {"cpu": "4000"}}})), NeverFits, Change),
        ("open", json!({"hostNetwork": true}), PodSecurityViolation, Escalate),
        ("image", image(format!("{}/team/train:1", registry.address)), ImageNotFound, Change),
        ("pull", image(format!("{}/team/train:1", private.address)), ImagePullAuth, Escalate),
        ("unreachable", image("127.0.0.1:1/team/train:1".to_owned()), RegistryUnreachable, Escalate),
        ("secret", with(json!({"env": [{"name": "T", "valueFrom": key}]})), SecretOrConfigMissing, Escalate),
        ("config", mounted(json!({"name": "conf", "configMap": {"name": "nowhere"}})), SecretOrConfigMissing, Escalate),
        ("account", json!({"serviceAccountName": "nobody"}), ServiceAccountMissing, Escalate),
        ("priority", json!({"priorityClassName": "nowhere"}), PriorityClassMissing, Escalate),
        ("runtime", json!({"runtimeClassName": "nowhere"}), RuntimeClassMissing, Escalate),
        ("claim", volume(json!({"name": "data", "persistentVolumeClaim": {"claimName": "unbound"}})), VolumeUnbound, Escalate),
        ("no-claim", volume(json!({"name": "data", "persistentVolumeClaim": {"claimName": "nowhere"}})), VolumeUnbound, Escalate),
        ("illegal", json!({"nodeSelector": {"kubernetes.io/hostname": "no legal value!"}}), ObjectInvalid, Change),
    ]
}

fn now() -> Timestamp {
    timestamp(SystemClock.now())
}

/// A namespace of the scene by its last word.
fn beside(scene: &Scene, word: &str) -> String {
    format!("{}-{word}", scene.namespace)
}

fn queue_of(pod_template: &Value) -> Value {
    json!({"defaults": {"image": "slipway.test/busybox:1"}, "podTemplate": pod_template})
}

/// What namespaces and rules refuse: quota used up, quota too small, bounds, webhook.
async fn forbid(scene: &Scene, world: &World) -> (Webhook, Vec<(&'static str, Reason, ReasonClass)>) {
    let quota = async |namespace: &str, pods: &str| {
        let quota: ResourceQuota =
            serde_json::from_value(json!({"metadata": {"name": "pods"}, "spec": {"hard": {"pods": pods}}})).expect("a quota");
        let quotas: Api<ResourceQuota> = Api::namespaced(scene.client(), namespace);
        quotas.create(&PostParams::default(), &quota).await.expect("the quota is created");
        let counted = async || quotas.get("pods").await.ok()?.status?.hard.map(drop);
        eventually("the quota to count", counted).await;
    };
    let container = json!({"resources": {"limits": {"cpu": "2"}}});
    for (queue, spec) in [("quota-used", json!({})), ("quota-small", json!({})), ("bounds", json!({"containers": [container]}))] {
        scene.make_namespace(&beside(scene, queue), json!({})).await;
        world.queue(queue, queue_of(&json!({"metadata": {"namespace": beside(scene, queue)}, "spec": spec}))).await;
    }
    let pod = json!({"metadata": {"name": "other"}, "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "a", "image": "a"}]}});
    let pods: Api<Pod> = Api::namespaced(scene.client(), &beside(scene, "quota-used"));
    let pod = serde_json::from_value(pod).expect("a pod");
    // A namespace is ready for pods once it has its service account.
    eventually("a pod of somebody else's", async || pods.create(&PostParams::default(), &pod).await.ok()).await;
    quota(&beside(scene, "quota-used"), "1").await;
    quota(&beside(scene, "quota-small"), "0").await;
    let bounds = json!({"metadata": {"name": "bounds"}, "spec": {"limits": [
        {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "10m"}},
    ]}});
    let bounds: LimitRange = serde_json::from_value(bounds).expect("bounds");
    let api: Api<LimitRange> = Api::namespaced(scene.client(), &beside(scene, "bounds"));
    api.create(&PostParams::default(), &bounds).await.expect("the bounds are created");

    let webhook = Webhook::refusing("no cost centre is named").await;
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    let hook = json!({"metadata": {"name": scene.namespace}, "webhooks": [{
        "name": "costs.slipway.test", "clientConfig": webhook.client_config, "rules": [rule], "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}},
        "objectSelector": {"matchLabels": {"slipway.dev/queue": "webhook"}},
    }]});
    let hook: ValidatingWebhookConfiguration = serde_json::from_value(hook).expect("a webhook");
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(scene.client());
    hooks.create(&PostParams::default(), &hook).await.expect("the webhook is created");
    world.queue("webhook", plain_queue()).await;
    let cases = vec![
        ("quota-used", ResourceQuotaExceeded, Wait),
        ("quota-small", ResourceQuotaExceeded, Escalate),
        ("bounds", LimitRangeViolation, Change),
        ("webhook", AdmissionWebhookDenied, Escalate),
    ];
    (webhook, cases)
}

/// What the server itself holds back: each queue has one task that runs, and the next is told why it does not.
async fn held_back(world: &World, recorder: &Recorder) -> Vec<Case> {
    let queue = |more: Value| {
        let mut queue = plain_queue();
        queue.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        queue
    };
    let said = world.slipway(&["budget", "set", "pool", "--resource", "weight", "--max", "1"]);
    assert_eq!(said.0, Some(0), "{}", said.1);
    world.queue("one-each", queue(json!({"limits": {"maxRunningPerUser": 1}}))).await;
    world.queue("one", queue(json!({"limits": {"maxRunning": 1}}))).await;
    world.queue("budgeted", queue(json!({"budgets": {"pool": {}}}))).await;
    world.queue("free", plain_queue()).await;
    let labels = json!({"slipway.dev/weight": "1"});
    let submit = async |queue: &str, more: Value| {
        let mut new = json!({"queue": queue, "script": recorder.script("note wait"), "labels": labels});
        new.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        world.submit(&task(new)).await
    };
    let mut cases = Vec::new();
    let mut first = None;
    for (queue, reason) in [("one-each", UserLimit), ("one", QueueConcurrencyLimit), ("budgeted", BudgetExhausted)] {
        let runs = submit(queue, json!({})).await;
        first.get_or_insert(runs);
        eventually(&format!("the first task of {queue} to run"), async || recorder.has(runs, "wait").then_some(())).await;
        cases.push((queue, submit(queue, json!({})).await, reason, Wait));
    }
    let after = json!({"dependsOn": {"afterSuccess": [first]}});
    cases.push(("free", submit("free", after).await, DependencyNotMet, Wait));
    cases.push(("free", submit("free", json!({"notBefore": now() + SignedDuration::from_hours(1)})).await, ScheduledLater, Wait));
    let array = submit("free", json!({"array": {"size": 3, "maxParallel": 1}})).await;
    // Its elements have the ids after its own.
    cases.push(("free", TaskId(array.0 + 2), ArrayThrottle, Wait));
    world.queue("paused", plain_queue()).await;
    let said = world.slipway(&["queue", "pause", "paused", "--reason", "driver update"]);
    assert_eq!(said.0, Some(0), "{}", said.1);
    cases.push(("paused", submit("paused", json!({})).await, QueuePaused, Wait));
    cases
}

/// Submits a task that runs until the recorder's sign.
async fn hold(world: &World, recorder: &Recorder, queue: &str) -> TaskId {
    world.submit(&task(json!({"queue": queue, "script": recorder.script("note wait")}))).await
}

/// Looks at each task until its reason has been told; what was seen of each.
async fn watched(world: &World, cases: &[Case]) -> Vec<Seen> {
    let client = world.client().await;
    let mut all: Vec<Seen> = cases.iter().map(|_| Seen::default()).collect();
    let began = now();
    while all.iter().any(|seen| seen.after.is_none()) && now().duration_since(began) < PATIENCE {
        let (stuck, seen_at) = (stuck(world).await, now());
        for ((_, id, code, _), seen) in cases.iter().zip(&mut all).filter(|(_, seen)| seen.after.is_none()) {
            seen.known = seen.known.or_else(|| stuck.contains(id).then_some(seen_at));
            let Ok(why) = client.call(Method::GET, &format!("api/v1/tasks/{id}/why")).send::<Why>().await else { continue };
            seen.codes.extend(why.reasons.iter().map(|finding| finding.code));
            if let Some(finding) = why.reasons.iter().find(|finding| finding.code == *code && finding.blocking) {
                let known = seen.known.or_else(|| finding.evidence.iter().filter_map(|quote| quote.at).min()).unwrap_or(began);
                seen.after = Some(now().duration_since(known).max(SignedDuration::ZERO));
            }
            seen.why = Some(why);
        }
        sleep(Duration::from_millis(100)).await;
    }
    all
}

/// The tasks of which a pod has a container that the kubelet says it cannot start.
async fn stuck(world: &World) -> BTreeSet<TaskId> {
    let pods = world.scene.api::<Pod>().list(&ListParams::default()).await.into_iter().flatten();
    let waits = |pod: &Pod| {
        let status = pod.status.clone().unwrap_or_default();
        let all = [status.init_container_statuses, status.container_statuses];
        let reasons = all.into_iter().flatten().flatten().filter_map(|container| container.state?.waiting?.reason);
        reasons.into_iter().any(|reason| !["PodInitializing", "ContainerCreating"].contains(&reason.as_str()))
    };
    pods.filter(waits).filter_map(|pod| pod.metadata.labels?.get(LABEL_TASK)?.parse().ok()).collect()
}

/// What is told of a task, its blocking reasons first, without what differs from run to run.
fn told(seen: &Seen) -> Vec<(Reason, ReasonClass)> {
    let reasons = seen.why.iter().flat_map(|why| &why.reasons);
    reasons.filter(|finding| finding.blocking).map(|finding| (finding.code, finding.class)).collect()
}

async fn every_situation_is_told_for_what_it_is(scene: Arc<Scene>) {
    let (mut world, recorder) = (World::new(&scene).await, Recorder::start().await);
    scene.cluster.fake_nodes(1);
    let full = scene.slices(1).await;
    let claim = json!({"metadata": {"name": "unbound"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "nowhere",
        "resources": {"requests": {"storage": "1Gi"}}}});
    scene.create::<PersistentVolumeClaim>(claim).await;
    let registry = Registry::refusing(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN").await;
    let private = Registry::refusing(StatusCode::FORBIDDEN, "DENIED").await;
    let templates = templates(&full, &registry, &private);
    for (queue, spec, ..) in &templates {
        world.queue(queue, queue_of(&json!({"spec": spec}))).await;
    }
    let (_webhook, refused) = forbid(&scene, &world).await;
    for queue in ["mortal", "clipped"] {
        world.queue(queue, plain_queue()).await;
    }
    let held = ["one-each", "one", "budgeted", "free", "paused"];
    let queues: Vec<_> = templates.iter().map(|(queue, ..)| *queue).chain(refused.iter().map(|(queue, ..)| *queue)).chain(held).collect();
    let others = ["quota-used", "quota-small", "bounds"].map(|word| beside(&scene, word));
    let namespaces: Vec<_> = [scene.namespace.clone()].into_iter().chain(others).collect();
    world.glue("k8s", json!({"readNodes": true, "queues": queues, "namespaces": namespaces})).await;
    world.glue("mortal", json!({"queues": ["mortal"], "maxPods": 1})).await;
    world.glue("clipped", json!({"queues": ["clipped"]})).await;
    let role = Patch::<()>::Json(
        serde_json::from_value(json!([{"op": "replace", "path": "/rules", "value": clipped(&scene).await}])).expect("a patch"),
    );
    scene.api::<Role>().patch("glue-clipped", &PatchParams::default(), &role).await.expect("the role is changed");

    let mut cases = held_back(&world, &recorder).await;
    for queue in ["gpu-full", "mortal"] {
        let runs = hold(&world, &recorder, queue).await;
        eventually(&format!("the first task of {queue} to run"), async || recorder.has(runs, "wait").then_some(())).await;
    }
    let at_capacity = hold(&world, &recorder, "mortal").await;
    world.why(at_capacity, RunnerAtCapacity).await;
    world.kill("mortal");
    cases.push(("mortal", at_capacity, NoRunnerForQueue, Escalate));
    cases.push(("clipped", hold(&world, &recorder, "clipped").await, RunnerForbidden, Escalate));
    for (queue, _, code, class) in &templates {
        cases.push((queue, hold(&world, &recorder, queue).await, *code, *class));
    }
    for (queue, code, class) in refused {
        cases.push((queue, hold(&world, &recorder, queue).await, code, class));
    }

    let seen = watched(&world, &cases).await;
    let mut faults = Vec::new();
    for ((queue, id, code, class), seen) in cases.iter().zip(&seen) {
        let said = seen.why.as_ref().map(|why| serde_json::to_string(&why.reasons).expect("JSON")).unwrap_or_default();
        eprintln!("{queue:12} {code:24} {class:10} after {:.1}; all: {:?}", seen.after.unwrap_or(PATIENCE), seen.codes);
        if seen.after.is_none_or(|after| after > SOON) {
            faults.push(format!("{queue}, task {id}: {code} was told after {:?}: {said}", seen.after));
        }
        if told(seen) != [(*code, *class)] {
            faults.push(format!("{queue}, task {id}: {code} ({class}) is not all that blocks: {said}"));
        }
        let reasons = seen.why.iter().flat_map(|why| &why.reasons);
        if seen.codes.contains(&Reason::Unknown) || reasons.clone().any(|finding| finding.hint.is_none() || finding.evidence.is_empty()) {
            faults.push(format!("{queue}, task {id}: something is unknown, or without hint or evidence: {said}"));
        }
    }
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(scene.client());
    hooks.delete(&scene.namespace, &DeleteParams::default()).await.expect("the webhook is gone");
    let name = format!("glue-k8s-nodes-{}", scene.namespace);
    let gone = DeleteParams::default();
    Api::<ClusterRoleBinding>::all(scene.client()).delete(&name, &gone).await.expect("the binding is removed");
    Api::<ClusterRole>::all(scene.client()).delete(&name, &gone).await.expect("the role is removed");
    assert!(faults.is_empty(), "{} of {} situations:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

/// The rules of the glue's role without the right to create Jobs.
async fn clipped(scene: &Scene) -> Value {
    let mut rules = scene.api::<Role>().get("glue-clipped").await.expect("the role").rules.unwrap_or_default();
    for rule in rules.iter_mut().filter(|rule| rule.resources.iter().flatten().any(|resource| resource == "jobs")) {
        rule.verbs.retain(|verb| verb != "create");
    }
    json!(rules)
}
