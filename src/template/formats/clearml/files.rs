//! `fileMounts`: files that stand in the values themselves.
//!
//! A file becomes an annotation of the pod, which a `downwardAPI` volume shows at its path: no object beside the pod is
//! needed. What looks like a credential is not taken into a queue; its place is a Secret that somebody makes.

use crate::template::formats::{
    near::{unknown, wrong},
    note::{Level, Note},
    pod::Pod,
    source::{Kind, Node},
};

/// The volume of all files of a template.
const VOLUME: &str = "file-mounts";
/// What the annotations with files begin with.
const ANNOTATION: &str = "files.slipway.dev/";
const FIELDS: [&str; 3] = ["name", "folderPath", "fileContent"];
/// Kubernetes takes this much in all annotations of an object.
const MAX_BYTES: usize = 200 << 10;

/// Mounts each file after the mounts that are there.
pub(super) fn mount(mounts: &Node, pod: &mut Pod, notes: &mut Vec<Note>) {
    if !matches!(mounts.kind, Kind::List(_)) {
        notes.push(wrong(mounts, "a list of files"));
        return;
    }
    let (mut shown, mut mounted, mut secret, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (i, file) in mounts.items().iter().enumerate() {
        notes.extend(file.entries().iter().filter(|entry| !FIELDS.contains(&entry.key.as_str())).map(|entry| unknown(entry, FIELDS)));
        let field = |field: &str| file.get(field).and_then(Node::text);
        let (Some(name), Some(folder), Some(content)) = (field("name"), field("folderPath"), field("fileContent")) else {
            notes.push(Note::on(Level::Error, file, "a file is {name, folderPath, fileContent}, each a text"));
            continue;
        };
        if name.is_empty() || name.contains('/') || !folder.starts_with('/') {
            notes.push(Note::on(Level::Error, file, format!("{folder}/{name} is no path: folderPath begins with /, and name has none")));
            continue;
        }
        bytes += content.len();
        let path = format!("{}/{name}", folder.trim_end_matches('/'));
        let key = format!(
            "{i}-{}",
            name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect::<String>()
        );
        let key = key.chars().take(60).collect::<String>().trim_end_matches(['.', '_', '-']).to_owned();
        let text = |text: &str| file.text_here(text);
        if is_secret(name, content) {
            secret.push((file, key.clone(), path.clone()));
        } else {
            pod.mark("annotations", format!("{ANNOTATION}{key}"), text(content));
            let field = format!("metadata.annotations['{ANNOTATION}{key}']");
            let reference = file.map_here([("apiVersion", text("v1")), ("fieldPath", text(&field))]);
            shown.push(file.map_here([("path", text(&key)), ("fieldRef", reference)]));
        }
        let volume = if is_secret(name, content) { format!("{VOLUME}-secret") } else { VOLUME.to_owned() };
        mounted.push(file.map_here([
            ("name", text(&volume)),
            ("mountPath", text(&path)),
            ("subPath", text(&key)),
            ("readOnly", file.here(Kind::Bool(true))),
        ]));
    }
    if bytes > MAX_BYTES {
        let note = Note::on(Level::Error, mounts, format!("the files have {bytes} bytes, and a pod carries {MAX_BYTES} at most"));
        notes.push(note.fix("put them into a ConfigMap, and mount it by extraVolumes and extraVolumeMounts"));
    }
    if !shown.is_empty() {
        let source = mounts.map_here([("items", mounts.here(Kind::List(shown)))]);
        let volume = mounts.map_here([("name", mounts.text_here(VOLUME)), ("downwardAPI", source)]);
        pod.append(false, "volumes", mounts.here(Kind::List(vec![volume])));
    }
    if !secret.is_empty() {
        let files: Vec<String> =
            secret.iter().map(|(_, key, path)| format!("--from-file={key}={}", path.rsplit('/').next().unwrap_or(path))).collect();
        let first = secret[0].0;
        let note = Note::on(
            Level::Warning,
            first,
            "it looks like a credential, so the queue does not hold it; its pods wait for the Secret file-mounts",
        );
        notes.push(note.fix(format!("kubectl create secret generic file-mounts {}", files.join(" "))));
        let source = mounts.map_here([("secretName", mounts.text_here(VOLUME))]);
        let volume = mounts.map_here([("name", mounts.text_here(format!("{VOLUME}-secret"))), ("secret", source)]);
        pod.append(false, "volumes", mounts.here(Kind::List(vec![volume])));
    }
    if !mounted.is_empty() {
        pod.append(true, "volumeMounts", mounts.here(Kind::List(mounted)));
    }
}

/// Whether a file may hold a credential: by its name, or by what stands in it.
fn is_secret(name: &str, content: &str) -> bool {
    let (name, content) = (name.to_ascii_lowercase(), content.to_ascii_lowercase());
    let named = [".netrc", "netrc", ".git-credentials", "id_rsa", "id_ed25519", ".pem", ".key", ".pgpass"];
    let said = ["password", "passwd", "secret", "token", "api_key", "apikey", "access_key", "private key", "_auth", "credential"];
    // An address with a user and a password in it.
    let address = content.split("://").skip(1).any(|rest| rest.split(['/', ' ', '\n']).next().is_some_and(|host| host.contains('@')));
    named.iter().any(|end| name.ends_with(end)) || said.iter().any(|word| content.contains(word)) || address
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn a_credential_is_known_by_its_looks() {
        for (name, content, secret) in [
            ("pip.conf", "[global]\nindex-url = https://pypi.example.com/simple\n", false),
            ("pip.conf", "[global]\nindex-url = https://bot:x@pypi.example.com/simple\n", true),
            (".netrc", "machine a", true),
            ("app.ini", "Password = x", true),
            ("motd", "see https://example.com/a@b", false),
        ] {
            assert_eq!(is_secret(name, content), secret, "{name}: {content}");
        }
    }
}
