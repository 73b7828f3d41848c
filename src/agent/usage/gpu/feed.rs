//! A program that says the same again and again, heard for as long as it makes sense.

use crate::agent::usage::helper::Helpers;
use std::{path::Path, time::Duration};
use tokio::{
    io::AsyncReadExt,
    time::{sleep, timeout},
};

/// Longer than any driver takes to wake up; who is silent for longer hangs.
const SILENCE: Duration = Duration::from_mins(1);
/// The pause before it is started again.
const AGAIN: Duration = Duration::from_mins(1);
/// How often in a row it may say nothing of use.
const TRIES: u32 = 3;
/// So much is read at once, and then nothing for a while, so that one that shouts costs little.
const PIECE: usize = 16 << 10;
const PACE: Duration = Duration::from_millis(50);
/// The longest line that is looked at.
const LINE: usize = 4 << 10;

/// Runs a program and hands its lines to `take`, which says whether a line was of use. `quiet` is called when it has ended or was
/// given up. Without use for `patience` bytes, it is given up.
///
/// Returns once it was of no use so many times in a row, or where all helpers are to end; then nothing of it is left.
pub(super) async fn follow(
    helpers: &Helpers,
    program: &Path,
    args: &[&str],
    patience: usize,
    mut take: impl FnMut(&str) -> bool,
    quiet: impl Fn(),
) {
    let mut vain = 0;
    while vain < TRIES {
        let useful = hear(helpers, program, args, patience, &mut take).await;
        quiet();
        vain = if useful { 0 } else { vain + 1 };
        tokio::select! {
            () = helpers.stop.cancelled() => return,
            () = sleep(AGAIN) => {}
        }
    }
    tracing::info!(program = %program.display(), "says nothing of use; no more is asked");
}

async fn hear(helpers: &Helpers, program: &Path, args: &[&str], patience: usize, take: &mut impl FnMut(&str) -> bool) -> bool {
    let mut helper = match helpers.start(program, args) {
        Ok(helper) => helper,
        Err(error) => {
            tracing::info!(program = %program.display(), %error, "cannot be run");
            return false;
        }
    };
    let (mut piece, mut line) = (vec![0; PIECE], Vec::new());
    let (mut useful, mut useless) = (false, 0);
    while useless <= patience {
        let read = tokio::select! {
            () = helpers.stop.cancelled() => break,
            read = timeout(SILENCE, helper.output.read(&mut piece)) => read,
        };
        let Ok(Ok(length @ 1..)) = read else { break };
        for part in piece[..length].split_inclusive(|byte| *byte == b'\n') {
            useless += part.len();
            if line.len() + part.len() <= LINE {
                line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                if take(String::from_utf8_lossy(&line).trim_end()) {
                    (useful, useless) = (true, 0);
                }
                line.clear();
            }
        }
        sleep(PACE).await;
    }
    helper.end().await;
    useful
}

/// Runs a program to its end: what it said, up to so many bytes and only where it took no longer than it may be silent.
pub(super) async fn once(helpers: &Helpers, program: &Path, args: &[&str], most: u64) -> String {
    let Ok(mut helper) = helpers.start(program, args) else { return String::new() };
    let mut said = Vec::new();
    let mut output = (&mut helper.output).take(most);
    tokio::select! {
        () = helpers.stop.cancelled() => {}
        _ = timeout(SILENCE, output.read_to_end(&mut said)) => {}
    }
    helper.end().await;
    String::from_utf8_lossy(&said).into_owned()
}
