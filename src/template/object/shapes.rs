//! The kinds whose pods have no pod template of the usual shape in the object: Argo's `Workflow`, whose templates are containers
//! and scripts (<https://argo-workflows.readthedocs.io/en/latest/fields/#template>), and Kubeflow's `TrainJob`, whose pods come from a
//! runtime of the cluster and are changed by `spec.trainer`.

use super::{LABEL_ROLE, introduce as tell, label, restrict_container, restrict_pod};
use crate::{
    domain::{ObjectKind, pod},
    template::{Injection, pointer::below},
};
use serde_json::Value;

fn kind(object: &Value) -> Option<ObjectKind> {
    ObjectKind::of(object["apiVersion"].as_str()?, object["kind"].as_str()?)
}

/// Where the templates of a `Workflow` stand that run containers, each with its containers.
fn templates(object: &Value) -> Vec<(String, Vec<String>)> {
    let all = object["spec"]["templates"].as_array().into_iter().flatten().enumerate();
    let containers = |(i, template): (usize, &Value)| {
        let at = below("/spec/templates", i);
        let single = ["container", "script"].into_iter().filter(|field| template[field].is_object()).map(|field| below(&at, field));
        let set = template["containerSet"]["containers"].as_array().into_iter().flatten().enumerate();
        let found: Vec<String> = single.chain(set.map(|(j, _)| below(&format!("{at}/containerSet/containers"), j))).collect();
        (!found.is_empty()).then_some((at, found))
    };
    all.filter_map(containers).collect()
}

/// What is changed in such an object: the maps, and the containers.
pub(super) fn places(object: &Value) -> (Vec<String>, Vec<String>) {
    let with_labels = |at: &str| [at.to_owned(), format!("{at}/labels")];
    match kind(object) {
        Some(ObjectKind::Workflow) => {
            let mut maps = vec!["/spec/securityContext".to_owned()];
            maps.extend(with_labels("/spec/podMetadata"));
            let (templates, containers): (Vec<_>, Vec<_>) = templates(object).into_iter().unzip();
            maps.extend(templates.iter().flat_map(|at| with_labels(&format!("{at}/metadata"))));
            (maps, containers.concat())
        }
        Some(ObjectKind::TrainJob) => {
            let entries = object["spec"]["podTemplateOverrides"].as_array().map_or(0, Vec::len);
            let entry = |i| {
                let at = below("/spec/podTemplateOverrides", i);
                std::iter::once(at.clone()).chain(with_labels(&format!("{at}/metadata")))
            };
            ((0..entries).flat_map(entry).collect(), vec!["/spec/trainer".to_owned()])
        }
        _ => (Vec::new(), Vec::new()),
    }
}

/// Changes every container.
pub(super) fn each_container(object: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match kind(object) {
        Some(ObjectKind::Workflow) => {
            for at in templates(object).into_iter().flat_map(|(_, containers)| containers) {
                object.pointer_mut(&at).into_iter().for_each(&mut *change);
            }
        }
        Some(ObjectKind::TrainJob) => change(&mut object["spec"]["trainer"]),
        _ => {}
    }
}

/// Whether a container that names no image gets one elsewhere: from the runtime.
pub(super) fn has_images(object: &Value) -> bool {
    kind(object) == Some(ObjectKind::TrainJob)
}

/// What passes Pod Security "restricted". The pods of a `Workflow` report to the API server by themselves, so they keep their
/// token; those of a `TrainJob` are the runtime's.
pub(super) fn restrict(object: &mut Value) {
    if kind(object) == Some(ObjectKind::Workflow) {
        restrict_pod(&mut object["spec"]);
        each_container(object, &mut restrict_container);
    }
}

/// The labels of the attempt, and who and what it is.
pub(super) fn introduce(object: &mut Value, injection: &Injection<'_>) {
    match kind(object) {
        Some(ObjectKind::Workflow) => {
            label(&mut object["spec"]["podMetadata"], injection);
            for (at, containers) in templates(object) {
                let role = object.pointer(&at).and_then(|template| pod::sanitised(template["name"].as_str()?));
                if let (Some(role), Some(template)) = (&role, object.pointer_mut(&at)) {
                    template["metadata"]["labels"][LABEL_ROLE] = role.as_str().into();
                }
                for container in containers {
                    object.pointer_mut(&container).into_iter().for_each(|one| tell(one, injection, role.as_deref(), None));
                }
            }
        }
        Some(ObjectKind::TrainJob) => {
            tell(&mut object["spec"]["trainer"], injection, None, None);
            // The one place where a TrainJob says something of its pods' labels.
            for entry in object["spec"]["podTemplateOverrides"].as_array_mut().into_iter().flatten() {
                label(&mut entry["metadata"], injection);
                if let Some(role) = entry["targetJobs"][0]["name"].as_str().and_then(pod::sanitised) {
                    entry["metadata"]["labels"][LABEL_ROLE] = role.into();
                }
            }
        }
        _ => {}
    }
}
