//! How the lists of a pod are merged, by the name of the field.

/// How a stronger layer's list meets a weaker one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Items with the same value of this field are merged, others added.
    By(&'static str),
    /// Items are added unless an equal one is there.
    Added,
    /// The whole list is replaced.
    Replaced,
}

/// The rule for a field. What the merge of `k8s_openapi` does, and ours for tolerations.
pub(super) fn list(field: &str) -> List {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims"
        | "schedulingGates"
        | "evictionResponders"
        | "claims" => List::By("name"),
        "volumeMounts" => List::By("mountPath"),
        "volumeDevices" => List::By("devicePath"),
        "hostAliases" => List::By("ip"),
        "ports" => List::By("containerPort"),
        "topologySpreadConstraints" => List::By("topologyKey"),
        "tolerations" => List::Added,
        _ => List::Replaced,
    }
}
