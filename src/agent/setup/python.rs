//! Python: which one there is, and putting packages into an environment of it.

use super::{
    Fault,
    detect::{Maker, Plan, What},
    environment::{clear, told},
    tools::{Call, Tools},
};
use crate::wire::{Environment, Reason};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The Python of an environment.
#[derive(Debug)]
pub(super) struct Python {
    /// Its program, where the image has one.
    program: Option<PathBuf>,
    /// All that tells it from others: version, implementation, where it stands.
    pub(super) about: String,
}

/// Prints what tells one Python from another.
const ABOUT: &str =
    "import sys, platform; print(platform.python_version(), sys.implementation.cache_tag, sys.base_prefix, platform.libc_ver()[0])";

/// The Python that a plan is for, which must be of the version that is asked for.
pub(super) async fn of(asked: &Environment, plan: &Plan, tools: &Tools, dir: &Path) -> Result<Python, Fault> {
    let wanted = asked.python.as_deref();
    let names = wanted.map(|v| format!("python{v}")).into_iter().chain(["python3".to_owned(), "python".to_owned()]);
    let mut seen = None;
    for program in names.filter_map(|name| tools.find(&name)) {
        let ran = tools.call(&program, dir).args(&["-c", ABOUT]).quiet().run().await?;
        let about = ran.tail.trim().to_owned();
        let version = about.split(' ').next().unwrap_or_default().to_owned();
        if ran.ok && wanted.is_none_or(|wanted| fits(&version, wanted)) {
            return Ok(Python { program: Some(program), about });
        }
        seen = seen.or(Some(version).filter(|_| ran.ok));
    }
    match (&plan.maker, wanted) {
        // They bring one.
        (Maker::Conda(_) | Maker::Uv, _) => Ok(Python { program: None, about: wanted.unwrap_or("any").to_owned() }),
        (Maker::Venv(_), Some(wanted)) => {
            let has = seen.map_or_else(|| "none".to_owned(), |version| format!("Python {version}"));
            Err(Fault::new(Reason::PythonVersionMissing, format!("the task needs Python {wanted}, and the image has {has}")))
        }
        (Maker::Venv(_), None) => Err(Fault::new(Reason::ToolMissing, "the python in the image does not run")),
    }
}

/// Whether `3.12.4` is `3.12`.
fn fits(version: &str, wanted: &str) -> bool {
    version == wanted || version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
}

/// Makes the environment in `dir` and installs what the plan says.
pub(super) async fn install(plan: &Plan, asked: &Environment, python: &Python, dir: &Path, cwd: &Path, tools: &Tools) -> Result<(), Fault> {
    clear(dir).map_err(|e| Fault::io("make room for the environment", &e))?;
    let lines = dir.with_extension("requirements.txt");
    if let What::Lines(text) = &plan.what {
        fs::write(&lines, text.join("\n") + "\n").map_err(|e| Fault::io("write the requirements", &e))?;
    }
    let done = match plan.maker {
        Maker::Uv => by_uv(plan, asked, python, dir, cwd, &lines, tools).await,
        Maker::Venv(_) => by_pip(plan, python, dir, cwd, &lines, tools).await,
        Maker::Conda(conda) => by_conda(conda, plan, asked, dir, cwd, &lines, tools).await,
    };
    let _ = fs::remove_file(&lines);
    done
}

async fn does(call: Call<'_>) -> Result<(), Fault> {
    let ran = call.run().await?;
    if ran.ok {
        return Ok(());
    }
    let line = ran.line(&["ERROR:", "error:", "x ", "×"]).unwrap_or_else(|| ran.last());
    Err(told(&ran.tail, line))
}

async fn by_uv(
    plan: &Plan,
    asked: &Environment,
    python: &Python,
    dir: &Path,
    cwd: &Path,
    lines: &Path,
    tools: &Tools,
) -> Result<(), Fault> {
    let uv = tools.need("uv", "take an image that has it")?;
    let which = python.program.as_ref().map(|p| p.display().to_string()).or_else(|| asked.python.clone());
    let chosen: Vec<&str> = which.iter().flat_map(|which| ["--python", which.as_str()]).collect();
    // What the image's Python has already (a torch that fits the GPU) counts, unless a lock says exactly what there is.
    let system: &[&str] = if matches!(plan.what, What::UvLock(_)) { &[] } else { &["--system-site-packages"] };
    let venv = tools.call(&uv, cwd).args(&["venv", "--quiet", "--no-project"]).args(system);
    does(venv.args(&chosen).arg(dir)).await?;
    let install = || tools.call(&uv, cwd).args(&["pip", "install"]).arg("--python").arg(dir);
    match &plan.what {
        What::UvLock(project) => {
            let sync = tools.call(&uv, project).args(&["sync", "--frozen", "--no-install-project", "--no-install-workspace", "--inexact"]);
            does(sync.env("UV_PROJECT_ENVIRONMENT", dir)).await
        }
        What::Requirements(file) => does(install().arg("-r").arg(file)).await,
        What::Project(project) => does(install().arg("-r").arg(project.join("pyproject.toml"))).await,
        What::Lines(_) => does(install().arg("-r").arg(lines)).await,
        What::Conda(_) | What::Nothing => Ok(()),
    }
}

async fn by_pip(plan: &Plan, python: &Python, dir: &Path, cwd: &Path, lines: &Path, tools: &Tools) -> Result<(), Fault> {
    let Some(program) = &python.program else { return Err(Fault::new(Reason::ToolMissing, "there is no python in the image")) };
    let made = tools.call(program, cwd).args(&["-m", "venv", "--system-site-packages"]).arg(dir).run().await?;
    if !made.ok {
        let fix = "the python in the image cannot make virtual environments (on Debian: install python3-venv)";
        return Err(Fault::new(Reason::ToolMissing, format!("{fix}: {}", made.last())));
    }
    let python = dir.join("bin/python");
    let install = || tools.call(&python, cwd).args(&["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]);
    match &plan.what {
        What::Requirements(file) => does(install().arg("-r").arg(file)).await,
        What::Lines(_) => does(install().arg("-r").arg(lines)).await,
        What::Project(project) => does(install().arg(project)).await,
        What::UvLock(_) | What::Conda(_) | What::Nothing => Ok(()),
    }
}

async fn by_conda(conda: &str, plan: &Plan, asked: &Environment, dir: &Path, cwd: &Path, lines: &Path, tools: &Tools) -> Result<(), Fault> {
    let program = tools.need(conda, "take an image that has it")?;
    let call = || tools.call(&program, cwd);
    match &plan.what {
        // conda itself makes one of a file only by `env create`; the others read the file by `create`.
        What::Conda(file) if conda == "micromamba" => {
            does(call().args(&["create", "--yes", "--quiet", "-p"]).arg(dir).arg("-f").arg(file)).await
        }
        What::Conda(file) => does(call().args(&["env", "create", "--quiet", "-p"]).arg(dir).arg("-f").arg(file)).await,
        _ => {
            let python = asked.python.as_ref().map_or("python".to_owned(), |version| format!("python={version}"));
            does(call().args(&["create", "--yes", "--quiet", "-p"]).arg(dir).args(&[&python, "pip"])).await?;
            if matches!(plan.what, What::Lines(_)) {
                let python = dir.join("bin/python");
                does(tools.call(&python, cwd).args(&["-m", "pip", "install", "--no-input", "-r"]).arg(lines)).await?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_fits_by_its_parts() {
        assert!(fits("3.12.4", "3.12") && fits("3.12.4", "3") && fits("3.12.4", "3.12.4"));
        assert!(!fits("3.12.4", "3.1") && !fits("3.12.4", "3.12.40") && !fits("", "3"));
    }
}
