//! What the command line asks for.

use crate::Failure;
use std::time::Duration;

pub(crate) struct Options {
    /// `--rounds N`
    pub(crate) rounds: usize,
    /// `--seconds N`: of one phase of one driver.
    pub(crate) seconds: f64,
    /// `--no-peers`: the queues of others take no part.
    pub(crate) peers: bool,
    /// `--default-peers`: those are not set as their documents advise.
    pub(crate) tuned: bool,
    /// `--depth N`: tasks that are many.
    pub(crate) depth: usize,
    /// `--hold SECONDS`: how long a snapshot is held.
    pub(crate) hold: Duration,
    /// `--kills N`
    pub(crate) kills: usize,
    /// `--only NAME`, again for more: scenes, or `rounds`.
    only: Vec<String>,
    /// `--out FILE`: results go there, not into `benches/results`.
    pub(crate) out: Option<String>,
    /// `--table`: only writes the table of the newest results into the README.
    pub(crate) table: bool,
}

impl Options {
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut options = Self {
            rounds: 5,
            seconds: 1.0,
            peers: true,
            tuned: true,
            depth: 1_000_000,
            hold: Duration::from_mins(1),
            kills: 3,
            only: Vec::new(),
            out: None,
            table: false,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--no-peers" => options.peers = false,
                "--default-peers" => options.tuned = false,
                "--depth" => options.depth = value()?.parse()?,
                "--hold" => options.hold = Duration::from_secs(value()?.parse()?),
                "--kills" => options.kills = value()?.parse()?,
                "--only" => options.only.push(value()?),
                "--out" => options.out = Some(value()?),
                "--table" => options.table = true,
                // `cargo bench` adds a flag of its own.
                "--bench" => {}
                _ => return Err(format!("unknown argument {arg}").into()),
            }
        }
        Ok(options)
    }

    /// Whether a part is asked for.
    pub(crate) fn plays(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}
