//! What is kept of a set-up with the attempt: its steps, and the packages of the environment that it made or found.

use super::Site;
use crate::wire::{Notes, Step};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Keeps a step. Those beyond [`Notes::MAX_STEPS`] are in the log alone.
pub(super) fn step(site: &Site<'_>, what: &str, took: Duration, failed: bool) {
    let mut what = site.log.clear(what).replace(char::is_control, " ");
    what.truncate(what.floor_char_boundary(Notes::MAX_STEP));
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    site.link.notebook.note(|notes| {
        if notes.setup.len() < Notes::MAX_STEPS {
            notes.setup.push(Step { what, took_ms, failed });
        }
    });
}

/// Keeps the packages of the environment in a directory, as far as they fit.
pub(super) fn packages(site: &Site<'_>, environment: &Path) {
    let packages = fitting(found(environment));
    site.link.notebook.note(|notes| notes.packages = packages);
}

/// The packages that an environment has itself, by the names of what their installers left: no program is run, and what cannot
/// be read is left out.
fn found(environment: &Path) -> BTreeSet<String> {
    let of_python = dirs(&environment.join("lib")).into_iter().map(|python| python.join("site-packages"));
    let installed = of_python.flat_map(|dir| names(&dir)).filter_map(|name| of_pip(&name));
    let of_conda = names(&environment.join("conda-meta")).into_iter().filter_map(|name| of_conda(&name));
    installed.chain(of_conda).filter(|package| !package.contains(char::is_control)).collect()
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn dirs(dir: &Path) -> Vec<PathBuf> {
    names(dir).into_iter().filter(|name| name.starts_with("python")).map(|name| dir.join(name)).collect()
}

/// `scikit_learn-1.7.2.dist-info` as `scikit-learn==1.7.2`: in the directory's name a hyphen has another meaning.
fn of_pip(name: &str) -> Option<String> {
    let (name, version) = name.strip_suffix(".dist-info")?.rsplit_once('-')?;
    Some(format!("{}=={version}", name.to_lowercase().replace(['_', '.'], "-")))
}

/// `python-3.12.4-h99_0.json` as `python==3.12.4`.
fn of_conda(name: &str) -> Option<String> {
    let (rest, _build) = name.strip_suffix(".json")?.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(format!("{name}=={version}"))
}

/// The first of them that have room in the notes.
fn fitting(packages: BTreeSet<String>) -> Vec<String> {
    let mut room = Notes::MAX_PACKAGE_BYTES;
    let fits = |package: &String| {
        let left = room.checked_sub(package.len() + 1);
        room = left.unwrap_or(room);
        left.is_some()
    };
    packages.into_iter().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_from_what_installers_leave() {
        let dir = tempfile::tempdir().unwrap();
        for made in [
            "lib/python3.12/site-packages/scikit_learn-1.7.2.dist-info",
            "lib/python3.12/site-packages/ruamel.yaml-0.18.dist-info",
            "lib/python3.12/site-packages/torch-2.9.0+cu130.dist-info",
            "lib/python3.12/site-packages/torch",
            "lib/python3.12/site-packages/bad\nname-1.dist-info",
            "conda-meta/ca-certificates-2026.1.4-hbd8a1cb_0.json",
            "conda-meta/history",
        ] {
            fs::create_dir_all(dir.path().join(made)).unwrap();
        }
        let expected = ["ca-certificates==2026.1.4", "ruamel-yaml==0.18", "scikit-learn==1.7.2", "torch==2.9.0+cu130"];
        assert_eq!(fitting(found(dir.path())), expected);
        assert!(found(&dir.path().join("nowhere")).is_empty());
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let many: BTreeSet<String> = (0..10_000).map(|n| format!("package-{n:05}==1.0")).collect();
        let fitting = fitting(many);
        assert_eq!(fitting.len(), Notes::MAX_PACKAGE_BYTES / "package-00000==1.0\n".len());
        assert_eq!(Notes { packages: fitting, ..Notes::default() }.wrong(), None);
    }
}
