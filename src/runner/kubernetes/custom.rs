//! The calls to the API server about objects of kinds that are found by discovery.

use super::{
    cluster::{Cluster, Failed, only},
    facts::SeenJob,
    object::{Kind, read},
};
use crate::domain::evidence::{ApiRefusal, NOT_SERVED};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
    discovery::{self, Scope},
};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The kinds that were found.
pub(super) type Kinds = Mutex<HashMap<Kind, ApiResource>>;

/// Whether a refusal means that no object of the kind can be made here, whatever it says: the kind is not served, or the
/// right to create it is missing.
pub(super) fn never(refusal: &ApiRefusal) -> bool {
    let missing = refusal.status == 403 && refusal.message.contains("cannot ") && refusal.message.contains("resource \"");
    refusal.reason == NOT_SERVED || missing
}

impl Cluster {
    /// How the API server calls a kind. What was found is kept until a call says that it is not so any more.
    ///
    /// # Errors
    /// [`Failed::Refused`] with status 404 where it serves no such kind in namespaces.
    pub(super) async fn resource(&self, kind: &Kind) -> Result<ApiResource, Failed> {
        if let Some(known) = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(kind) {
            return Ok(known.clone());
        }
        let refused = |message: String| {
            let (verb, resource) = ("discover".to_owned(), kind.to_string());
            Failed::Refused(ApiRefusal { verb, resource, status: 404, reason: NOT_SERVED.to_owned(), message })
        };
        let gvk = kind.gvk();
        let missing = || refused(format!("The API server serves no {kind}: install what brings this kind"));
        let found = self.read("get", "discovery", discovery::pinned_kind(&self.client, &gvk)).await;
        let (resource, capabilities) = match found {
            Ok(found) => found,
            Err(Failed::Refused(refusal)) if refusal.status == 404 => return Err(missing()),
            Err(Failed::Later(why)) if why.contains("Missing") => return Err(missing()),
            Err(failed) => return Err(failed),
        };
        if capabilities.scope != Scope::Namespaced {
            return Err(refused(format!("{kind} stands in no namespace")));
        }
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.clone(), resource.clone());
        Ok(resource)
    }

    fn forget(&self, kind: &Kind) {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).remove(kind);
    }

    fn custom(&self, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, resource)
    }

    /// Creates an object as it is written, an unknown field being a refusal; or asks whether it would be taken.
    pub(super) async fn create_object(&self, kind: &Kind, namespace: &str, object: &Value, dry_run: bool) -> Result<Value, Failed> {
        let resource = self.resource(kind).await?;
        let broken = |error: &dyn std::fmt::Display| Failed::Later(format!("cannot make the request: {error}"));
        let bytes = serde_json::to_vec(object).map_err(|e| broken(&e))?;
        let params = PostParams { dry_run, ..PostParams::default() };
        let request = kube::core::Request::new(DynamicObject::url_path(&resource, Some(namespace)));
        let mut request = request.create(&params, bytes).map_err(|e| broken(&e))?;
        *request.uri_mut() = format!("{}&fieldValidation=Strict", request.uri()).parse().map_err(|e| broken(&e))?;
        let made = self.write("create", "objects", self.client.request::<Value>(request)).await;
        self.said(kind, &resource, made)
    }

    /// The object of this name.
    pub(super) async fn object(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<SeenJob>, Failed> {
        let resource = self.resource(kind).await?;
        let found = self.read("get", "objects", self.custom(&resource, namespace).get_opt(name)).await;
        let found = self.said(kind, &resource, found)?;
        let found = found.and_then(|object| read(kind, &serde_json::to_value(object).ok()?));
        if let Some(object) = &found {
            self.kin.know(object);
        }
        Ok(found)
    }

    /// The metadata of an object of any kind.
    pub(super) async fn meta(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, Failed> {
        let resource = self.resource(kind).await?;
        let found = self.read("get", "objects", self.custom(&resource, namespace).get_metadata_opt(name)).await;
        Ok(self.said(kind, &resource, found)?.map(|object| object.metadata))
    }

    /// Objects by label.
    pub(super) async fn objects(&self, kind: &Kind, namespace: &str, labels: &str) -> Result<Vec<SeenJob>, Failed> {
        let resource = self.resource(kind).await?;
        let list = ListParams::default().labels(labels);
        let found = self.read("list", "objects", self.custom(&resource, namespace).list(&list)).await;
        let found = self.said(kind, &resource, found)?;
        let found: Vec<_> = found.items.into_iter().filter_map(|object| read(kind, &serde_json::to_value(object).ok()?)).collect();
        for object in &found {
            self.kin.know(object);
        }
        Ok(found)
    }

    /// Deletes an object with what it owns, and only the one with this UID.
    pub(super) async fn delete_object(&self, kind: &Kind, namespace: &str, name: &str, uid: &str) -> Result<(), Failed> {
        let resource = self.resource(kind).await?;
        let deleted = self.write("delete", "objects", self.custom(&resource, namespace).delete(name, &only(uid))).await;
        self.said(kind, &resource, deleted).map(drop)
    }

    /// Names the resource in a refusal, and forgets what discovery found where that is not so any more.
    fn said<T>(&self, kind: &Kind, resource: &ApiResource, answer: Result<T, Failed>) -> Result<T, Failed> {
        answer.map_err(|failed| match failed {
            Failed::Refused(refusal) => {
                // An object that is not there has a name in its answer, a path that is not there has none.
                if refusal.status == 404 && refusal.reason != "NotFound" {
                    self.forget(kind);
                }
                Failed::Refused(ApiRefusal { resource: resource.plural.clone(), ..refusal })
            }
            later @ Failed::Later(_) => later,
        })
    }
}
