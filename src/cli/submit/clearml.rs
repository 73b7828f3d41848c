//! The flags of `clearml-task` that `submit` takes under the same names. They are hidden: ours are in the help.

use super::SubmitArgs;
use crate::cli::{
    exit::Failure,
    pair::pair,
    style::{clean, shell},
};
use std::path::Path;

/// What `clearml-task` calls otherwise than we do. What means the same under the same name is an alias of our own flag.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ClearmlArgs {
    /// The label project of the task.
    #[arg(long, hide = true)]
    project: Option<String>,
    /// The program to run, with what its name says how.
    #[arg(long = "script", id = "clearml_script", value_name = "FILE", hide = true, conflicts_with_all = ["script", "file", "command"])]
    script: Option<String>,
    /// Its arguments.
    #[arg(long = "args", id = "clearml_args", value_name = "NAME=VALUE", hide = true, num_args = 0.., requires = "clearml_script", value_parser = pair)]
    args: Vec<(String, String)>,
    /// Taken only to be explained.
    #[arg(long, hide = true)]
    branch: Option<String>,
    /// Taken only to be explained.
    #[arg(long, hide = true)]
    commit: Option<String>,
    /// Taken only to be explained.
    #[arg(long, hide = true)]
    repo: Option<String>,
    /// Taken only to be explained.
    #[arg(long, hide = true)]
    folder: Option<String>,
}

impl ClearmlArgs {
    /// What would not mean here what it means there.
    fn refused(&self) -> Result<(), Failure> {
        let here = "what is on the disk travels, with the commit that is checked out";
        let line = |words: &[&str]| shell(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        if let Some(branch) = &self.branch {
            return Err(Failure::usage(format!("--branch {} chooses nothing here: {here}", clean(branch)))
                .hint(format!("check it out first: {}", line(&["git", "switch", branch])))
                .hint("or name it in a task's file: code: {git: {url: .., commit: .., ref: ..}}"));
        }
        if let Some(commit) = &self.commit {
            return Err(Failure::usage(format!("--commit {} chooses nothing here: {here}", clean(commit)))
                .hint(format!("check it out beside your work: {}", line(&["git", "worktree", "add", "--detach", "../at", commit])))
                .hint("or name it in a task's file: code: {git: {url: .., commit: ..}}"));
        }
        if let Some(repo) = &self.repo {
            return Err(Failure::usage(format!("--repo {} chooses nothing here: {here}", clean(repo)))
                .hint("name it in a task's file: code: {git: {url: .., commit: ..}}"));
        }
        match &self.folder {
            Some(folder) => Err(Failure::usage("--folder chooses nothing here: the repository around you is what travels")
                .hint(format!("go there first: {}", line(&["cd", folder])))
                .hint(format!("or send its files whole: --upload={}", line(&[folder])))),
            None => Ok(()),
        }
    }

    /// The command, where a script was named. In `cwd`, where the code is entered below its top.
    fn command(&self, cwd: Option<&str>) -> Result<Option<Vec<String>>, Failure> {
        let Some(script) = &self.script else { return Ok(None) };
        let runs = match Path::new(script).extension().and_then(|kind| kind.to_str()) {
            Some("py") => "python",
            Some("sh") => "bash",
            _ => {
                return Err(Failure::usage(format!("--script {}: only .py and .sh say what runs them", clean(script)))
                    .hint("write the command itself: slipway submit -- PROGRAM ARGS"));
            }
        };
        // There a path may lead from the top of the code, also where the command runs below it.
        let below = cwd.and_then(|cwd| script.strip_prefix(&format!("{}/", cwd.trim_end_matches('/'))));
        let mut command = vec![runs.to_owned(), below.unwrap_or(script).to_owned()];
        command.extend(self.args.iter().map(|(name, value)| format!("--{name}={value}")));
        Ok(Some(command))
    }
}

impl SubmitArgs {
    /// The same in our own words.
    ///
    /// # Errors
    /// A flag that cannot mean here what it means there, with what to use instead.
    pub(super) fn translated(mut self) -> Result<Self, Failure> {
        self.clearml.refused()?;
        if let Some(command) = self.clearml.command(self.code.cwd())? {
            self.command = command;
        }
        if let Some(project) = self.clearml.project.take() {
            self.label.insert(0, ("project".to_owned(), project));
        }
        self.clearml = ClearmlArgs::default();
        Ok(self)
    }
}
