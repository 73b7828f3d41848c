//! A program that says the same again and again, heard for as long as it makes sense.

use crate::agent::usage::helper::Helpers;
use std::{path::Path, time::Duration};
use tokio::{
    io::AsyncReadExt,
    time::{sleep, timeout},
};

/// How long one is waited for, and listened to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Longer than any driver takes to wake up; who is silent for longer hangs.
    pub(super) silence: Duration,
    /// The pause before it is started again.
    pub(super) again: Duration,
    /// So many bytes without one of use are too many.
    pub(super) bytes: usize,
}

impl Patience {
    pub(super) const fn of(bytes: usize) -> Self {
        Self { silence: Duration::from_mins(1), again: Duration::from_mins(1), bytes }
    }
}

/// How often in a row it may say nothing of use.
const TRIES: u32 = 3;
/// So much is read at once, and then nothing for a while, so that one that shouts costs little.
const PIECE: usize = 16 << 10;
const PACE: Duration = Duration::from_millis(50);
/// The longest line that is looked at.
const LINE: usize = 4 << 10;

/// Runs a program and hands its lines to `take`, which says whether a line was of use. `quiet` is called when it has ended or was
/// given up.
///
/// Returns once it was of no use so many times in a row, or where all helpers are to end; then nothing of it is left.
pub(super) async fn follow(
    helpers: &Helpers,
    program: &Path,
    args: &[&str],
    patience: Patience,
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
            () = sleep(patience.again) => {}
        }
    }
    tracing::info!(program = %program.display(), "says nothing of use; no more is asked");
}

async fn hear(helpers: &Helpers, program: &Path, args: &[&str], patience: Patience, take: &mut impl FnMut(&str) -> bool) -> bool {
    let mut helper = match helpers.start(program, args) {
        Ok(helper) => helper,
        Err(error) => {
            tracing::info!(program = %program.display(), %error, "cannot be run");
            return false;
        }
    };
    let (mut piece, mut line) = (vec![0; PIECE], Vec::new());
    let (mut useful, mut useless) = (false, 0);
    while useless <= patience.bytes {
        let read = tokio::select! {
            () = helpers.stop.cancelled() => break,
            read = timeout(patience.silence, helper.output.read(&mut piece)) => read,
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
pub(super) async fn once(helpers: &Helpers, program: &Path, args: &[&str], patience: Patience) -> String {
    let Ok(mut helper) = helpers.start(program, args) else { return String::new() };
    let mut said = Vec::new();
    let mut output = (&mut helper.output).take(patience.bytes as u64);
    tokio::select! {
        () = helpers.stop.cancelled() => {}
        _ = timeout(patience.silence, output.read_to_end(&mut said)) => {}
    }
    helper.end().await;
    String::from_utf8_lossy(&said).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{environment::Vars, tree::Tree};
    use std::{cell::Cell, fs};

    const SHORT: Patience = Patience { silence: Duration::from_secs(1), again: Duration::from_millis(10), bytes: 1_000 };

    /// Runs a shell script until it is given up: the lines that came, how often it fell quiet, and the ids that it wrote down.
    async fn heard(script: &str) -> (Vec<String>, u32, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let vars: Vars = [("PATH".into(), "/usr/bin:/bin".into()), ("SECRET".into(), "s3cret".into())].into();
        let helpers = Helpers::new(Tree::of_init(), &vars);
        let (mut lines, quiet) = (Vec::new(), Cell::new(0));
        let script = format!("cd {}; echo $$ >> pids; {script}", dir.path().display());
        let take = |line: &str| {
            lines.push(line.to_owned());
            line == "good"
        };
        let args = ["-c", script.as_str()];
        let all = follow(&helpers, Path::new("/bin/sh"), &args, SHORT, take, || quiet.set(quiet.get() + 1));
        timeout(Duration::from_mins(1), all).await.expect("it is given up");
        let pids: Vec<_> = fs::read_to_string(dir.path().join("pids")).unwrap().lines().map(str::to_owned).collect();
        for pid in &pids {
            assert!(!Path::new("/proc").join(pid).exists(), "{pid} is left");
        }
        (lines, quiet.get(), pids)
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_and_given_up_after_some_tries() {
        let (lines, quiet, pids) = heard("trap '' TERM; sleep 1000 & wait").await;
        assert_eq!((lines.len(), quiet, pids.len()), (0, TRIES, TRIES as usize));
    }

    #[tokio::test]
    async fn one_that_was_of_use_has_all_its_tries_anew() {
        let (lines, quiet, pids) = heard("test $(wc -l < pids) -eq 2 && echo good; echo bad; exit 9").await;
        assert_eq!(lines, ["bad", "good", "bad", "bad", "bad", "bad"]);
        assert_eq!((quiet, pids.len()), (5, 5));
    }

    #[tokio::test]
    async fn one_that_talks_nonsense_is_not_listened_to_for_long() {
        let (lines, _, pids) = heard("exec yes").await;
        assert_eq!(pids.len(), TRIES as usize);
        assert!(lines.len() <= TRIES as usize * (PIECE + SHORT.bytes), "{}", lines.len());
        let (lines, _, pids) = heard("exec tr '\\0' x < /dev/zero").await;
        assert_eq!((lines.len(), pids.len()), (0, TRIES as usize), "a line without an end is none");
    }

    #[tokio::test]
    async fn it_gets_nothing_of_the_agents_environment_but_where_programs_are() {
        let (lines, ..) = heard("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort | tr '\\n' ' '; echo").await;
        assert_eq!(lines[0], "LC_ALL=C PATH=/usr/bin:/bin");
        assert!(lines.iter().all(|line| *line == lines[0]));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_no_trouble() {
        let helpers = Helpers::new(Tree::of_init(), &Vars::new());
        follow(&helpers, Path::new("/no/such/program"), &[], SHORT, |_| true, || {}).await;
        assert_eq!(once(&helpers, Path::new("/no/such/program"), &[], SHORT).await, "");
        assert_eq!(once(&helpers, Path::new("/bin/echo"), &["-n", &"x".repeat(2_000)], SHORT).await.len(), SHORT.bytes);
        helpers.stop.cancel();
        assert_eq!(once(&helpers, Path::new("/bin/sleep"), &["1000"], SHORT).await, "");
    }
}
