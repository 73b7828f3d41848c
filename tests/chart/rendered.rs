//! The objects of every scenario.

use crate::{
    fields::Fields,
    helm::{CHART, Helm, called, objects},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// Kinds whose API documents are not Kubernetes' own.
const FOREIGN: [&str; 5] = ["HTTPRoute", "ServiceMonitor", "PodMonitor", "PrometheusRule", "Route"];
/// Kinds without a namespace.
const EVERYWHERE: [&str; 2] = ["ClusterRole", "ClusterRoleBinding"];

/// Both versions take a file with strict linting and render the same of it, and twice the same: nothing is made up.
pub(crate) fn both_helms_render_alike(helm: &Helm, name: &str) {
    let file = format!("{CHART}/ci/{name}-values.yaml");
    for version in ["3", "4"] {
        let (taken, said) = helm.ask(version, &["lint", "--strict", CHART, "-f", &file]);
        assert!(taken, "{said}");
    }
    let first = helm.text("4", name, &[]);
    assert_eq!(helm.text("4", name, &[]), first);
    assert_eq!(objects(&first), helm.objects("3", name, &[]));
}

/// What is rendered, less what every object has, is what was rendered when somebody last looked.
pub(crate) fn it_renders_what_it_did(helm: &Helm, name: &str) {
    let mut text = String::new();
    for mut object in helm.objects("4", name, &[]) {
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            labels.retain(|key, _| !key.starts_with("app.kubernetes.io/") && key != "helm.sh/chart");
        }
        if let Some(sum) = object.pointer_mut("/spec/template/metadata/annotations/checksum~1config") {
            *sum = "SUM".into();
        }
        text += &["--- ", &called(&object), "\n", &serde_yaml::to_string(&object).expect("YAML")].concat();
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/snapshots"));
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Every field is one that each minor from 1.28 to 1.36 knows, of its kind, and none is missing.
pub(crate) fn every_minor_knows_its_fields(helm: &Helm, name: &str) {
    let fields = Fields::of(include_str!("../data/chart-fields.json"));
    assert_eq!(fields.minors, (28..=36).collect::<Vec<_>>());
    for object in helm.objects("4", name, &[]) {
        let kind = object["kind"].as_str().unwrap_or_default();
        if !FOREIGN.contains(&kind) {
            assert_eq!(fields.of_all(&object, kind), BTreeSet::new(), "{}", called(&object));
        }
    }
}

/// What needs a newer Kubernetes is rendered where it is asked for, and known there.
pub(crate) fn fields_of_later_minors_are_taken(helm: &Helm, _: &str) {
    let fields = Fields::of(include_str!("../data/chart-fields.json"));
    let all = helm.objects("4", "minimal", &["--set", "server.service.trafficDistribution=PreferClose"]);
    let service = all.iter().find(|object| object["kind"] == "Service").expect("a Service");
    let found = fields.of_all(service, "Service");
    let in_minors: Vec<_> = found.iter().map(|fault| fault.split(':').next().unwrap_or_default()).collect();
    assert_eq!(in_minors, ["1.28", "1.29"], "{found:?}");
}

/// Every object of the chart says its namespace and bears the six labels; pods are restricted and get no token that they do not use.
pub(crate) fn every_object_is_ours(helm: &Helm, name: &str) {
    let all = helm.objects("4", name, &[]);
    let (mut selectors, mut names) = (BTreeSet::new(), BTreeSet::new());
    for object in &all {
        assert!(names.insert(called(object)), "{} is there twice", called(object));
        let labels = &object["metadata"]["labels"];
        // Objects of the values themselves are as they say.
        if labels["helm.sh/chart"].is_null() {
            continue;
        }
        for label in ["name", "instance", "component", "version", "managed-by"] {
            assert!(labels[format!("app.kubernetes.io/{label}")].is_string(), "{}: {label}", called(object));
        }
        let everywhere = EVERYWHERE.contains(&object["kind"].as_str().unwrap_or_default());
        assert_eq!(object["metadata"]["namespace"].is_null(), everywhere, "{}", called(object));
        let pod = if ["Deployment", "StatefulSet"].contains(&object["kind"].as_str().unwrap_or_default()) {
            let selector = &object["spec"]["selector"]["matchLabels"];
            assert_eq!(selector.as_object().map(serde_json::Map::len), Some(3), "{selector}");
            assert!(selectors.insert(selector.to_string()), "{selector} selects two workloads");
            &object["spec"]["template"]["spec"]
        } else if object["kind"] == "Pod" {
            &object["spec"]
        } else {
            continue;
        };
        assert_eq!(pod["securityContext"]["runAsNonRoot"], json!(true));
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let own = &pod["containers"][0];
        assert_eq!(own["securityContext"]["allowPrivilegeEscalation"], json!(false));
        assert_eq!(own["securityContext"]["readOnlyRootFilesystem"], json!(true));
        assert_eq!(own["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        assert!(!own["image"].as_str().unwrap_or_default().ends_with("latest"), "{own}");
    }
    let text = serde_json::to_string(&all).expect("JSON");
    assert!(!text.contains("\"clusterroles\"") && !text.contains("\"*\""), "{text}");
}

/// A switch that is off leaves nothing behind.
pub(crate) fn what_is_off_is_absent(helm: &Helm, _: &str) {
    let kinds = |more: &[&str]| -> BTreeSet<String> {
        let all = helm.objects("4", "minimal", more);
        all.iter().filter_map(|object| object["kind"].as_str().map(str::to_owned)).collect()
    };
    let least = kinds(&[]);
    let always = ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Pod", "Role", "RoleBinding", "Service", "ServiceAccount"];
    assert_eq!(least, always.map(str::to_owned).into());
    for (switch, kind) in [
        ("server.ingress.enabled=true,server.ingress.host=a.b", "Ingress"),
        ("server.httpRoute.enabled=true,server.httpRoute.parentRefs[0].name=a", "HTTPRoute"),
        ("server.serviceMonitor.enabled=true,server.serviceMonitor.existingSecret=a", "ServiceMonitor"),
        ("glue.podMonitor.enabled=true", "PodMonitor"),
        ("prometheusRule.enabled=true", "PrometheusRule"),
        ("networkPolicy.enabled=true", "NetworkPolicy"),
        ("glue.replicas=2", "PodDisruptionBudget"),
        ("glue.readNodes=true", "ClusterRole"),
    ] {
        let more: BTreeSet<_> = kinds(&["--set", switch]).difference(&least).cloned().collect();
        assert!(more.contains(kind) && more.iter().all(|other| other == kind || other == "ClusterRoleBinding"), "{switch}: {more:?}");
    }
    assert!(!kinds(&["--set", "server.persistence.enabled=false"]).contains("PersistentVolumeClaim"));
    let shared = "server.database.existingSecret=a,server.adminToken.existingSecret=b,server.blobs.url=s3://c";
    let several = kinds(&["--set", &format!("{shared},server.replicas=2")]);
    assert!(several.contains("PodDisruptionBudget") && !several.contains("PersistentVolumeClaim"), "{several:?}");
    let one = kinds(&["--set", shared]);
    assert!(one.contains("StatefulSet") && !one.contains("PodDisruptionBudget"), "{one:?}");
    // Without a place for bytes they lie on the volume of the one server.
    assert!(kinds(&["--set", "server.database.existingSecret=a"]).contains("PersistentVolumeClaim"));
    let alone = kinds(&["--set", "server.enabled=false,glue.serverUrl=http://a", "--set-json", "queues=null"]);
    assert!(!alone.contains("Service") && !alone.contains("Pod") && alone.contains("Deployment"), "{alone:?}");
    let dashboard = helm.objects("4", "minimal", &["--set", "dashboard.enabled=true"]);
    assert!(dashboard.iter().any(|object| object["data"]["slipway.json"].is_string()));
    let chart: Value = serde_yaml::from_str(&fs::read_to_string(format!("{CHART}/Chart.yaml")).expect("the chart")).expect("YAML");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
