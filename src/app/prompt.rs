//! Asking for what is not to be seen.

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr},
};
use std::{
    io::{self, Stdin, Write},
    os::fd::AsFd,
};
use tokio_util::sync::CancellationToken;

/// How long one look at the keyboard lasts, in milliseconds; whoever interrupts waits no longer.
const LOOK: u8 = 100;

/// Asks at the terminal and reads a line that is not shown, until `interrupt`.
pub(super) fn ask(what: &str, interrupt: &CancellationToken) -> io::Result<String> {
    let stdin = io::stdin();
    let hidden = Hidden::begin(&stdin)?;
    io::stderr().write_all(what.as_bytes())?;
    let mut line = String::new();
    loop {
        if interrupt.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut keyboard = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        if poll(&mut keyboard, PollTimeout::from(LOOK))? > 0 {
            stdin.read_line(&mut line)?;
            break;
        }
    }
    drop(hidden);
    // The line's own end was not shown either.
    io::stderr().write_all(b"\n")?;
    Ok(line)
}

/// A terminal that does not show what is typed, for as long as this lives.
struct Hidden<'a>(&'a Stdin, Termios);

impl<'a> Hidden<'a> {
    fn begin(stdin: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(stdin)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(stdin, SetArg::TCSAFLUSH, &quiet)?;
        Ok(Self(stdin, before))
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.0, SetArg::TCSAFLUSH, &self.1);
    }
}
