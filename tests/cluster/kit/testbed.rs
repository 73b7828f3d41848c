//! The scripts of `testbed/`: one cluster per machine, for one run of the tests at a time.

use super::cluster::Cluster;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Mutex,
};
use tokio::runtime::Runtime;

/// Where the scripts keep everything of the running cluster.
pub(crate) const STATE: &str = "/var/lib/slipway-cluster";
const LOCK: &str = "/run/lock/slipway-cluster.lock";
/// A script's exit code for a missing prerequisite.
const MISSING: i32 = 77;

/// Why there is no cluster.
#[derive(Debug)]
pub(crate) struct Absent {
    pub(crate) why: String,
    /// A person may lack the prerequisites, CI may not.
    pub(crate) may_skip: bool,
}

impl Absent {
    pub(crate) fn broken(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_skip: false }
    }
}

/// The machine's test cluster.
#[derive(Default)]
pub(crate) struct Testbed {
    /// The machine's lock, while a cluster is up on behalf of this run.
    lock: Mutex<Option<File>>,
    /// Whether it is started without nodes.
    plane: bool,
}

#[expect(clippy::disallowed_methods, reason = "a test's own switches")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Testbed {
    /// A control plane alone, for tests that play the nodes themselves.
    pub(crate) fn plane() -> Self {
        Self { plane: true, ..Self::default() }
    }

    /// Starts the cluster, or takes the one that is there: `SLIPWAY_TEST_CLUSTER=existing` means `$KUBECONFIG`.
    pub(crate) fn open(&self, runtime: &Runtime) -> Result<Cluster, Absent> {
        let kubeconfig = self.kubeconfig()?;
        runtime.block_on(Cluster::connect(&kubeconfig)).map_err(Absent::broken)
    }

    /// The same for whoever connects by itself: the administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> Result<PathBuf, Absent> {
        if variable("SLIPWAY_TEST_CLUSTER").as_deref() == Some("existing") {
            let path = variable("KUBECONFIG").ok_or_else(|| Absent::broken("SLIPWAY_TEST_CLUSTER=existing needs KUBECONFIG"))?;
            return Ok(PathBuf::from(path));
        }
        self.start()?;
        Ok(Path::new(STATE).join("admin.kubeconfig"))
    }

    /// A second control plane, beside the one that this run has started: the administrator's kubeconfig.
    pub(crate) fn second(&self) -> Result<PathBuf, Absent> {
        if self.lock.lock().is_ok_and(|lock| lock.is_none()) {
            return Err(missing("there is a second cluster only beside one of these scripts".to_owned()));
        }
        ran("second.sh", &[])?;
        Ok(Path::new(STATE).join("second/admin.kubeconfig"))
    }

    fn start(&self) -> Result<(), Absent> {
        let lock = match File::create(LOCK) {
            Ok(file) => file,
            Err(error) => return Err(missing(format!("the cluster tests need root ({LOCK}: {error})"))),
        };
        if lock.try_lock().is_err() {
            eprintln!("cluster: another run holds {LOCK}; waiting for its end");
            lock.lock().map_err(|error| Absent::broken(format!("{LOCK}: {error}")))?;
        }
        let held = self.lock.lock().map(|mut held| *held = Some(lock));
        held.map_err(|_| Absent::broken("a test died while it started the cluster"))?;
        ran("up.sh", if self.plane { &["plane"] } else { &[] })
    }

    /// Removes the cluster, unless it is somebody's who means to keep it.
    pub(crate) fn close(&self) {
        let Ok(mut lock) = self.lock.lock() else { return };
        if lock.is_some() && !fs::exists(Path::new(STATE).join("kept")).unwrap_or_default() {
            match script("down.sh", &[]) {
                Ok((status, _)) if status.success() => {}
                Ok((_, said)) => eprintln!("down.sh failed:\n{said}"),
                Err(error) => eprintln!("{error}"),
            }
        }
        *lock = None;
    }
}

/// Runs a script that starts something.
fn ran(name: &str, args: &[&str]) -> Result<(), Absent> {
    let (status, said) = script(name, args).map_err(Absent::broken)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(MISSING) => Err(missing(said.lines().last().unwrap_or_default().to_owned())),
        _ => Err(Absent::broken(format!("{name} failed:\n{said}"))),
    }
}

fn missing(why: String) -> Absent {
    Absent { why, may_skip: variable("CI").as_deref() != Some("true") }
}

/// Runs a script of `testbed/` to its end; answers what it said too.
pub(crate) fn script(name: &str, args: &[&str]) -> Result<(ExitStatus, String), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/testbed").join(name);
    let mut command = Command::new(&path);
    // What the script leaves running must not hold our output open, so it is read from a file.
    let said = tempfile::NamedTempFile::new().map_err(|error| format!("a file for the output: {error}"))?;
    let clone = || said.reopen().map_err(|error| format!("the file for the output: {error}"));
    command.args(args).env("SLIPWAY_CLUSTER_LOCKED", "yes").stdin(Stdio::null()).stdout(clone()?).stderr(clone()?);
    let status = command.status().map_err(|error| format!("cannot run {}: {error}", path.display()))?;
    Ok((status, fs::read_to_string(said.path()).unwrap_or_default()))
}
