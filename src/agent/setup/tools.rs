//! Running the programs of the image.

use super::Fault;
use crate::{
    agent::{
        environment::{self, Vars},
        log::Log,
        raw,
    },
    wire::Reason,
};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver};

/// How much of a program's output is kept to say why it failed.
const TAIL: usize = 8 << 10;

/// The programs of the image, with the environment that they get.
#[derive(Clone)]
pub(super) struct Tools {
    env: Vars,
    log: Arc<Log>,
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ok: bool,
    /// The end of what it wrote.
    pub(super) tail: String,
}

/// A call of a program in the making.
pub(super) struct Call<'a> {
    tools: &'a Tools,
    program: PathBuf,
    args: Vec<OsString>,
    dir: &'a Path,
    env: Vec<(&'a str, OsString)>,
    stdin: Option<PathBuf>,
    quiet: bool,
}

impl Tools {
    pub(super) fn new(env: Vars, log: Arc<Log>) -> Self {
        Self { env, log }
    }

    /// Sets variables for all programs, over those that there are.
    pub(super) fn set(&mut self, more: Vars) {
        self.env.extend(more);
    }

    /// Where the search path has a program.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        environment::program(&self.env, name)
    }

    /// A program that there must be; `fix` says what to do where there is none.
    pub(super) fn need(&self, name: &str, fix: &str) -> Result<PathBuf, Fault> {
        self.find(name).ok_or_else(|| Fault::new(Reason::ToolMissing, format!("there is no {name} in the image: {fix}")))
    }

    pub(super) fn call<'a>(&'a self, program: &Path, dir: &'a Path) -> Call<'a> {
        Call { tools: self, program: program.to_owned(), args: vec![], dir, env: vec![], stdin: None, quiet: false }
    }

    /// Runs a script as a task's would be: by the interpreter of its first line, else by `/bin/sh`.
    pub(super) async fn script(&self, text: &str, path: &Path, dir: &Path) -> Result<(), Fault> {
        let write = || -> io::Result<()> {
            let _ = fs::remove_file(path);
            OpenOptions::new().write(true).create_new(true).mode(0o700).open(path)?.write_all(text.as_bytes())
        };
        write().map_err(|e| Fault::io("write the set-up script", &e))?;
        let call = if text.starts_with("#!") { self.call(path, dir) } else { self.call(Path::new("/bin/sh"), dir).arg(path) };
        let ran = call.run().await?;
        if ran.ok { Ok(()) } else { Err(Fault::new(Reason::SetupFailed, format!("the set-up script failed: {}", ran.last()))) }
    }
}

impl Ran {
    /// The last line that says something, for people; never more than 300 bytes.
    pub(super) fn last(&self) -> String {
        let line = self.tail.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
        line[..line.floor_char_boundary(300)].to_owned()
    }

    /// The first line that begins so.
    pub(super) fn line(&self, beginnings: &[&str]) -> Option<String> {
        let line = self.tail.lines().map(str::trim).find(|line| beginnings.iter().any(|b| line.starts_with(b)))?;
        Some(line[..line.floor_char_boundary(300)].to_owned())
    }
}

impl<'a> Call<'a> {
    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(super) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    pub(super) fn env(mut self, name: &'a str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name, value.as_ref().to_owned()));
        self
    }

    /// Gives it a file to read.
    pub(super) fn stdin(mut self, file: &Path) -> Self {
        self.stdin = Some(file.to_owned());
        self
    }

    /// Keeps what it writes out of the log: it is read by us alone.
    pub(super) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs it to its end. What it writes goes to the log as it comes.
    pub(super) async fn run(self) -> Result<Ran, Fault> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |e: &io::Error| Fault::io(&format!("run {name}"), e);
        let (tools, quiet) = (self.tools, self.quiet);
        let (mut child, mut output) = self.start().map_err(|e| failed(&e))?;
        let (mut tail, mut piece) = (Vec::new(), vec![0; 16 << 10]);
        loop {
            match output.read(&mut piece).await {
                Ok(0) => break,
                Ok(n) => {
                    if !quiet {
                        tools.log.push(&piece[..n]);
                    }
                    tail.extend_from_slice(&piece[..n]);
                    let excess = tail.len().saturating_sub(TAIL);
                    tail.drain(..excess);
                }
                Err(error) => return Err(failed(&error)),
            }
        }
        let status: ExitStatus = child.wait().await.map_err(|e| failed(&e))?;
        Ok(Ran { ok: status.success(), tail: String::from_utf8_lossy(&tail).into_owned() })
    }

    fn start(self) -> io::Result<(tokio::process::Child, Receiver)> {
        let (reader, writer) = io::pipe()?;
        let mut command = std::process::Command::new(&self.program);
        command.args(self.args).env_clear().envs(&self.tools.env).envs(self.env).current_dir(self.dir);
        let stdin = self.stdin.map(File::open).transpose()?.map_or_else(Stdio::null, Stdio::from);
        command.stdin(stdin).stdout(writer.try_clone()?).stderr(writer).process_group(0);
        raw::subordinate(&mut command);
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn()?;
        drop(command);
        Ok((child, Receiver::from_owned_fd(reader.into())?))
    }
}
