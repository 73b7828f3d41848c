//! What the command line asks for.

use crate::{
    Failure,
    case::{Case, LONG, SHORT},
    side::Side,
};
use std::time::Duration;

pub(crate) struct Options {
    /// `--pairs N`: how often each side plays each case; 2, or 5 in the long form.
    pub(crate) pairs: usize,
    /// `--case TASKSxMSxSLOTS`, again for more; else those of the short form, or with `--long` of the long one.
    pub(crate) cases: Vec<Case>,
    /// `--side NAME`, again for more; else all.
    sides: Vec<String>,
    /// `--container-ms N`: how long the kubelet takes to start one container; 0.
    pub(crate) container: Duration,
    /// `--qps N`: our glue's writes a second, and twice that at once; else what it does by itself.
    pub(crate) qps: Option<u32>,
    /// `--keep DIR`: what server and glue say is kept there, and the record of each run.
    pub(crate) keep: Option<String>,
    /// `--out FILE`: results go there, not into `benches/results`.
    pub(crate) out: Option<String>,
    /// `--table`: only writes the table of the newest results.
    pub(crate) table: bool,
}

impl Options {
    pub(crate) fn read() -> Result<Self, Failure> {
        let (mut pairs, mut long) = (None, false);
        let mut options = Self {
            pairs: 0,
            cases: Vec::new(),
            sides: Vec::new(),
            container: Duration::ZERO,
            qps: None,
            keep: None,
            out: None,
            table: false,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--pairs" => pairs = Some(value()?.parse()?),
                "--long" => long = true,
                "--case" => options.cases.push(value()?.parse()?),
                "--side" => options.sides.push(value()?),
                "--container-ms" => options.container = Duration::from_millis(value()?.parse()?),
                "--qps" => options.qps = Some(value()?.parse()?),
                "--keep" => options.keep = Some(value()?),
                "--out" => options.out = Some(value()?),
                "--table" => options.table = true,
                // `cargo bench` adds a flag of its own.
                "--bench" => {}
                _ => return Err(format!("unknown argument {arg}").into()),
            }
        }
        options.pairs = pairs.unwrap_or(if long { 5 } else { 2 });
        if options.cases.is_empty() {
            options.cases = if long { LONG.to_vec() } else { SHORT.to_vec() };
        }
        Ok(options)
    }

    /// Whether a side is asked for.
    pub(crate) fn want(&self, side: &Side) -> bool {
        self.sides.is_empty() || self.sides.iter().any(|name| name == side.flag())
    }
}
