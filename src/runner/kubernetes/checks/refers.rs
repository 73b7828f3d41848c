//! What a pod refers to by name, and only its node would miss. Pure.

use serde_json::Value;

/// What kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Claim,
    ConfigMap,
    Secret,
    /// A Secret with which images are pulled: the node goes on without it.
    PullSecret,
}

/// One name that must be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// Where it stands, from the pod template on.
    pub(super) at: String,
}

/// The most names of one pod that are looked for.
const MAX_NAMES: usize = 100;

/// The objects that a pod template refers to, each where it is named first; without those that may be missing (`optional`).
pub(super) fn references(template: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    let spec = &template["spec"];
    for (i, volume) in list(&spec["volumes"]) {
        let at = format!("/spec/volumes/{i}");
        named(&mut found, Kind::Claim, &volume["persistentVolumeClaim"], "claimName", &format!("{at}/persistentVolumeClaim"));
        named(&mut found, Kind::ConfigMap, &volume["configMap"], "name", &format!("{at}/configMap"));
        named(&mut found, Kind::Secret, &volume["secret"], "secretName", &format!("{at}/secret"));
        for (j, source) in list(&volume["projected"]["sources"]) {
            let at = format!("{at}/projected/sources/{j}");
            named(&mut found, Kind::ConfigMap, &source["configMap"], "name", &format!("{at}/configMap"));
            named(&mut found, Kind::Secret, &source["secret"], "name", &format!("{at}/secret"));
        }
    }
    for field in ["containers", "initContainers"] {
        for (i, container) in list(&spec[field]) {
            let at = format!("/spec/{field}/{i}");
            for (j, source) in list(&container["envFrom"]) {
                named(&mut found, Kind::ConfigMap, &source["configMapRef"], "name", &format!("{at}/envFrom/{j}/configMapRef"));
                named(&mut found, Kind::Secret, &source["secretRef"], "name", &format!("{at}/envFrom/{j}/secretRef"));
            }
            for (j, variable) in list(&container["env"]) {
                let from = &variable["valueFrom"];
                let at = format!("{at}/env/{j}/valueFrom");
                named(&mut found, Kind::ConfigMap, &from["configMapKeyRef"], "name", &format!("{at}/configMapKeyRef"));
                named(&mut found, Kind::Secret, &from["secretKeyRef"], "name", &format!("{at}/secretKeyRef"));
            }
        }
    }
    for (i, secret) in list(&spec["imagePullSecrets"]) {
        named(&mut found, Kind::PullSecret, secret, "name", &format!("/spec/imagePullSecrets/{i}"));
    }
    found.truncate(MAX_NAMES);
    found
}

fn list(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

fn named(found: &mut Vec<Reference>, kind: Kind, source: &Value, field: &str, at: &str) {
    let Some(name) = source[field].as_str().filter(|name| !name.is_empty() && source["optional"] != true) else { return };
    if !found.iter().any(|known| known.kind == kind && known.name == name) {
        found.push(Reference { kind, name: name.to_owned(), at: format!("{at}/{field}") });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_name_an_object_is_known() {
        let template = json!({"spec": {
            "volumes": [
                {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "b", "configMap": {"name": "conf"}},
                {"name": "c", "secret": {"secretName": "key"}},
                {"name": "d", "projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "cert"}}, {"secret": {"name": "may", "optional": true}}]}},
                {"name": "e", "emptyDir": {}},
            ],
            "containers": [{
                "envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "env", "optional": false}}],
                "env": [
                    {"name": "A", "value": "x"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "var", "key": "k"}}},
                    {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "may", "key": "k", "optional": true}}},
                ],
            }],
            "initContainers": [{"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "init", "key": "k"}}}]}],
            "imagePullSecrets": [{"name": "registry"}],
        }});
        let told: Vec<String> =
            references(&template).into_iter().map(|found| format!("{:?} {} {}", found.kind, found.name, found.at)).collect();
        insta::assert_snapshot!(told.join("\n"));
        assert_eq!(references(&json!({})), []);
    }
}
