//! How often the kernel has killed for want of memory in the cgroup of this process.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The count of one cgroup. Both versions of cgroups keep it under the same name in different files.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    file: Option<PathBuf>,
}

impl Counter {
    /// That of this process's own cgroup; one that cannot be found never counts.
    pub(super) fn own() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let file = counter(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        if file.is_none() {
            tracing::info!("no cgroup of this process can be found; kills for want of memory will look like others");
        }
        Self { file }
    }

    /// The kills so far.
    pub(super) fn read(&self) -> u64 {
        self.file.as_ref().and_then(|file| count(&fs::read_to_string(file).ok()?)).unwrap_or(0)
    }
}

/// Whether kills that happened while the command ran explain its end.
///
/// A container is the command's own. On a machine others may share the cgroup: there only a command that was itself
/// ended by SIGKILL, or says so as shells do, is believed to be the victim.
pub(super) fn explains(kills: u64, alone: bool, exit_code: Option<i32>, signal: Option<i32>) -> bool {
    let killed = signal == Some(9) || exit_code == Some(137);
    kills > 0 && exit_code != Some(0) && (alone || killed)
}

/// The file with the count, from `/proc/self/cgroup` and `/proc/self/mountinfo`.
///
/// A mount may show a part of the hierarchy only: its root is then the container's cgroup, or the mount point stands for
/// whatever cgroup the namespace begins at.
fn counter(cgroup: &str, mountinfo: &str) -> Option<PathBuf> {
    let entries = || cgroup.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let version_1 = entries().find(|(controllers, _)| controllers.split(',').any(|c| c == "memory"));
    // With both mounted, the memory controller can belong to one of them only.
    let (kind, path, file) = match version_1 {
        Some((_, path)) => ("cgroup", path, "memory.oom_control"),
        None => ("cgroup2", entries().find(|(controllers, _)| controllers.is_empty())?.1, "memory.events"),
    };
    let (root, point) = mountinfo.lines().find_map(|line| mount(line, kind))?;
    let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
    Some(Path::new(point).join(below).join(file))
}

/// Root and mount point of a line of mountinfo, where it is of the kind wanted; of version 1, the memory controller's.
fn mount<'a>(line: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let mut filesystem = filesystem.split(' ');
    let wanted = filesystem.next() == Some(kind) && (kind == "cgroup2" || filesystem.nth(1)?.split(',').any(|option| option == "memory"));
    wanted.then_some((mount.next()?, mount.next()?))
}

/// The number in `memory.events` or `memory.oom_control`.
fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests;
