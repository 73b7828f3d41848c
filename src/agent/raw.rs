//! What must happen between fork and exec: the room's one unsafe place.

use nix::{
    fcntl::{OFlag, open},
    sys::{
        prctl::{set_dumpable, set_pdeathsig},
        signal::Signal,
        stat::Mode,
    },
    unistd::write,
};
use std::os::unix::process::CommandExt;

/// How much politer the command is scheduled than the agent, whose heartbeat must not starve.
const NICE: i32 = 5;

/// Makes the command die with the agent's worker, and be the first to go when processor or memory run short.
///
/// The spawning thread must be one that lives as long as the process: the kernel ties the first to the thread.
pub(super) fn subordinate(command: &mut std::process::Command) {
    let between = || {
        set_pdeathsig(Signal::SIGKILL)?;
        // Best effort, all: the command runs without them too. What is hidden may not write its own file; between here and
        // exec this copy of the agent is as open as the command will be.
        let _ = set_dumpable(true);
        if let Ok(file) = open(c"/proc/self/oom_score_adj", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()) {
            let _ = write(&file, b"500");
        }
        renice();
        Ok(())
    };
    #[expect(unsafe_code, reason = "there is no safe way to run code between fork and exec")]
    // SAFETY: the closure makes system calls only, through wrappers that neither allocate nor take locks, and touches
    // nothing of the parent's state: what may be done in the child of a fork.
    unsafe {
        command.pre_exec(between);
    }
}

fn renice() {
    #[expect(unsafe_code, reason = "nix has no wrapper for it")]
    // SAFETY: a plain system call on this process, without pointers.
    unsafe {
        nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, NICE);
    }
}

/// The worker dies with init: without it nobody would reap or sweep.
pub(super) fn die_with_parent() -> nix::Result<()> {
    set_pdeathsig(Signal::SIGKILL)
}

/// Keeps other processes of the same user from this one's memory, environment and open files. It lasts until the next
/// exec: the command is not hidden.
pub(super) fn hide() {
    // Only an unknown argument could fail.
    let _ = set_dumpable(false);
}
