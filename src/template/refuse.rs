//! What no user may bring into a pod, at any depth of whatever it is that they bring. A queue's template may have all of it.

use super::{Fault, pointer::below};
use serde_json::Value;

/// Fields that must not be there at all.
const PRESENT: [&str; 3] = ["securityContext", "hostPath", "serviceAccountToken"];
/// Fields that must not be there unless they say no.
const TRUTHY: [&str; 7] =
    ["hostPID", "hostIPC", "hostNetwork", "shareProcessNamespace", "hostUsers", "automountServiceAccountToken", "hostPort"];
/// Fields that must not name anything.
const NAMES: [&str; 2] = ["serviceAccountName", "serviceAccount"];

/// Everything in a user's document that only an admin's template may have; the pointers lead into it.
#[must_use]
pub fn refused(document: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    if document.is_object() {
        walk("", document, &mut found);
    } else {
        found.push(Fault::new("", "not a map"));
    }
    found
}

fn walk(at: &str, value: &Value, found: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let at = below(at, key);
                if let Some(why) = wrong(key, value) {
                    found.push(Fault::new(at.clone(), format!("{key}: {why}; only the queue's template can have it")));
                }
                walk(&at, value, found);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| walk(&below(at, i), item, found)),
        _ => {}
    }
}

fn wrong(key: &str, value: &Value) -> Option<&'static str> {
    let text = value.as_str().unwrap_or_default();
    if PRESENT.contains(&key) {
        Some("no task may bring it")
    } else if TRUTHY.contains(&key) && truthy(value) {
        Some("no task may ask for it")
    } else if NAMES.contains(&key) && !value.is_null() && value != "" {
        Some("no task may name it")
    } else if key == "mountPropagation" && text == "Bidirectional" {
        Some("Bidirectional reaches the host")
    } else if (key.contains("apparmor") || key.contains("seccomp")) && text.contains("unconfined") {
        Some("no task may be unconfined")
    } else {
        None
    }
}

/// Whether a value says yes, or is none that says no.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Golden case G9, and the rest of the list.
    #[test]
    fn what_users_bring_is_searched_to_the_bottom() {
        for (document, pointer) in [
            (json!({"containers": [{"securityContext": {"runAsUser": 0}}]}), "/containers/0/securityContext"),
            (json!({"securityContext": null}), "/securityContext"),
            (json!({"spec": {"serviceAccountName": "admin"}}), "/spec/serviceAccountName"),
            (json!({"serviceAccount": "admin"}), "/serviceAccount"),
            (json!({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}), "/volumes/0/hostPath"),
            (json!({"sources": [{"serviceAccountToken": {}}]}), "/sources/0/serviceAccountToken"),
            (json!({"hostNetwork": true}), "/hostNetwork"),
            (json!({"hostNetwork": "false"}), "/hostNetwork"),
            (json!({"ports": [{"hostPort": 80}]}), "/ports/0/hostPort"),
            (
                json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/x": "unconfined"}}}),
                "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1x",
            ),
            (json!({"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}), "/seccomp.security.alpha.kubernetes.io~1pod"),
            (json!({"config": {"kind": "Pod", "spec": {"hostPID": true}}}), "/config/spec/hostPID"),
            (json!({"hostIPC": 1}), "/hostIPC"),
            (json!({"shareProcessNamespace": true}), "/shareProcessNamespace"),
            (json!({"hostUsers": true}), "/hostUsers"),
            (json!({"automountServiceAccountToken": true}), "/automountServiceAccountToken"),
            (json!({"volumeMounts": [{"mountPropagation": "Bidirectional"}]}), "/volumeMounts/0/mountPropagation"),
            (json!(["hostPID"]), ""),
        ] {
            let found = refused(&document);
            assert_eq!(found.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), [pointer], "{document}");
        }
        for fine in [
            json!({"hostPID": false, "hostPort": 0, "serviceAccountName": "", "hostUsers": null}),
            json!({"mountPropagation": "HostToContainer", "annotations": {"apparmor": "runtime/default", "note": "unconfined"}}),
        ] {
            assert_eq!(refused(&fine), [], "{fine}");
        }
    }

    proptest! {
        #[test]
        fn no_depth_hides_it(path in prop::collection::vec(prop_oneof![Just(None), "[a-z]{1,4}".prop_map(Some)], 0..40)) {
            let mut document = json!({"hostPath": {"path": "/"}});
            for step in path {
                document = step.map_or_else(|| json!([{}, document]), |key| json!({key: document}));
            }
            prop_assert_eq!(refused(&json!({"x": document})).len(), 1);
        }
    }
}
