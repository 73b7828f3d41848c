//! The `slipway-tools` program: what the build and the tests need beside cargo.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipway::app::tools::main()
}
