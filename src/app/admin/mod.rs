//! `slipway admin`: what is done to a server's data itself.

mod archive;
mod backup;
mod migrate;
#[cfg(feature = "glue")]
mod reap;
mod restore;

use super::{args::AdminCommand, surroundings::say};
use crate::domain::{Clock, SecretKind, mint_secret};
use anyhow::Result;
use secrecy::ExposeSecret;
use std::{io::Write, process::ExitCode, time::Duration};

/// Runs one of them.
pub(super) async fn run(command: AdminCommand) -> Result<ExitCode> {
    match command {
        AdminCommand::Backup(args) => backup::run(&args).await?,
        AdminCommand::Restore(args) => restore::run(&args).await?,
        AdminCommand::Migrate(args) => return migrate::run(&args).await,
        AdminCommand::MintToken => mint()?,
        // A user's command, which is run as one.
        AdminCommand::SupportBundle(args) => {
            let around = super::surroundings::gather(super::args::root);
            let ended = crate::cli::run(crate::cli::Command::SupportBundle(*args), around).await;
            return Ok(ExitCode::from(ended.code()));
        }
        #[cfg(feature = "glue")]
        AdminCommand::Reap(args) => reap::run(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a fresh token, which no server knows yet.
fn mint() -> Result<()> {
    let secret = mint_secret(SecretKind::Api, &super::ambient::SystemRng);
    writeln!(std::io::stdout(), "{}", secret.expose_secret())?;
    Ok(())
}

/// How far something long has come, said now and then.
struct Progress {
    clock: super::ambient::SystemClock,
    said: Duration,
    logs: u64,
    uploads: u64,
    bytes: u64,
    /// Logs of which nothing was found.
    missing: u64,
}

impl Progress {
    fn new() -> Self {
        let clock = super::ambient::SystemClock;
        Self { clock, said: clock.monotonic(), logs: 0, uploads: 0, bytes: 0, missing: 0 }
    }

    fn bytes(&mut self, more: usize) {
        self.bytes += more as u64;
        if self.due() {
            say(format_args!("  {self}"));
        }
    }

    /// So many rows have gone from one database to the other.
    fn rows(&mut self, rows: u64) {
        if self.due() {
            say(format_args!("  {rows} rows"));
        }
    }

    /// Whether something is to be said again.
    fn due(&mut self) -> bool {
        let now = self.clock.monotonic();
        let due = now.saturating_sub(self.said) >= Duration::from_secs(2);
        if due {
            self.said = now;
        }
        due
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let uploads = if self.uploads > 0 { format!(", {} uploads", self.uploads) } else { String::new() };
        write!(f, "{} logs{uploads}, {}", self.logs, size(self.bytes))
    }
}

/// `512 B`, `3.4 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of a unit, in whole numbers.
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_read_at_a_glance() {
        let shown = [0, 1023, 1024, 3_565_159, 5 << 30, 7 << 40].map(super::size);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "3.4 MiB", "5.0 GiB", "7.0 TiB"]);
    }
}
