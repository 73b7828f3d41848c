//! What the command line asks for.

use crate::Failure;

#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// Of one phase of one driver.
    pub(crate) seconds: f64,
    /// Whether the queues of others take part, and whether set as their documents advise.
    pub(crate) peers: bool,
    pub(crate) tuned: bool,
    /// Only writes the table.
    pub(crate) table: bool,
}

impl Options {
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut options = Self { rounds: 5, seconds: 2.0, peers: true, tuned: true, table: false };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--no-peers" => options.peers = false,
                "--default-peers" => options.tuned = false,
                "--table" => options.table = true,
                // `cargo bench` adds a flag of its own.
                "--bench" => {}
                _ => return Err(format!("unknown argument {arg}").into()),
            }
        }
        Ok(options)
    }
}
