//! The flags of `submit` for code and environment.

use super::{
    capture::{self, Captured, Options, Upload},
    context::Context,
    exit::{Exit, Failure},
    file,
    get::size,
};
use crate::{
    client::{Client, Sink, UploadError},
    wire::{EnvironmentKind, NewTask},
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// What travels with a task, and what is made for it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Code and environment")]
pub(super) struct CodeArgs {
    /// Send the files whole, as one archive: those of the repository, or those of DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "not given, given, given with a directory")]
    upload: Option<Option<PathBuf>>,
    /// Send no code: the task has what its image or machine has
    #[arg(long, conflicts_with_all = ["upload", "lfs"])]
    no_code: bool,
    /// Fetch files under Git LFS where the task runs
    #[arg(long)]
    lfs: bool,
    /// The directory of the code in which the command runs [default: where you are]
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// How the environment is made: auto, image, venv, uv or conda
    #[arg(long, value_name = "KIND")]
    environment: Option<EnvironmentKind>,
    /// The Python of the environment, as 3.12
    #[arg(long, value_name = "VERSION")]
    python: Option<String>,
    /// Install what this file lists, in pip's format, in place of what the code names
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// Install this, in pip's format, in place of what the code names; may be repeated
    #[arg(long, value_name = "PACKAGE")]
    package: Vec<String>,
    /// The same, several at once.
    #[arg(long, value_name = "PACKAGE", num_args = 1.., hide = true)]
    packages: Vec<String>,
    /// A script that runs once the code is there, before the environment is made
    #[arg(long, value_name = "FILE")]
    setup_script: Option<PathBuf>,
}

impl CodeArgs {
    /// Puts what the flags say of the environment over what a task says.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) async fn over(&self, task: &mut NewTask, context: &Context) -> Result<(), Failure> {
        task.working_dir = self.cwd.clone().or(task.working_dir.take());
        let given = self.environment.is_some() || self.python.is_some() || self.setup_script.is_some();
        if !given && self.requirements.is_none() && self.package.is_empty() && self.packages.is_empty() {
            return Ok(());
        }
        let mut environment = task.environment.take().unwrap_or_default();
        environment.kind = self.environment.unwrap_or(environment.kind);
        environment.python = self.python.clone().or(environment.python);
        let mut listed = [self.package.clone(), self.packages.clone()].concat();
        if let Some(path) = &self.requirements {
            listed.extend(lines(&text(path, context).await?));
        }
        if !listed.is_empty() {
            environment.requirements = listed;
        }
        if let Some(path) = &self.setup_script {
            environment.setup_script = Some(text(path, context).await?);
        }
        task.environment = Some(environment);
        Ok(())
    }

    /// The directory of the code in which the command is to run.
    pub(super) fn cwd(&self) -> Option<&str> {
        self.cwd.as_deref()
    }

    /// Whether a task is to have code from the disk, and there may be some.
    pub(super) fn captures(&self, task: &NewTask, context: &Context) -> bool {
        let runs = task.command.is_some() || task.script.is_some();
        // A file that names its code means that code, unless the flags say otherwise.
        let there = self.upload.is_some() || (task.code.is_none() && capture::may_be_repository(context.dir()));
        !self.no_code && runs && there
    }

    /// Captures the code of a task that is to have some, and puts it into the task.
    ///
    /// # Errors
    /// Those of [`capture::look`].
    pub(super) async fn capture(&self, task: &mut NewTask, context: &Context) -> Result<Captured, Failure> {
        if !self.captures(task, context) {
            return Ok(Captured::default());
        }
        let upload = self.upload.clone().map(|folder| folder.map_or(Upload::Here, Upload::Folder));
        let mut captured = capture::look(context.dir(), &Options { upload, lfs: self.lfs, ..Options::default() }).await?;
        if captured.code.is_some() {
            task.code.clone_from(&captured.code);
            task.working_dir = task.working_dir.take().or(captured.working_dir.clone());
        }
        let environment = task.environment.as_ref();
        // Another way than by what the code holds needs no word about that.
        if environment.is_some_and(|e| e.kind != EnvironmentKind::Auto || !e.requirements.is_empty()) {
            captured.facts.lock = None;
        }
        Ok(captured)
    }
}

/// How often in a row a piece is sent again.
const TRIES: u32 = 8;

/// Sends what goes with a task, from where the server has it.
///
/// # Errors
/// The server's answer, or the last of several without one.
pub(super) async fn send(captured: &Captured, context: &Context, client: &Client) -> Result<(), Failure> {
    if !captured.blobs.is_empty() {
        context.on_interrupt("Interrupted while the code was sent: no task was submitted.");
    }
    let terminal = context.console.terminal();
    let shows = terminal.stderr && terminal.escapes;
    for blob in &captured.blobs {
        let unreadable = |e: &io::Error| Failure::new(Exit::Error, format!("cannot read the code that is to be sent: {e}"));
        let file = File::open(&blob.file).map_err(|e| unreadable(&e))?;
        let told = |there| {
            if shows {
                context.console.redraw(&format!("sending   {} of {}", size(there), size(blob.size)));
            }
        };
        let sent = client.upload((Sink::Uploads, &blob.sha256), blob.size, &file, context.rng(), TRIES, told).await;
        if shows {
            context.console.redraw("");
        }
        sent.map_err(|error| match error {
            UploadError::Client(error) => error.into(),
            UploadError::Read(error) => unreadable(&error),
        })?;
    }
    Ok(())
}

async fn text(path: &Path, context: &Context) -> Result<String, Failure> {
    file::text(&path.display().to_string(), context.read(path).await?)
}

/// The lines of a requirements file, without comments.
fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{Common, testing::Bench},
        wire::Environment,
    };
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: CodeArgs,
    }

    fn args(words: &str) -> CodeArgs {
        Only::try_parse_from(["submit"].into_iter().chain(words.split_whitespace())).unwrap_or_else(|e| panic!("{e}")).args
    }

    #[tokio::test]
    async fn flags_go_over_what_a_file_says_of_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r.txt"), "# ours\ntorch==2.9\n\n  numpy ; python_version > '3.9'\n--extra-index-url https://x\n")
            .unwrap();
        std::fs::write(dir.path().join("s.sh"), "apt-get install -y git\n").unwrap();
        let words = "--environment uv --python 3.12 --package a --packages b==1 --cwd src --requirements DIR/r.txt --setup-script DIR/s.sh";
        let context = Bench::default().context(Common::default());
        let mut task = NewTask { working_dir: Some("x".into()), ..NewTask::default() };
        task.environment = Some(Environment { requirements: vec!["old".into()], python: Some("3.9".into()), ..Environment::default() });
        let kept = task.clone();
        args("").over(&mut task, &context).await.unwrap();
        assert_eq!(task, kept);
        args(&words.replace("DIR", dir.path().to_str().unwrap())).over(&mut task, &context).await.unwrap();
        insta::assert_json_snapshot!(task);
    }

    #[test]
    fn a_folder_is_named_with_an_equals_sign() {
        assert_eq!(args("--upload").upload, Some(None));
        assert_eq!(args("--upload=src").upload, Some(Some("src".into())));
        assert!(Only::try_parse_from(["submit", "--upload", "--no-code"]).is_err());
    }
}
