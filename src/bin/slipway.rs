//! The `slipway` program: every role in one binary.

fn main() -> std::process::ExitCode {
    slipway::app::main()
}
