//! Manifests of any kind, applied as an administrator would.

use crate::{Failure, ground::Ground, support::within};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};
use serde::Deserialize;
use std::{fs, path::Path, time::Duration};

/// A definition that was just made is served a moment later.
const SERVED: Duration = Duration::from_secs(30);

/// Applies every object of a file, in their order; `${NAME}` becomes the value of that name.
pub(crate) async fn apply(ground: &Ground, file: &Path, values: &[(&str, String)]) -> Result<(), Failure> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = values.iter().fold(text, |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    for document in serde_yaml::Deserializer::from_str(&text) {
        let object = Option::<DynamicObject>::deserialize(document).map_err(|error| format!("{}: {error}", file.display()))?;
        if let Some(object) = object {
            let what = format!("{} to take {} of {}", "the API server", object.name_any(), file.display());
            within(SERVED, &what, async || put(&ground.client(), &object).await).await;
        }
    }
    Ok(())
}

async fn put(client: &Client, object: &DynamicObject) -> Option<()> {
    let kind = GroupVersionKind::try_from(object.types.as_ref()?).ok()?;
    let (resource, capabilities) = pinned_kind(client, &kind).await.ok()?;
    let api: Api<DynamicObject> = match (&capabilities.scope, object.namespace()) {
        (Scope::Namespaced, namespace) => Api::namespaced_with(client.clone(), namespace.as_deref().unwrap_or("default"), &resource),
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    };
    let put = api.patch(&object.name_any(), &PatchParams::apply("slipway-bench").force(), &Patch::Apply(object)).await;
    put.map_err(|error| eprintln!("{}: {error}", object.name_any())).ok().map(drop)
}
