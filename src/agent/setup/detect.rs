//! Which environment a task gets: decided from what its code holds and what its image has, without touching either.

use super::Fault;
use crate::wire::{Environment, EnvironmentKind, Reason};
use std::path::{Path, PathBuf};

/// What there is to decide from.
pub(super) trait Around {
    /// The text of a file of the code, by its name: in the working directory, else at the top.
    fn file(&self, name: &str) -> Option<(PathBuf, String)>;
    /// Whether the image has a program.
    fn has(&self, program: &str) -> bool;
}

/// What is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// What a lock file says, exactly; the directory that it stands in.
    UvLock(PathBuf),
    /// A file of requirements.
    Requirements(PathBuf),
    /// The dependencies of a project; the directory of its `pyproject.toml`.
    Project(PathBuf),
    /// Lines that the task names.
    Lines(Vec<String>),
    /// An environment file of conda.
    Conda(PathBuf),
    /// Nothing: the environment alone.
    Nothing,
}

/// How it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Uv,
    /// The module `venv` of this Python.
    Venv(&'static str),
    /// conda, mamba or micromamba.
    Conda(&'static str),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) maker: Maker,
    pub(super) what: What,
    /// What decides it, as text: part of the key under which the environment is kept.
    pub(super) basis: String,
    /// Something that the user should know.
    pub(super) remark: Option<String>,
}

const PYTHONS: [&str; 2] = ["python3", "python"];
const CONDAS: [&str; 3] = ["micromamba", "mamba", "conda"];

/// The rule. None: the image as it is.
pub(super) fn decide(asked: &Environment, around: &impl Around) -> Result<Option<Plan>, Fault> {
    use EnvironmentKind as K;
    let Some((what, basis)) = what(asked, around) else { return Ok(None) };
    let python = PYTHONS.into_iter().find(|name| around.has(name));
    let conda = CONDAS.into_iter().find(|name| around.has(name));
    let plan = |maker, what, remark| Ok(Some(Plan { maker, what, basis: basis.clone(), remark }));
    let missing = |what: &str, fix: &str| Err(Fault::new(Reason::ToolMissing, format!("there is no {what} in the image{fix}")));
    match (asked.kind, what) {
        (K::Image, _) => Ok(None),
        (K::Conda, what) => match conda {
            Some(conda) => plan(Maker::Conda(conda), what, None),
            None => missing("conda, mamba or micromamba", ""),
        },
        (K::Auto, What::Conda(file)) => match conda {
            Some(conda) => plan(Maker::Conda(conda), What::Conda(file), None),
            // An image made for the code often has all of it, and the file stands there for others.
            None => Ok(None),
        },
        (K::Uv, what) if around.has("uv") => plan(Maker::Uv, what, None),
        (K::Uv, _) => missing("uv", ": take one that has it, or an environment of kind venv"),
        (K::Auto, what) if around.has("uv") => plan(Maker::Uv, what, None),
        (K::Venv | K::Auto, what) => {
            let Some(python) = python else {
                // The code may hold such a file for something else than what runs here.
                return if asked.kind == K::Auto && asked.requirements.is_empty() { Ok(None) } else { missing("python", "") };
            };
            match what {
                // pip cannot read the lock; what it names loosely is better said than silently taken.
                What::UvLock(dir) => {
                    let remark = "uv.lock is not followed, for there is no uv in the image: pip takes what pyproject.toml says";
                    plan(Maker::Venv(python), What::Project(dir), Some(remark.to_owned()))
                }
                what => plan(Maker::Venv(python), what, None),
            }
        }
    }
}

/// What is to be installed, and the text that says so. None where `auto` finds nothing.
fn what(asked: &Environment, around: &impl Around) -> Option<(What, String)> {
    use EnvironmentKind as K;
    if !asked.requirements.is_empty() {
        return Some((What::Lines(asked.requirements.clone()), asked.requirements.join("\n")));
    }
    let project = around.file("pyproject.toml");
    let lock = around.file("uv.lock").filter(|_| project.is_some());
    let dir = |file: &Path| file.parent().unwrap_or(Path::new(".")).to_owned();
    let conda = || around.file("environment.yml").or_else(|| around.file("environment.yaml"));
    if asked.kind == K::Conda {
        let found = conda().map(|(file, text)| (What::Conda(file), text));
        return Some(found.unwrap_or((What::Nothing, String::new())));
    }
    let found = lock
        .map(|(file, text)| (What::UvLock(dir(&file)), text))
        .or_else(|| around.file("requirements.txt").map(|(file, text)| (What::Requirements(file), text)))
        .or_else(|| project.filter(|(_, text)| is_project(text)).map(|(file, text)| (What::Project(dir(&file)), text)));
    match asked.kind {
        K::Auto => found.or_else(|| conda().map(|(file, text)| (What::Conda(file), text))),
        _ => Some(found.unwrap_or((What::Nothing, String::new()))),
    }
}

/// Whether a `pyproject.toml` describes a project, and not only how its tools are set.
fn is_project(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| ["[project]", "[build-system]", "[tool.poetry]"].contains(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sketch(&'static [(&'static str, &'static str)], &'static [&'static str]);

    impl Around for Sketch {
        fn file(&self, name: &str) -> Option<(PathBuf, String)> {
            self.0.iter().find(|(file, _)| *file == name).map(|(file, text)| (Path::new("/code").join(file), (*text).to_owned()))
        }
        fn has(&self, program: &str) -> bool {
            self.1.contains(&program)
        }
    }

    fn told(kind: EnvironmentKind, files: &'static [(&'static str, &'static str)], programs: &'static [&'static str]) -> String {
        match decide(&Environment { kind, ..Environment::default() }, &Sketch(files, programs)) {
            Ok(None) => "image".into(),
            Ok(Some(Plan { maker, what, remark, .. })) => format!("{maker:?} {what:?}{}", if remark.is_some() { " !" } else { "" }),
            Err(fault) => format!("{}: {}", fault.reason, fault.message),
        }
    }

    #[test]
    fn the_code_decides_and_what_the_image_lacks_is_named() {
        use EnvironmentKind::{Auto, Conda, Image, Uv, Venv};
        const PROJECT: (&str, &str) = ("pyproject.toml", "[project]\nname = 'x'\n");
        const TOOLS: (&str, &str) = ("pyproject.toml", "[tool.ruff]\n");
        const ALL: &[(&str, &str)] = &[("uv.lock", "l"), PROJECT, ("requirements.txt", "r"), ("environment.yml", "c")];
        type Row = (EnvironmentKind, &'static [(&'static str, &'static str)], &'static [&'static str], &'static str);
        let table: [Row; 16] = [
            (Auto, ALL, &["uv", "python3"], "Uv UvLock(\"/code\")"),
            (Auto, ALL, &["python3"], "Venv(\"python3\") Project(\"/code\") !"),
            (Auto, &[("requirements.txt", "r"), PROJECT], &["python"], "Venv(\"python\") Requirements(\"/code/requirements.txt\")"),
            (Auto, &[PROJECT], &["uv"], "Uv Project(\"/code\")"),
            (Auto, &[TOOLS], &["uv", "python3"], "image"),
            (Auto, &[("requirements.txt", "r")], &[], "image"),
            (Auto, &[], &["uv", "python3"], "image"),
            (Auto, &[("environment.yml", "c")], &["conda", "micromamba"], "Conda(\"micromamba\") Conda(\"/code/environment.yml\")"),
            (Auto, &[("environment.yml", "c")], &["python3"], "image"),
            (Image, ALL, &["uv"], "image"),
            (Uv, &[], &["uv"], "Uv Nothing"),
            (Uv, ALL, &["python3"], "ToolMissing: there is no uv in the image"),
            (Venv, ALL, &["uv", "python3"], "Venv(\"python3\") Project(\"/code\") !"),
            (Venv, &[], &["python3"], "Venv(\"python3\") Nothing"),
            (Venv, &[], &["uv"], "ToolMissing: there is no python in the image"),
            (Conda, &[], &["conda"], "Conda(\"conda\") Nothing"),
        ];
        for (kind, files, programs, expected) in table {
            let got = told(kind, files, programs);
            assert!(got.starts_with(expected), "{kind} {files:?} {programs:?}: {got}, not {expected}");
        }
        let lines = Environment { requirements: vec!["six".into()], ..Environment::default() };
        let plan = decide(&lines, &Sketch(ALL, &["python3"])).unwrap().unwrap();
        assert_eq!((plan.what, plan.basis.as_str()), (What::Lines(vec!["six".into()]), "six"));
        assert_eq!(decide(&lines, &Sketch(&[], &[])).unwrap_err().reason, Reason::ToolMissing);
    }
}
