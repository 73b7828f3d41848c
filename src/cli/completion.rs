//! `slipway completion`

use super::{
    complete::VARIABLE,
    context::Context,
    exit::{Exit, Failure},
};
use clap_complete::{Shell, env::Shells};

pub(super) const EXAMPLES: &str = "\
Examples, each a line of the file that the shell reads when it starts:
  bash        source <(slipway completion bash)                                           ~/.bashrc
  zsh         source <(slipway completion zsh)                                            ~/.zshrc
  fish        slipway completion fish | source                                            ~/.config/fish/config.fish
  PowerShell  slipway completion powershell | Out-String | Invoke-Expression              $PROFILE
  elvish      eval (slipway completion elvish | slurp)                                    ~/.config/elvish/rc.elv

Ids and names of tasks, queues, runners and contexts are looked up while you type: at the server that the command would go to,
for less than a second, and without a word where it does not answer. The script belongs to this version: make it anew with each.";

/// The arguments of `completion`.
#[derive(Clone, Debug, clap::Args)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Prints a completion script.
pub(super) fn run(args: &CompletionArgs, context: &Context) -> Result<Exit, Failure> {
    let name = args.shell.to_string();
    let shells = Shells::builtins();
    let shell = shells.completer(&name).ok_or_else(|| Failure::usage(format!("there is no completion for {name}")))?;
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, "slipway", "slipway", "slipway", &mut script);
    written.map_err(|e| Failure::new(Exit::Error, format!("cannot make the script: {e}")))?;
    context.console.bytes(&script)?;
    Ok(Exit::Ok)
}
