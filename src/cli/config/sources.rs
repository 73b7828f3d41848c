//! Where a configuration is read from: the only place that opens its files.

use super::{
    Config,
    keys::{KEYS, Key},
    layers::{Settings, merged, of_variables},
    read::{Whose, read},
};
use crate::cli::exit::Failure;
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Where to look; nowhere by default.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The variables of the environment that say something of it, by name.
    pub variables: BTreeMap<String, String>,
    /// The directory from which the project's file is looked for, upwards.
    pub project: Option<PathBuf>,
    /// The user's own file.
    pub user: Option<PathBuf>,
}

impl Sources {
    /// The places of a command that is typed in `dir`; variables are read through `get`.
    #[must_use]
    pub fn of(get: impl Fn(&str) -> Option<String>, dir: Option<PathBuf>, user: Option<PathBuf>) -> Self {
        let names = KEYS.iter().filter_map(Key::variable).chain(["SLIPWAY_URL", "SLIPWAY_CONTEXT"].map(str::to_owned));
        Self { variables: names.filter_map(|name| Some((name.clone(), get(&name)?))).collect(), project: dir, user }
    }

    /// Whether a value is that of a variable.
    pub(crate) fn variable(&self, name: &str, value: Option<&str>) -> bool {
        value.is_some() && self.variables.get(name).map(String::as_str) == value
    }
}

/// A project's own file.
const OURS: &str = ".slipway.toml";
/// The file that a project of Python shares with others.
const SHARED: &str = "pyproject.toml";

impl Config {
    /// Reads all layers: variables, the project's file, the user's.
    ///
    /// # Errors
    /// A file cannot be read, or says what it must not.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Failure> {
        let variables = of_variables(&sources.variables)?;
        let project = sources.project.as_deref().map(project).transpose()?.flatten().unwrap_or_default();
        let user = sources.user.as_deref().map(user).transpose()?.flatten().unwrap_or_default();
        Ok(Self { settings: merged([variables, project, user]) })
    }
}

fn user(path: &Path) -> Result<Option<Settings>, Failure> {
    text(path)?.map_or(Ok(None), |text| read(Whose::User, path, &text, &[]))
}

/// What the nearest file of the project says.
fn project(dir: &Path) -> Result<Option<Settings>, Failure> {
    for dir in directories(dir) {
        let ours = dir.join(OURS);
        if let Some(text) = text(&ours)? {
            return read(Whose::Project, &ours, &text, &[]);
        }
        let shared = dir.join(SHARED);
        // What is not about us is not ours to judge.
        let text = fs::read_to_string(&shared).ok().filter(|text| text.contains("slipway"));
        if let Some(text) = text
            && let Some(found) = read(Whose::Project, &shared, &text, &["tool", "slipway"])?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The directory and those above it up to the root of its git repository; outside of one the directory alone, since whoever wrote what
/// is above it may have nothing to do with it.
fn directories(dir: &Path) -> Vec<&Path> {
    if !dir.is_absolute() {
        return Vec::new();
    }
    let root = dir.ancestors().find(|above| above.join(".git").exists());
    dir.ancestors().take_while(|above| above.starts_with(root.unwrap_or(dir))).collect()
}

fn text(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Failure::usage(format!("cannot read the configuration in {}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_nearest_file_counts_up_to_the_root_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let queue = |below: &str| {
            let found = project(&root.join(below)).unwrap();
            found.and_then(|found| Some(found.get("submit.queue")?.value.clone())).unwrap_or_default()
        };
        write(root, ".slipway.toml", "submit.queue = 'outside'\n");
        write(root, "repo/.git/HEAD", "");
        write(root, "repo/src/deep/x", "");
        write(root, "plain/below/x", "");
        assert_eq!(queue("repo/src/deep"), "", "what is above the repository is of somebody else");
        assert_eq!((queue("").as_str(), queue("plain").as_str()), ("outside", ""));
        write(root, "repo/pyproject.toml", "[tool.slipway.submit]\nqueue = 'py'\n");
        assert_eq!(queue("repo/src/deep"), "py");
        write(root, "repo/src/pyproject.toml", "[tool.ruff]\n");
        assert_eq!(queue("repo/src/deep"), "py", "a file that says nothing of us hides nothing");
        write(root, "repo/src/pyproject.toml", "broken = \n");
        assert_eq!(queue("repo/src/deep"), "py");
        write(root, "repo/.slipway.toml", "submit.queue = 'ours'\n");
        assert_eq!(queue("repo"), "ours");
        write(root, "repo/src/.slipway.toml", "submit.gpus = 1\n");
        assert_eq!(queue("repo/src/deep"), "", "only the nearest");
        write(root, "repo/src/.slipway.toml", "broken = \n");
        let failure = project(&root.join("repo/src/deep")).unwrap_err().message.unwrap();
        assert!(failure.contains("repo/src/.slipway.toml:1: "), "{failure}");
        assert!(directories(Path::new("relative")).is_empty());
    }
}
