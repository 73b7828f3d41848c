//! The agent's outer process: lock, signals, reaping, and the certainty that nothing is left.

use super::{Exit, place::Place, tree::Tree};
use crate::{crash_point, wire::handoff::files};
use nix::{
    errno::Errno,
    sys::{
        prctl::set_child_subreaper,
        signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid, setsid},
};
use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

/// What is passed on to the worker. A signal that it has no use for would only kill it.
const PASSED: [Signal; 6] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// Runs an agent for the attempt in `place` and returns its exit code once nothing of the attempt is left.
///
/// `worker` starts the same program again so that it calls [`super::work`] with the same place; the process id of this
/// one is added as its last argument. Call it from the main thread of a process that has no other.
#[must_use]
pub fn init(place: &Place, worker: Command) -> ExitCode {
    // Away from the terminal and the process group of whoever started us; no harm where we lead a group already.
    let _ = setsid();
    place.shield();
    match attend(place, worker) {
        Ok(0) => ExitCode::from(place.shown()),
        Ok(code) => ExitCode::from(code),
        Err(exit) => exit.end(place),
    }
}

fn attend(place: &Place, mut worker: Command) -> Result<u8, Exit> {
    let lock = hold_lock(place)?;
    crash_point!("agent.locked");
    set_child_subreaper(true).map_err(|e| Exit::Fault(format!("cannot become a subreaper: {e}")))?;
    // Blocked, so that they wait for `wait()` below and none is missed between spawn and loop.
    let signals: SigSet = PASSED.into_iter().chain([Signal::SIGCHLD]).collect();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&signals), None).map_err(|e| Exit::Fault(format!("cannot block signals: {e}")))?;
    let inherited = lock.try_clone().map_err(|e| Exit::Fault(format!("cannot duplicate the lock: {e}")))?;
    // The worker holds the lock too, as its standard input: there it needs no flag that says what to pass on, and the
    // command, which gets an input of its own, never sees it.
    let worker = worker
        .arg(getpid().to_string())
        .stdin(Stdio::from(inherited))
        .spawn()
        .map_err(|e| Exit::Fault(format!("cannot start the worker: {e}")))?;
    let worker = Pid::from_raw(i32::try_from(worker.id()).unwrap_or(i32::MAX));
    crash_point!("agent.forked");
    let code = watch(worker, &signals);
    sweep();
    crash_point!("agent.swept");
    drop(lock);
    code
}

fn hold_lock(place: &Place) -> Result<File, Exit> {
    let path = place.at(files::LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| Exit::setup(format!("cannot open {}: {e}", path.display())))?;
    // A runner looks whether the lock is free by taking it for a moment, so one refusal means nothing yet.
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => return Err(Exit::Fault("another agent carries this attempt".into())),
            Err(TryLockError::Error(e)) => return Err(Exit::setup(format!("cannot lock {}: {e}", path.display()))),
        }
    }
}

/// Passes signals on and reaps until the worker is gone; its exit code, which is one of the agent's.
fn watch(worker: Pid, signals: &SigSet) -> Result<u8, Exit> {
    loop {
        // One SIGCHLD may stand for many ends, and the first may have come before we looked.
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == worker => return worker_code(code),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == worker => {
                    return Err(Exit::Fault(format!("the agent's worker was killed by {signal}; the command ends with it")));
                }
                Ok(WaitStatus::StillAlive) => break,
                Err(Errno::ECHILD) => return Err(Exit::Fault("the agent's worker is gone".into())),
                Ok(_) | Err(_) => {}
            }
        }
        if let Ok(signal) = signals.wait()
            && PASSED.contains(&signal)
        {
            // Not reaped yet, so the number is still the worker's.
            let _ = kill(worker, signal);
        }
    }
}

fn worker_code(code: i32) -> Result<u8, Exit> {
    let known = u8::try_from(code).ok().filter(|code| matches!(code, 0 | 97..=99));
    known.ok_or_else(|| Exit::Fault(format!("the agent's worker ended with exit code {code}, which says nothing")))
}

/// Kills and reaps until nothing descends from us any more.
fn sweep() {
    let tree = Tree::of_init();
    let mut pause = Duration::from_millis(1);
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) | Err(_) => {}
            Ok(_) => continue,
        }
        // What lives and may not be killed by us is another user's: a set-uid program.
        if tree.signal(Signal::SIGKILL) == 0 && !tree.alive().is_empty() {
            return;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
