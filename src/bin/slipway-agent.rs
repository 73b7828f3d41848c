//! The `slipway-agent` program: the agent alone, small enough for every image.

use slipway::app::agent;
use std::{ffi::OsString, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = args.iter().map(|arg| arg.to_str()).collect();
    match (words.as_slice(), args.as_slice()) {
        ([Some("run"), _], [_, dir]) => agent::outer(Path::new(dir), &["work"]),
        ([Some("work"), _, Some(init)], [_, dir, _]) if init.parse::<i32>().is_ok() => {
            agent::inner(Path::new(dir), init.parse().unwrap_or_default())
        }
        _ => {
            eprintln!("usage: slipway-agent run DIR");
            ExitCode::from(2)
        }
    }
}
