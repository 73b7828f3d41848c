//! The program under test as a process, ended whatever happens.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// The program under test.
const SLIPWAY: &str = env!("CARGO_BIN_EXE_slipway");

/// A program at work that is killed when the test lets go of it. What it says goes to files.
pub(crate) struct Program {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Program {
    /// Starts the program with `args` and `env`; its output is kept in `dir` under `name`.
    pub(crate) fn start(dir: &Path, name: &str, args: &[&str], env: &[(&str, String)]) -> Self {
        let (out, err) = (dir.join(format!("{name}.out")), dir.join(format!("{name}.err")));
        let create = |path| File::create(path).expect("a file for the output");
        let mut command = Command::new(SLIPWAY);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"SLIPWAY_")) {
            command.env_remove(name);
        }
        command.args(args).envs(env.iter().map(|(k, v)| (k, v))).current_dir(dir);
        command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
        Self { child: command.spawn().expect("the program starts"), out, err }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Not reaped before its status was asked for, so the number is still its own.
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    pub(crate) fn out(&self) -> Vec<u8> {
        fs::read(&self.out).unwrap_or_default()
    }

    pub(crate) fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}
