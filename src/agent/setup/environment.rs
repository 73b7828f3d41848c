//! Making the environment of a command, or taking the one that was made for the same before.

use super::{
    Fault, Site,
    cache::{Downloads, Kept, Use},
    detect::{self, Around, Maker, Plan, What},
    python, record,
    tools::Tools,
};
use crate::{
    agent::environment::Vars,
    wire::{Environment, Reason, Sha256, handoff::files},
};
use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

/// An environment that is there.
pub(super) struct Made {
    dir: PathBuf,
    /// Where the code's own packages are found, which the environment does not hold.
    packages: Vec<PathBuf>,
    conda: bool,
    /// Keeps it from being removed.
    pub(super) lent: Option<Use>,
}

/// The code and the image as they are.
struct Real<'a> {
    dirs: [&'a Path; 2],
    tools: &'a Tools,
}

impl Around for Real<'_> {
    fn file(&self, name: &str) -> Option<(PathBuf, String)> {
        self.dirs.iter().map(|dir| dir.join(name)).find_map(|file| Some((file.clone(), fs::read_to_string(file).ok()?)))
    }
    fn has(&self, program: &str) -> bool {
        self.tools.find(program).is_some()
    }
}

/// The environment that is asked for, or that the code calls for; none where the image stays as it is.
pub(super) async fn make(asked: &Environment, cwd: &Path, code: &Path, site: &Site<'_>, tools: &Tools) -> Result<Option<Made>, Fault> {
    let dirs = [cwd, if code.is_dir() { code } else { cwd }];
    let Some(plan) = detect::decide(asked, &Real { dirs, tools })? else { return Ok(None) };
    if let Some(remark) = &plan.remark {
        site.log.notice(&format!("set-up: {remark}"));
    }
    let mut tools = tools.clone();
    let downloads = downloads(&plan.maker, site);
    tools.set(downloads.iter().map(|(variable, _, to)| ((*variable).into(), to.dir.clone().into())).collect());
    let python = python::of(asked, &plan, &tools, cwd).await?;
    let key = key(&plan, &python);
    let short = &key[..12];
    let began = site.link.clock.monotonic();
    let kept = match &site.cache {
        Some(cache) => {
            let waits = || site.log.notice(&format!("set-up: another task makes the environment {short} now; waiting for it"));
            cache.environment(&key, waits).await.map_err(|e| Fault::io("use the cache of environments", &e))?
        }
        None => Kept::No,
    };
    let packages = packages(&plan.what);
    let conda = matches!(plan.maker, Maker::Conda(_));
    let made = |dir: PathBuf, lent| {
        record::packages(site, &dir);
        Ok(Some(Made { dir, packages: packages.clone(), conda, lent }))
    };
    match kept {
        Kept::Ready(dir, lent) => {
            let what = format!("environment {short}: taken from the cache");
            site.log.notice(&format!("set-up: {what}"));
            record::step(site, &what, site.link.clock.monotonic().saturating_sub(began), false);
            made(dir, lent)
        }
        Kept::Make(making) => {
            let what = format!("environment {short} ({})", name(&plan));
            site.step(&what, python::install(&plan, asked, &python, &making.dir, cwd, &tools)).await?;
            // It looks at every file.
            let finished = tokio::task::spawn_blocking(|| making.finish()).await.map_err(io::Error::other).flatten();
            let (dir, lent) = finished.map_err(|e| Fault::io("keep the environment", &e))?;
            if let Some(cache) = &site.cache {
                cache.tend(downloads.into_iter().map(|(_, name, _)| name).collect());
            }
            made(dir, Some(lent))
        }
        Kept::No => {
            let dir = site.place.at(files::ENV);
            let what = format!("environment ({})", name(&plan));
            site.step(&what, python::install(&plan, asked, &python, &dir, cwd, &tools)).await?;
            made(dir, None)
        }
    }
}

/// Where the programs of an installation keep what they downloaded, where the queue gives them a place that lasts: the variable
/// that says so, and the name under which it is kept.
fn downloads(maker: &Maker, site: &Site<'_>) -> Vec<(&'static str, &'static str, Downloads)> {
    let (uv, pip, conda) = (("UV_CACHE_DIR", "uv"), ("PIP_CACHE_DIR", "pip"), ("CONDA_PKGS_DIRS", "conda"));
    let programs: &[_] = match maker {
        Maker::Uv => &[uv],
        Maker::Venv(_) => &[pip],
        Maker::Conda(_) => &[conda, pip],
    };
    let of = |(variable, name)| Some((variable, name, site.cache.as_ref()?.downloads(name)?));
    programs.iter().filter_map(|program| of(*program)).collect()
}

/// What two environments must have in common to be one: what is installed, by what, for which Python and machine.
fn key(plan: &Plan, python: &python::Python) -> String {
    let system = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let parts = [&format!("{:?}", plan.maker), kind(&plan.what), &plan.basis, &python.about, std::env::consts::ARCH, &system];
    Sha256::of(parts.join("\0").as_bytes()).as_str()[..40].to_owned()
}

fn kind(what: &What) -> &'static str {
    match what {
        What::UvLock(_) => "uv.lock",
        What::Requirements(_) => "requirements.txt",
        What::Project(_) => "pyproject.toml",
        What::Lines(_) => "the task's requirements",
        What::Conda(_) => "environment.yml",
        What::Nothing => "nothing to install",
    }
}

fn name(plan: &Plan) -> String {
    let maker = match plan.maker {
        Maker::Uv => "uv",
        Maker::Venv(_) => "venv",
        Maker::Conda(conda) => conda,
    };
    format!("{maker}, {}", kind(&plan.what))
}

/// Where Python finds the packages of a project: the environment holds what the project needs, not the project.
fn packages(what: &What) -> Vec<PathBuf> {
    let (What::UvLock(dir) | What::Project(dir)) = what else { return Vec::new() };
    [dir.join("src"), dir.clone()].into_iter().filter(|dir| dir.is_dir()).collect()
}

impl Made {
    /// Lets a command run in it, as `source bin/activate` would.
    pub(super) fn activate(&self, env: &mut Vars) {
        let before = |env: &mut Vars, name: &str, dirs: &[PathBuf]| {
            let rest = env.get(OsStr::new(name)).filter(|rest| !rest.is_empty()).cloned();
            let all = dirs.iter().cloned().chain(rest.iter().flat_map(|rest| std::env::split_paths(rest).collect::<Vec<_>>()));
            // Only a directory with a colon in its name cannot be joined; ours have none.
            let joined = std::env::join_paths(all).unwrap_or_else(|_| OsString::from(&dirs[0]));
            env.insert(name.into(), joined);
        };
        before(env, "PATH", &[self.dir.join("bin")]);
        if !self.packages.is_empty() {
            before(env, "PYTHONPATH", &self.packages);
        }
        env.remove(OsStr::new("PYTHONHOME"));
        env.insert(if self.conda { "CONDA_PREFIX" } else { "VIRTUAL_ENV" }.into(), self.dir.clone().into());
    }
}

/// What an installer said, as a reason.
pub(super) fn told(tail: &str, last: String) -> Fault {
    let text = tail.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let unreachable = [
        "connection refused",
        "name or service not known",
        "temporary failure in name resolution",
        "failed to resolve",
        "network is unreachable",
        "connection timed out",
        "timed out",
        "max retries exceeded",
        "tcp connect error",
        "dns error",
        "certificate verify failed",
        "failed to fetch",
        "error sending request",
        "newconnectionerror",
    ];
    let unresolved = [
        "no matching distribution",
        "could not find a version",
        "no solution found",
        "resolutionimpossible",
        "conflicting dependencies",
        "was not found in the package registry",
        "requires-python",
        "unsatisfiable",
        "lockfile",
    ];
    let reason = if any(&unreachable) {
        Reason::IndexUnreachable
    } else if any(&unresolved) {
        Reason::DependencyResolutionFailed
    } else {
        Reason::SetupFailed
    };
    Fault::new(reason, last)
}

/// Removes a half-made environment.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_first_in_the_search_path() {
        let made = Made { dir: "/e".into(), packages: vec!["/c/src".into(), "/c".into()], conda: false, lent: None };
        let mut env: Vars =
            [("PATH", "/bin:/usr/bin"), ("PYTHONHOME", "/x"), ("PYTHONPATH", "/mine")].map(|(k, v)| (k.into(), v.into())).into();
        made.activate(&mut env);
        let of = |name: &str| env.get(OsStr::new(name)).map(|v| v.to_str().unwrap());
        assert_eq!((of("PATH"), of("PYTHONPATH")), (Some("/e/bin:/bin:/usr/bin"), Some("/c/src:/c:/mine")));
        assert_eq!((of("VIRTUAL_ENV"), of("PYTHONHOME")), (Some("/e"), None));
    }

    #[test]
    fn what_an_installer_says_has_a_reason() {
        use Reason as R;
        for (tail, reason) in [
            ("ERROR: No matching distribution found for nosuchthing==9", R::DependencyResolutionFailed),
            ("  x No solution found when resolving dependencies:", R::DependencyResolutionFailed),
            (
                "WARNING: Retrying ... NewConnectionError('...: Failed to establish', 'Connection refused')\nERROR: No matching distribution found for six",
                R::IndexUnreachable,
            ),
            ("error: Failed to fetch: `http://127.0.0.1:1/simple/six/`\n tcp connect error", R::IndexUnreachable),
            ("error: command 'gcc' failed", R::SetupFailed),
        ] {
            assert_eq!(told(tail, String::new()).reason, reason, "{tail}");
        }
    }
}
