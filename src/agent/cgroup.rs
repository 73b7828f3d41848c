//! Where the cgroup of this process shows its files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The directory of this process's cgroup; of version 1, in the hierarchy of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// Whether it is of version 2.
    pub(super) unified: bool,
    pub(super) dir: PathBuf,
    /// Where the hierarchy is mounted; nothing can be seen above.
    pub(super) top: PathBuf,
}

impl Home {
    /// Where `controller` counts this process.
    pub(super) fn own(controller: &str) -> Option<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::find(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"), controller)
    }

    /// The same from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
    ///
    /// A mount may show a part of the hierarchy only: its root is then the container's cgroup, or the mount point stands for
    /// whatever cgroup the namespace begins at.
    pub(super) fn find(cgroup: &str, mountinfo: &str, controller: &str) -> Option<Self> {
        let entries = || cgroup.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        let version_1 = entries().find(|(controllers, _)| controllers.split(',').any(|c| c == controller));
        // With both mounted, a controller can belong to one of them only.
        let (unified, path) = match version_1 {
            Some((_, path)) => (false, path),
            None => (true, entries().find(|(controllers, _)| controllers.is_empty())?.1),
        };
        let (root, top) = mountinfo.lines().find_map(|line| mount(line, (!unified).then_some(controller)))?;
        let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        Some(Self { unified, dir: Path::new(top).join(below), top: top.into() })
    }

    /// The directory and those above it, as far as they are shown.
    pub(super) fn and_above(&self) -> impl Iterator<Item = &Path> {
        self.dir.ancestors().take_while(|dir| dir.starts_with(&self.top))
    }

    /// Whether it is the machine's own, which counts everybody. The kernel shows some files everywhere but there, or there
    /// alone.
    pub(super) fn is_machines(&self) -> bool {
        if self.unified { !self.dir.join("cgroup.events").exists() } else { self.dir.join("release_agent").exists() }
    }
}

/// Root and mount point of a line of mountinfo, where it is one of cgroups: of the controller in version 1, else of version 2.
fn mount<'a>(line: &'a str, controller: Option<&str>) -> Option<(&'a str, &'a str)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let mut filesystem = filesystem.split(' ');
    let wanted = match (filesystem.next()?, controller) {
        ("cgroup2", None) => true,
        ("cgroup", Some(controller)) => filesystem.nth(1)?.split(',').any(|option| option == controller),
        _ => false,
    };
    wanted.then_some((mount.next()?, mount.next()?))
}

#[cfg(test)]
mod tests;
