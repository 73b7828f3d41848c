//! What the glue may do in a namespace of its Jobs: one table, from which the Role is made. Nothing
//! cluster-wide, but to read the nodes where that is asked for.

use serde_json::{Value, json};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// The API group; empty is the core.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// What is done with it.
    pub verbs: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

/// Everything that the glue asks of an API server.
pub const RIGHTS: &[Right] = &[
    Right {
        group: "batch",
        resource: "jobs",
        verbs: &["get", "list", "watch", "create", "delete"],
        why: "one Job for each attempt; a live look before each deletion",
    },
    Right {
        group: "",
        resource: "pods",
        verbs: &["get", "list", "watch", "delete"],
        why: "what became of each attempt; pods that somebody left without their Job",
    },
    Right {
        group: "",
        resource: "pods/log",
        verbs: &["get"],
        why: "the end of the log where no agent spoke; the log of attempts without an agent",
    },
    Right {
        group: "",
        resource: "secrets",
        verbs: &["get", "create", "patch", "delete"],
        why: "one Secret for each attempt, with its right to start; never listed",
    },
    Right { group: "", resource: "events", verbs: &["list"], why: "why a Job has no pod, or a pod no place" },
];

/// What it asks for besides where it asks its cluster about queues (`checkQueues`). Whoever may create Jobs in a namespace has
/// all of this by their pods: what a Job's pod may be, and what stands in the objects that it mounts.
pub const CHECKS: &[Right] = &[
    Right { group: "", resource: "pods", verbs: &["create"], why: "by dry run: what only pods meet" },
    Right { group: "", resource: "persistentvolumeclaims", verbs: &["get"], why: "whether those that a queue names are there" },
    Right { group: "", resource: "configmaps", verbs: &["get"], why: "whether those that a queue names are there; never their data" },
];

/// What it asks for besides where it tells the nodes (`readNodes`); of the whole cluster.
pub const NODES: Right = Right { group: "", resource: "nodes", verbs: &["list", "watch"], why: "which queues' pods ever fit" };

/// One verb that the glue needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need<'a> {
    /// Where; none is the whole cluster.
    pub namespace: Option<&'a str>,
    /// The API group; empty is the core.
    pub group: &'static str,
    /// On what.
    pub resource: &'static str,
    /// To do what.
    pub verb: &'static str,
    /// What for.
    pub why: &'static str,
}

/// Every verb that a glue needs for its Jobs in `namespaces`; `checks` whether it asks about queues, `nodes` whether it tells the
/// nodes. Without the kinds of objects that queues name in place of Jobs: of those each claim says what cannot be made.
#[must_use]
pub fn needs(namespaces: &[String], checks: bool, nodes: bool) -> Vec<Need<'_>> {
    let verbs = |right: &Right, namespace| {
        let Right { group, resource, verbs, why } = *right;
        verbs.iter().map(move |verb| Need { namespace, group, resource, verb, why })
    };
    let rows = || RIGHTS.iter().chain(CHECKS.iter().filter(move |_| checks));
    let in_namespaces = namespaces.iter().flat_map(|namespace| rows().flat_map(move |right| verbs(right, Some(namespace.as_str()))));
    in_namespaces.chain([NODES].iter().filter(|_| nodes).flat_map(|right| verbs(right, None))).collect()
}

/// The names of cluster-wide objects carry the account's namespace, because two installations may share a cluster.
#[must_use]
pub fn node_objects(name: &str, account_namespace: &str) -> Vec<Value> {
    let whole = format!("{name}-nodes-{account_namespace}");
    let meta = json!({"name": whole, "labels": {"app.kubernetes.io/name": "slipway", "app.kubernetes.io/component": "glue"}});
    vec![
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": meta,
            "rules": [{"apiGroups": [NODES.group], "resources": [NODES.resource], "verbs": NODES.verbs}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": whole},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": account_namespace}],
        }),
    ]
}

/// What the glue does with the objects that carry attempts in place of Jobs, of each kind that a queue names. They are
/// listed again and again, never watched.
pub const OBJECT_VERBS: [&str; 4] = ["get", "list", "create", "delete"];

/// Service account, Role and binding for the Jobs of one namespace; the account may stand in another. `kinds` are the
/// resources of objects in place of Jobs, as `pytorchjobs.kubeflow.org`; `checks` whether it may ask about queues.
#[must_use]
pub fn objects(name: &str, namespace: &str, account_namespace: &str, kinds: &[String], checks: bool) -> Vec<Value> {
    let custom = |kind: &String| {
        let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
        json!({"apiGroups": [group], "resources": [resource], "verbs": OBJECT_VERBS})
    };
    let rule = |right: &Right| json!({"apiGroups": [right.group], "resources": [right.resource], "verbs": right.verbs});
    let meta = |namespace: &str| json!({"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": "slipway", "app.kubernetes.io/component": "glue"}});
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(account_namespace)}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": meta(namespace),
            "rules": RIGHTS.iter().chain(CHECKS.iter().filter(|_| checks)).map(rule).chain(kinds.iter().map(custom)).collect::<Vec<_>>(),
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": meta(namespace),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": account_namespace}],
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rights_are_few_and_none_lists_secrets() {
        assert!(
            RIGHTS
                .iter()
                .chain(CHECKS)
                .all(|right| right.resource != "secrets" || !right.verbs.iter().any(|verb| matches!(*verb, "list" | "watch")))
        );
        assert!(RIGHTS.iter().chain(CHECKS).all(|right| !right.verbs.contains(&"*") && !right.why.is_empty()));
        insta::assert_json_snapshot!(objects("slipway-glue", "research", "slipway", &["pytorchjobs.kubeflow.org".to_owned()], false));
        insta::assert_json_snapshot!(
            "the_rights_to_ask_about_queues",
            objects("slipway-glue", "research", "slipway", &[], true)[1]["rules"]
        );
        insta::assert_json_snapshot!("the_right_to_read_nodes", node_objects("slipway-glue", "slipway"));
    }
}
