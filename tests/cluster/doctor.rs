//! `slipway doctor` over a glue with exactly the rights of its Role: nothing fails; and each verb that is taken from it is named.

use crate::{
    kit::{Scene, World, plain_queue, tests},
    support::eventually,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{fmt::Debug, sync::Arc};

tests!(Shared: nothing_fails_with_the_whole_role_and_each_verb_that_is_taken_is_named);

/// The lines of a report: check, whom it is about, verdict; and the exit code.
fn doctor(world: &World, more: &[&str]) -> (Option<i32>, Vec<[String; 3]>, String) {
    let (code, said) = world.slipway(&[&["doctor", "-o", "json"], more].concat());
    let report: Value = serde_json::from_str(&said).unwrap_or_default();
    let told = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let lines = report["checks"].as_array().into_iter().flatten();
    (code, lines.map(|line| ["check", "about", "verdict"].map(|field| told(line, field))).collect(), said)
}

/// What fails in a report, each with whom it is about.
fn failed(lines: &[[String; 3]]) -> Vec<String> {
    lines.iter().filter(|[.., verdict]| verdict == "fail").map(|[check, about, _]| format!("{check}: {about}")).collect()
}

/// The resource of a rule as the doctor names it.
fn named(rule: &PolicyRule) -> String {
    let first = |all: &Option<Vec<String>>| all.as_ref().and_then(|all| all.first()).cloned().unwrap_or_default();
    let (group, resource) = (first(&rule.api_groups), first(&rule.resources));
    if group.is_empty() { resource } else { format!("{resource}.{group}") }
}

/// Takes each verb from the rules of a role, one at a time, and sees that the doctor names it, and nothing else.
async fn take_each<K>(world: &World, api: &Api<K>, role: &str, whole: &[PolicyRule], place: &str) -> usize
where
    K: Serialize + DeserializeOwned + Clone + Debug,
{
    let put = async |rules: &[PolicyRule]| {
        let patch = Patch::Merge(json!({"rules": rules}));
        api.patch(role, &PatchParams::default(), &patch).await.expect("the role is changed");
    };
    let mut taken = 0;
    for (i, rule) in whole.iter().enumerate() {
        for verb in &rule.verbs {
            let mut rules = whole.to_vec();
            rules[i].verbs.retain(|kept| kept != verb);
            rules.retain(|rule| !rule.verbs.is_empty());
            put(&rules).await;
            let expected = format!("rights: {verb} {} {place}", named(rule));
            eventually(&format!("the doctor to say {expected}"), async || {
                let (code, lines, _) = doctor(world, &["--only", "rights"]);
                (code == Some(1) && failed(&lines) == [expected.clone()]).then_some(())
            })
            .await;
            taken += 1;
        }
    }
    put(whole).await;
    taken
}

async fn nothing_fails_with_the_whole_role_and_each_verb_that_is_taken_is_named(scene: Arc<Scene>) {
    let mut world = World::new(&scene).await;
    let with = |spec: Value| {
        let mut queue = plain_queue();
        queue["podTemplate"]["spec"] = spec;
        queue
    };
    world.queue("cpu", plain_queue()).await;
    // In a scene's namespace there is no Secret of this name, and no node has such slices.
    world.queue("pulled", with(json!({"imagePullSecrets": [{"name": "nowhere"}]}))).await;
    world.queue("sliced", with(json!({"containers": [{"resources": {"limits": {"nvidia.com/mig-7g.80gb": 1}}}]}))).await;
    world.queue("open", with(json!({"hostNetwork": true}))).await;
    world.glue("clipped", json!({"checkQueues": true, "readNodes": true})).await;

    // A queue with which all is well, its canary included.
    let (code, lines, said) = doctor(&world, &["--queue", "cpu", "--canary", "cpu"]);
    assert_eq!((code, failed(&lines)), (Some(0), Vec::new()), "{said}");
    for check in ["rights", "base-url", "queues", "security", "capacity", "large-body", "upload", "stream", "canary"] {
        assert!(lines.iter().any(|[of, _, verdict]| of == check && verdict == "ok"), "{check}: {said}");
    }
    // Queues with which it is not: each by its own check.
    let found = async || {
        let (code, lines, _) = doctor(&world, &["--only", "security,pull-secret,capacity"]);
        let warned = lines
            .iter()
            .any(|[check, about, verdict]| (check.as_str(), about.as_str(), verdict.as_str()) == ("pull-secret", "pulled", "warn"));
        let named = failed(&lines) == ["security: open", "capacity: sliced"];
        (code == Some(1) && warned && named).then_some(())
    };
    eventually("each queue to be judged by its check", found).await;

    let roles = scene.api::<Role>();
    let whole = roles.get("glue-clipped").await.expect("the role").rules.unwrap_or_default();
    let taken = take_each(&world, &roles, "glue-clipped", &whole, &format!("in {}", scene.namespace)).await;
    let of_cluster: Api<ClusterRole> = Api::all(scene.client());
    let name = format!("glue-clipped-nodes-{}", scene.namespace);
    let nodes = of_cluster.get(&name).await.expect("the role").rules.unwrap_or_default();
    let of_nodes = take_each(&world, &of_cluster, &name, &nodes, "in the whole cluster").await;
    let verbs = |rules: &[PolicyRule]| rules.iter().map(|rule| rule.verbs.len()).sum::<usize>();
    assert_eq!((taken, of_nodes), (verbs(&whole), verbs(&nodes)));
    assert!(taken >= 18 && of_nodes == 2, "{taken} and {of_nodes} verbs were taken");

    eventually("all rights to be there again", async || (doctor(&world, &["--only", "rights"]).0 == Some(0)).then_some(())).await;
    let log = world.said();
    for word in ["a right is missing", "every right that is needed is there"] {
        assert!(log.contains(word), "the glue's log says {word:?}");
    }
}
