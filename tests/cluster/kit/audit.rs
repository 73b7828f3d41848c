//! What the API server recorded of each user's requests. Its log names users and objects, and holds no bodies.

use super::{scene::Scene, testbed::STATE};
use serde::Deserialize;
use std::{fs, path::Path};

/// A request as the API server recorded it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    pub(crate) user: User,
    #[serde(default)]
    pub(crate) object_ref: ObjectRef,
    pub(crate) response_status: Status,
    /// When it was answered.
    pub(crate) stage_timestamp: jiff::Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ObjectRef {
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) code: u16,
}

impl Request {
    /// Whether it changes something. To ask what one may do is a request to create, of which nothing is stored.
    pub(crate) fn writes(&self) -> bool {
        self.resource() != "selfsubjectaccessreviews"
            && matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// The task whose object it names.
    pub(crate) fn task(&self) -> Option<i64> {
        task_of(&self.object_ref.name)
    }

    /// Whether it is about what an API group serves, or asks what it does.
    pub(crate) fn is_about(&self, group: &str) -> bool {
        self.uri.split(['/', '?']).any(|part| part == group)
    }

    /// Whether it was made only to be refused: the groups of such kinds say so, and so does the name of a glue from which rights
    /// are taken.
    pub(crate) fn is_to_be_refused(&self) -> bool {
        self.uri.contains(".refused.slipway.test/") || self.user.username.ends_with(":glue-clipped")
    }

    /// The resource in the words of a Role: `pods/log`.
    pub(crate) fn resource(&self) -> String {
        let ObjectRef { resource, subresource, .. } = &self.object_ref;
        if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") }
    }
}

/// The task of an object by its name: `slw-<instance>-<task>-a<n>`, with a suffix where it is a pod.
pub(crate) fn task_of(name: &str) -> Option<i64> {
    let parts: Vec<_> = name.split('-').skip(2).collect();
    let of = |pair: &[&str]| pair[1].strip_prefix('a')?.parse::<u32>().ok().and(pair[0].parse().ok());
    parts.windows(2).find_map(of)
}

/// The audit log as it stands.
pub(crate) fn text() -> String {
    fs::read_to_string(Path::new(STATE).join("audit.log")).expect("the audit log")
}

/// All requests of glues, of this run and of the kept cluster's earlier ones.
pub(crate) fn of_glues() -> Vec<Request> {
    requests(|user| user.starts_with("system:serviceaccount:") && user.contains(":glue-"))
}

/// The requests of a scene's glue.
pub(crate) fn of_glue(scene: &Scene, name: &str) -> Vec<Request> {
    of_account(scene, &format!("glue-{name}"))
}

/// The requests of a service account in a scene's namespace.
pub(crate) fn of_account(scene: &Scene, account: &str) -> Vec<Request> {
    let of = format!("system:serviceaccount:{}:{account}", scene.namespace);
    requests(|user| user == of)
}

fn requests(of: impl Fn(&str) -> bool) -> Vec<Request> {
    // The last line may be half written.
    text().lines().filter_map(|line| serde_json::from_str::<Request>(line).ok()).filter(|request| of(&request.user.username)).collect()
}
