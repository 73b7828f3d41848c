//! The processes of pods, as the node has them.

use std::fs;

/// The command lines of the living processes of a pod, those in its cgroup; a zombie is none.
pub(crate) fn in_pod(uid: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        if !fs::read_to_string(entry.path().join("cgroup")).is_ok_and(|groups| groups.contains(uid)) {
            continue;
        }
        let args = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = args.split(|b| *b == 0).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ").trim_end().to_owned();
        lines.extend(Some(line).filter(|line| !line.is_empty()));
    }
    lines
}
