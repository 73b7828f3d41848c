//! The ready files: what they make is taken by an API server, as it is, and its pods pass Pod Security "restricted".

use crate::{
    kit::{PYTORCH, Scene, World, tests},
    support::eventually,
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use reqwest::Method;
use serde_json::{Value, json};
use slipway::template::pod_templates;
use std::{fs, path::Path, sync::Arc};

tests!(Shared: every_ready_file_makes_what_the_api_server_takes);

/// Beside the ready files, what stands for other products' files.
const EXAMPLES: [&str; 3] = ["examples/clearml-values.yaml", "examples/launch-pytorchjob.yaml", "examples/red-green-blue.yaml"];

/// Asks whether an object would be taken, every field of it known; answers why not.
async fn taken(scene: &Scene, path: &str, object: &Value) -> Result<(), String> {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let request = kube::core::Request::new(format!("{path}/namespaces/{}/{}", scene.namespace, plural(object)));
    let mut request = request.create(&params, serde_json::to_vec(object).expect("JSON")).expect("a request");
    *request.uri_mut() = format!("{}&fieldValidation=Strict", request.uri()).parse().expect("an address");
    scene.client().request::<Value>(request).await.map(drop).map_err(|error| error.to_string())
}

fn plural(object: &Value) -> String {
    format!("{}s", object["kind"].as_str().expect("a kind").to_lowercase())
}

/// The same for an object and for each pod that its controller would make: only pods meet admission by Pod Security.
async fn all_taken(scene: &Scene, object: &Value) -> Result<(), String> {
    taken(scene, &format!("/apis/{}", object["apiVersion"].as_str().expect("an API version")), object).await?;
    let templates = pod_templates(object);
    assert!(!templates.is_empty(), "{object}");
    for (nth, at) in templates.iter().enumerate() {
        let mut pod = object.pointer(at).cloned().expect("a pod template");
        (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
        pod["metadata"]["name"] = format!("pod-{nth}").into();
        taken(scene, "/api/v1", &pod).await.map_err(|why| format!("{at}: {why}"))?;
    }
    Ok(())
}

async fn every_ready_file_makes_what_the_api_server_takes(scene: Arc<Scene>) {
    PYTORCH.install(&scene).await;
    let world = World::with_glue(&scene).await;
    let ready = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).expect("the ready files");
    let mut files: Vec<_> = ready.map(|file| format!("templates/{}", file.expect("a file").file_name().display())).collect();
    files.sort();
    assert!(files.len() >= 13, "{files:?}");
    for file in files.iter().map(String::as_str).chain(EXAMPLES) {
        world.apply(file);
    }
    // Pods are refused for want of it until its controller has made it.
    eventually("the namespace's service account", async || scene.api::<ServiceAccount>().get_opt("default").await.ok()?).await;
    let client = world.client().await;
    let queues = client.queues().await.expect("the queues").items;
    assert!(queues.len() > files.len(), "{}", queues.len());
    let mut sample = None;
    for queue in queues {
        let name = queue.name.to_string();
        if queue.pod_template.is_none() && queue.gpu.is_none() && queue.object.is_none() {
            continue;
        }
        let mut new = json!({"name": "sample"});
        if queue.object.is_none() {
            new["command"] = json!(["true"]);
        }
        if !queue.allow.images.is_empty() {
            new["image"] = "img:1".into();
        }
        let path = format!("api/v1/queues/{name}/render");
        let answer: Value = client.call(Method::POST, &path).json(&json!({"task": new})).send().await.expect("an answer");
        let item = &answer["items"][0];
        assert_eq!(item["runner"], "k8s", "{name}: {answer}");
        let object = &item["manifest"];
        assert!(object.is_object(), "{name} is not rendered: {answer}");
        let taken = all_taken(&scene, object).await;
        assert_eq!(taken, Ok(()), "{name}: {object:#}");
        sample.get_or_insert_with(|| object.clone());
    }
    // And this API server does refuse what is wrong.
    let sample = sample.expect("a queue");
    let mut unknown = sample.clone();
    unknown["spec"]["template"]["spec"]["nodeSelectors"] = json!({});
    let why = all_taken(&scene, &unknown).await.expect_err("an unknown field");
    assert!(why.contains("nodeSelectors"), "{why}");
    let mut rooted = sample;
    rooted["spec"]["template"]["spec"]["containers"][0]["securityContext"]["runAsNonRoot"] = false.into();
    let why = all_taken(&scene, &rooted).await.expect_err("a pod that may run as root");
    assert!(why.contains("violates PodSecurity"), "{why}");
}
