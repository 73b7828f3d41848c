//! Which token a command bears.

use clap::{
    ArgMatches, Args, Command, Error, FromArgMatches,
    builder::{StringValueParser, TypedValueParser},
    error::ErrorKind,
    parser::ValueSource,
};
use secrecy::SecretString;
use std::path::PathBuf;

/// What was said about the token. At most one of the two is set: `--token-file` as it was typed goes over the variable
/// `SLIPWAY_TOKEN`, and that over `SLIPWAY_TOKEN_FILE`.
#[derive(Clone, Debug, Default)]
pub struct Credential {
    /// The file that holds it.
    pub file: Option<PathBuf>,
    /// The token itself.
    pub token: Option<SecretString>,
}

#[derive(Args)]
struct Given {
    /// Read the token from a file; the variable `SLIPWAY_TOKEN` holds it directly
    #[arg(long, value_name = "FILE", env = "SLIPWAY_TOKEN_FILE", hide_env_values = true, global = true)]
    token_file: Option<PathBuf>,
    /// Only for its variable: as an option it is refused.
    #[arg(long, env = "SLIPWAY_TOKEN", hide = true, hide_env_values = true, global = true,
          value_parser = StringValueParser::new().map(SecretString::from))]
    token: Option<SecretString>,
}

impl FromArgMatches for Credential {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let typed = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        if typed("token") {
            let why = "a token on the command line shows to everyone on this machine: set SLIPWAY_TOKEN, or use --token-file FILE\n";
            return Err(Error::raw(ErrorKind::ArgumentConflict, why));
        }
        let Given { token_file, token } = Given::from_arg_matches(matches)?;
        Ok(if token.is_some() && !typed("token_file") { Self { file: None, token } } else { Self { file: token_file, token: None } })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Credential {
    fn augment_args(command: Command) -> Command {
        Given::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Given::augment_args_for_update(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        credential: Credential,
    }

    #[test]
    fn a_token_is_never_typed() {
        let error = Only::try_parse_from(["slipway", "--token", "slw_x"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("SLIPWAY_TOKEN") && !error.to_string().contains("slw_x"));
        let typed = Only::try_parse_from(["slipway", "--token-file", "t"]).unwrap().credential;
        assert_eq!(typed.file, Some("t".into()));
    }
}
