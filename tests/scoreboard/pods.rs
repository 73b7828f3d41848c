//! The processes of pods, as the node has them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the node keeps the cgroups of pods, by the version of cgroups.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/pids/kubepods"];

/// The command lines of the living processes of a pod, those in its cgroup; a zombie is none. No other process is looked at: while one pod
/// has thousands, whoever counts them all takes the machine from those that are watched.
pub(crate) fn in_pod(uid: &str) -> Vec<String> {
    let root = ROOTS.iter().map(Path::new).find(|root| root.exists()).expect("the cgroups of pods");
    let mut groups = Vec::new();
    below(root, uid, &mut groups);
    let pids: Vec<_> = groups.iter().filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok()).collect();
    let line = |pid: &str| {
        let args = fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
        let line = args.split(|b| *b == 0).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ").trim_end().to_owned();
        Some(line).filter(|line| !line.is_empty())
    };
    pids.iter().flat_map(|pids| pids.lines()).filter_map(line).collect()
}

/// The cgroups of a pod: that which is named after it, and all below.
fn below(dir: &Path, uid: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let path = entry.path();
        if path.to_string_lossy().contains(uid) {
            found.push(path.clone());
        }
        below(&path, uid, found);
    }
}
