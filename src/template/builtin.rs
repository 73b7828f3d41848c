//! The weakest layer: a pod that passes Pod Security "restricted" and reaches nothing of the cluster, where nobody says
//! otherwise.

use serde_json::{Value, json};

/// The user and group of a task, of its files and of the agent: the one that distroless images call `nonroot`.
pub(super) const NOBODY: i64 = 65_532;

/// What every pod begins with.
pub(super) fn pod() -> Value {
    json!({"spec": {
        "automountServiceAccountToken": false,
        "containers": [],
        "restartPolicy": "Never",
        "securityContext": {
            "fsGroup": NOBODY,
            // A volume of many files is not walked through at every start.
            "fsGroupChangePolicy": "OnRootMismatch",
            "runAsGroup": NOBODY,
            "runAsNonRoot": true,
            "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }})
}

/// What every container begins with.
pub(super) fn container() -> Value {
    json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}})
}

/// Takes back the one default that Kubernetes refuses beside what another layer set.
pub(super) fn yield_to_privilege(container: &mut Value) {
    let context = &container["securityContext"];
    let mut added = context["capabilities"]["add"].as_array().into_iter().flatten();
    let privileged = context["privileged"] == true || added.any(|capability| capability == "CAP_SYS_ADMIN");
    if let Some(fields) = container["securityContext"].as_object_mut().filter(|_| privileged) {
        fields.remove("allowPrivilegeEscalation");
    }
}
