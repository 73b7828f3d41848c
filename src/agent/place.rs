//! Where an attempt is carried: a directory on a machine, or a pod. Everything that differs between the two is decided
//! here or below, by one value.

use super::{Exit, environment, environment::Vars, log::Tee, raw};
use crate::{
    domain::pod,
    wire::{Assignment, CacheSource, handoff::files},
};
use nix::unistd::{AccessFlags, access, getuid};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where an attempt is carried.
#[derive(Clone, Debug)]
pub struct Place {
    /// The attempt's own directory: its lock, its spool, the command's directories.
    dir: PathBuf,
    assignment: PathBuf,
    pub(super) testament: PathBuf,
    /// Set in a pod.
    pod: Option<Pod>,
}

/// What a pod's agent learns from its container.
#[derive(Clone, Debug)]
pub struct Pod {
    /// The root that the paths of [`pod`] begin at: `/`, or a test's directory.
    pub root: PathBuf,
    /// The pod's UID; empty where the container does not say.
    pub uid: String,
    /// The directory that the container was started in.
    pub cwd: PathBuf,
}

impl Place {
    /// The directory `dir` of a process runner; it is the attempt's alone.
    #[must_use]
    pub fn directory(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), assignment: dir.join(files::ASSIGNMENT), testament: dir.join(files::RESULT), pod: None }
    }

    /// A pod, which is the attempt's alone, with the mounts that the glue gave it.
    #[must_use]
    pub fn pod(pod: Pod) -> Self {
        let at = |path: &str| pod.root.join(path.trim_start_matches('/'));
        Self {
            dir: at(pod::WORK_DIR),
            assignment: at(pod::START_DIR).join(files::ASSIGNMENT),
            testament: at(pod::TERMINATION_LOG),
            pod: Some(pod),
        }
    }

    /// Something in the attempt's directory ([`files`]).
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where things are kept from task to task: as the queue says, and on a machine else as its runner does.
    pub(super) fn cache(&self, settings: Option<&CacheSource>, runners: Option<&PathBuf>) -> Option<PathBuf> {
        match (settings.and_then(|s| s.path.as_ref()), &self.pod) {
            (Some(path), _) => Some(PathBuf::from(path)),
            (None, Some(pod)) => Some(pod.root.join(pod::CACHE_DIR.trim_start_matches('/'))).filter(|dir| dir.is_dir()),
            (None, None) => runners.cloned(),
        }
    }

    /// Where what git needs to know itself by is mounted, where it is.
    pub(super) fn git_secret(&self) -> Option<PathBuf> {
        let pod = self.pod.as_ref()?;
        Some(pod.root.join(pod::GIT_DIR.trim_start_matches('/'))).filter(|dir| dir.is_dir())
    }

    /// What the command finds at `path`, as the agent finds it.
    pub(super) fn rooted(&self, path: &str) -> PathBuf {
        self.pod.as_ref().map_or_else(|| path.into(), |pod| pod.root.join(path.trim_start_matches('/')))
    }

    /// Where `slipway-agent` is found by its name, where it is brought there.
    pub(super) fn programs(&self) -> Option<PathBuf> {
        self.pod.as_ref().map(|_| self.rooted(pod::AGENT_DIR))
    }

    /// Whether it is a pod.
    pub(super) fn is_pod(&self) -> bool {
        self.pod.is_some()
    }

    /// What to do, with the UID that carries it.
    pub(super) fn assignment(&self) -> Result<Assignment, Exit> {
        let mut assignment = self.assignment_as_written()?;
        if let Some(pod) = &self.pod {
            if pod.uid.is_empty() {
                return Err(Exit::setup(format!("{} is not set; the pod was not made by a Slipway glue of this version", pod::POD_UID)));
            }
            assignment.uid.clone_from(&pod.uid);
        }
        Ok(assignment)
    }

    /// What to do, as whoever made the place wrote it.
    pub(super) fn assignment_as_written(&self) -> Result<Assignment, Exit> {
        let read = || serde_json::from_slice(&fs::read(&self.assignment)?).map_err(std::io::Error::from);
        read().map_err(|e| Exit::setup(format!("cannot read the assignment {}: {e}", self.assignment.display())))
    }

    /// The start is used up: no need for the command to find it. A pod's mount cannot be changed.
    pub(super) fn spend(&self) {
        if self.pod.is_none() {
            let _ = fs::remove_file(&self.assignment);
        }
    }

    /// Keeps this process's memory, and with it the attempt's token, from other processes of the same user. Only in a
    /// pod: a process runner tells its agents by their environment, which must stay readable to it.
    pub(super) fn shield(&self) {
        if self.pod.is_some() {
            raw::hide();
        }
    }

    /// Where the log is repeated for whoever reads the container's output.
    pub(super) fn tee(&self) -> Option<Tee> {
        self.pod.as_ref().and_then(|_| Tee::to(std::io::stdout()))
    }

    /// The command's working directory: its own, or where the image says.
    pub(super) fn cwd(&self) -> PathBuf {
        match &self.pod {
            Some(pod) if pod.cwd != Path::new("/") => pod.cwd.clone(),
            _ => self.at(files::SCRATCH),
        }
    }

    /// What the command's environment begins with; `agents` is the agent's own.
    pub(super) fn environment(&self, agents: Vars) -> Vars {
        let dirs = environment::Dirs { home: self.at(files::HOME), tmp: self.at(files::TMP) };
        let Some(pod) = &self.pod else { return environment::of_machine(agents, &dirs) };
        let passwd = fs::read_to_string(pod.root.join("etc/passwd")).unwrap_or_default();
        let user = environment::user(&passwd, getuid().as_raw());
        environment::of_container(agents, &dirs, user, |home| {
            home.is_absolute() && home.is_dir() && access(home, AccessFlags::W_OK).is_ok()
        })
    }
}
