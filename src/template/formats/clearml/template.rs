//! `templateOverrides` over `basePodTemplate`: flat keys that become a `podTemplate`.

use super::{Common, files};
use crate::template::{
    Values,
    fields::fields,
    formats::{
        literal::keep,
        near::{at_key, unknown, wrong},
        note::{Level, Note},
        pod::Pod,
        source::{Entry, Kind, Node},
    },
    pointer::below,
};
use serde_json::Value;

/// What a block makes.
pub(super) struct Made {
    pub(super) template: Option<Value>,
    /// The image of the flat key `image`.
    pub(super) image: Option<String>,
}

/// What the macros of ClearML's own templates begin with.
const OWN_MACROS: &str = "CLEARML_TASK.";
/// Flat keys whose name is not that of a field of the pod.
pub(super) const OWN: [&str; 9] = [
    "labels",
    "annotations",
    "podSecurityContext",
    "containerSecurityContext",
    "env",
    "fileMounts",
    "extraVolumes",
    "extraVolumeMounts",
    "image",
];

/// The template of a queue: each key from its overrides, or from the base.
pub(super) fn read(common: &Common<'_>, overrides: Option<&Node>, block: &Node, notes: &mut Vec<Note>) -> Made {
    let over: Vec<&Entry> = said(overrides).collect();
    let inherited = said(common.base).filter(|entry| over.iter().all(|other| other.key != entry.key));
    let mut pod = Pod::new(overrides.unwrap_or(block));
    let mut made = Made { template: None, image: None };
    let mut mounts = None;
    for entry in inherited.chain(over.iter().copied()) {
        if let Err(note) = take(entry.clone(), &mut pod, &mut made, &mut mounts) {
            notes.push(note);
        }
    }
    for (entry, base) in over.iter().filter_map(|entry| Some((*entry, common.base?.get(&entry.key)?))) {
        notes.extend(dropped(entry, base));
    }
    // What is appended comes after what the keys say, in whatever order they stand.
    let appended =
        |key: &str| over.iter().copied().chain(said(common.base)).find(|entry| entry.key == key).map(|entry| entry.value.clone());
    for (key, field, in_container) in [("extraVolumes", "volumes", false), ("extraVolumeMounts", "volumeMounts", true)] {
        if let Some(items) = appended(key) {
            pod.append(in_container, field, items);
        }
    }
    if let Some(mounts) = &mounts {
        files::mount(mounts, &mut pod, notes);
    }
    if !common.pull_secrets.is_empty() {
        let list = common.pull_secrets[0].here(Kind::List(common.pull_secrets.clone()));
        pod.append(false, "imagePullSecrets", list);
    }
    if let Some(account) = common.service_account.filter(|_| pod.of_spec("serviceAccountName").is_none()) {
        let entry = Entry { key: "serviceAccountName".into(), at: account.at, value: account.clone() };
        notes.extend(pod.spec(entry).err());
    }
    tidy(&mut pod, notes);
    made.template = pod.finish(&Values::new(), notes);
    made
}

/// The keys that say something.
fn said(block: Option<&Node>) -> impl Iterator<Item = &Entry> {
    block.into_iter().flat_map(Node::entries).filter(|entry| !entry.value.is_empty())
}

/// Puts a flat key where it belongs. What it replaces as a whole in weaker layers is noted; a security context is laid
/// over the built-in one, without which no pod would pass Pod Security "restricted".
fn take(mut entry: Entry, pod: &mut Pod, made: &mut Made, mounts: &mut Option<Node>) -> Result<(), Note> {
    let whole = matches!(entry.value.kind, Kind::Map(_) | Kind::List(_));
    let replaces = |pod: &mut Pod, pointer: String| {
        if whole {
            pod.remove.push(pointer);
        }
    };
    match entry.key.as_str() {
        "extraVolumes" | "extraVolumeMounts" if !matches!(entry.value.kind, Kind::List(_)) => Err(wrong(&entry.value, "a list")),
        "extraVolumes" | "extraVolumeMounts" => Ok(()),
        "fileMounts" => {
            *mounts = Some(entry.value);
            Ok(())
        }
        "image" => match entry.value.text() {
            Some(image) => {
                made.image = Some(image.to_owned());
                Ok(())
            }
            None => Err(wrong(&entry.value, "the name of an image")),
        },
        field @ ("labels" | "annotations") => {
            replaces(pod, format!("/metadata/{field}"));
            pod.metadata(entry)
        }
        field @ ("resources" | "volumeMounts" | "env") => {
            replaces(pod, format!("/spec/containers/0/{field}"));
            pod.container(entry)
        }
        "podSecurityContext" | "securityContext" => {
            entry.key = "securityContext".into();
            pod.spec(entry)
        }
        "containerSecurityContext" => {
            entry.key = "securityContext".into();
            pod.container(entry)
        }
        "containers" => pod.spec(entry),
        field if fields(&["spec"]).contains(&field) => {
            replaces(pod, below("/spec", field));
            pod.spec(entry)
        }
        "spec" | "metadata" | "podTemplate" => {
            Err(at_key(Level::Error, &entry, "unknown key")
                .fix("its fields stand here by themselves: nodeSelector, tolerations, resources, …"))
        }
        field if fields(&["spec", "containers", "0"]).contains(&field) => {
            let fix = format!("it is a field of a container: containers: [{{{field}: …}}]");
            Err(at_key(Level::Error, &entry, "unknown key").fix(fix))
        }
        _ => Err(unknown(&entry, fields(&["spec"]).iter().copied().chain(OWN))),
    }
}

/// What an override leaves out of the base, because it counts as a whole.
fn dropped(entry: &Entry, base: &Node) -> Option<Note> {
    let mut lost = Vec::new();
    for below in base.entries() {
        match entry.value.get(&below.key) {
            None if below.value.is_map() => lost.extend(below.value.entries().iter().map(|leaf| format!("{}.{}", below.key, leaf.key))),
            None => lost.push(below.key.clone()),
            Some(over) => {
                let gone = below.value.entries().iter().filter(|leaf| over.get(&leaf.key).is_none());
                lost.extend(gone.map(|leaf| format!("{}.{}", below.key, leaf.key)));
            }
        }
    }
    let message = format!("it replaces basePodTemplate.{} as a whole, without {}", entry.key, lost.join(", "));
    (!lost.is_empty()).then(|| at_key(Level::Warning, entry, message).fix("repeat here what should stay"))
}

/// Makes what ClearML takes into what Kubernetes takes.
fn tidy(pod: &mut Pod, notes: &mut Vec<Note>) {
    if let Some(Kind::List(env)) = pod.of_container("env").map(|env| &mut env.kind) {
        let mut kept: Vec<Node> = Vec::new();
        for variable in std::mem::take(env) {
            let name = variable.get("name").and_then(Node::text).map(str::to_owned);
            if let Some(first) = kept.iter().position(|known| name.is_some() && known.get("name").and_then(Node::text) == name.as_deref()) {
                let message = format!("{} comes twice; this one counts", name.unwrap_or_default());
                notes.push(Note::on(Level::Warning, &variable, message));
                kept.remove(first);
            }
            kept.push(variable);
        }
        *env = kept;
    }
    if let Some(context) = pod.of_spec("securityContext") {
        allow_root(context, notes);
    }
    if let Some(context) = pod.of_container("securityContext") {
        allow_root(context, notes);
    }
    for part in pod.parts() {
        part.each_text(&mut |text| {
            keep(text, |inside| inside.starts_with(OWN_MACROS));
        });
    }
}

/// Who asks for root gets it: the built-in layer would forbid it otherwise.
fn allow_root(context: &mut Node, notes: &mut Vec<Note>) {
    let Some(user) = context.get("runAsUser").filter(|user| user.json() == 0).cloned() else { return };
    if let Kind::Map(entries) = &mut context.kind
        && entries.iter().all(|entry| entry.key != "runAsNonRoot")
    {
        notes.push(Note::on(Level::Info, &user, "it runs as root, so runAsNonRoot is false"));
        entries.push(Entry { key: "runAsNonRoot".into(), at: user.at, value: user.here(Kind::Bool(false)) });
    }
}
