//! `slipway completion`

use super::{
    context::Context,
    exit::{Exit, Failure},
};
use clap_complete::Shell;

pub(super) const EXAMPLES: &str = "\
Examples:
  bash        slipway completion bash > ~/.local/share/bash-completion/completions/slipway
  zsh         slipway completion zsh > ~/.zfunc/_slipway      (with ~/.zfunc in fpath)
  fish        slipway completion fish > ~/.config/fish/completions/slipway.fish
  PowerShell  slipway completion powershell >> $PROFILE
  elvish      slipway completion elvish >> ~/.config/elvish/rc.elv";

/// The arguments of `completion`.
#[derive(Clone, Debug, clap::Args)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Prints a completion script.
pub(super) fn run(args: &CompletionArgs, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut (context.root)(), "slipway", &mut script);
    context.console.bytes(&script)?;
    Ok(Exit::Ok)
}
