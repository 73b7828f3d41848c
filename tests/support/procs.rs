//! Processes of the tests, found in `/proc`.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{fs, os::unix::ffi::OsStrExt, path::Path};

/// A living process below a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// Its command line, argument by argument.
    pub(crate) args: Vec<String>,
}

impl Seen {
    /// `run` for an agent's outer process, `work` for its inner one.
    pub(crate) fn agent(&self) -> Option<&str> {
        let at = self.args.iter().position(|arg| arg == "agent").filter(|at| *at <= 1)?;
        self.args.get(at + 1).map(String::as_str)
    }
}

/// Every living process that works in `dir`, or whose arguments or environment name it; this one excepted.
pub(crate) fn below(dir: &Path) -> Vec<Seen> {
    let needle = dir.as_os_str().as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let this = i32::try_from(std::process::id()).unwrap_or_default();
    let mut seen = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).filter(|pid| *pid != this) else { continue };
        let path = entry.path();
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
        let (Some(state), Some(Ok(parent))) = (fields.next(), fields.next().map(str::parse)) else { continue };
        if matches!(state, "Z" | "X") {
            continue;
        }
        let args = fs::read(path.join("cmdline")).unwrap_or_default();
        let cwd = fs::read_link(path.join("cwd")).unwrap_or_default();
        if holds(&args) || cwd.starts_with(dir) || holds(&fs::read(path.join("environ")).unwrap_or_default()) {
            let args =
                args.strip_suffix(b"\0").unwrap_or(&args).split(|b| *b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
            seen.push(Seen { pid, parent, args });
        }
    }
    seen
}

/// Sends a signal to a process that may have ended meanwhile.
pub(crate) fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// A number of `/proc/PID/status`, in KiB.
pub(crate) fn status_kib(pid: i32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The machine's uptime in seconds, as the record has it.
pub(crate) fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").expect("/proc/uptime");
    text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")
}
