//! Pod Security "restricted", as far as a Job of ours can break it.

use serde_json::{Value, json};

/// What the volumes of a restricted pod may be.
const VOLUMES: [&str; 8] = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What keeps the pod of a Job from passing.
pub(super) fn broken(job: &Value) -> Vec<String> {
    let spec = &job["spec"]["template"]["spec"];
    let pod = &spec["securityContext"];
    let mut found = Vec::new();
    for host in ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|host| spec[host] == true) {
        found.push(host.to_owned());
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        for kind in volume.as_object().unwrap().keys().filter(|kind| *kind != "name" && !VOLUMES.contains(&kind.as_str())) {
            found.push(format!("volume {kind}"));
        }
    }
    let containers = ["containers", "initContainers"].iter().flat_map(|field| spec[field].as_array().into_iter().flatten());
    for container in containers {
        let own = &container["securityContext"];
        let effective = |field: &str| own.get(field).unwrap_or(&pod[field]).clone();
        let added = own["capabilities"]["add"].as_array().cloned().unwrap_or_default();
        for (fine, rule) in [
            (own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation"),
            (own["capabilities"]["drop"].as_array().is_some_and(|drop| drop.contains(&json!("ALL"))), "capabilities.drop"),
            (added.iter().all(|capability| capability == "NET_BIND_SERVICE"), "capabilities.add"),
            (own["privileged"] != true, "privileged"),
            (effective("runAsNonRoot") == true, "runAsNonRoot"),
            (effective("runAsUser") != 0, "runAsUser"),
            (["RuntimeDefault", "Localhost"].iter().any(|kind| effective("seccompProfile")["type"] == **kind), "seccompProfile"),
            (container["ports"].as_array().into_iter().flatten().all(|port| port.get("hostPort").is_none()), "hostPort"),
        ] {
            if !fine {
                found.push(format!("{}: {rule}", container["name"].as_str().unwrap_or_default()));
            }
        }
    }
    found
}
