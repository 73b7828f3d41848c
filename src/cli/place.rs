//! Which server a command means.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, error::ErrorKind, parser::ValueSource};

/// What was said about the server. At most one of the two is set: what was typed goes over variables, and `SLIPWAY_URL` over
/// `SLIPWAY_CONTEXT`.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its address.
    pub url: Option<String>,
    /// The name of a context.
    pub context: Option<String>,
}

#[derive(Args)]
struct Said {
    /// The server's address [default: the context's, else `http://127.0.0.1:7227`]
    #[arg(long, value_name = "URL", env = "SLIPWAY_URL", hide_env_values = true, global = true)]
    url: Option<String>,
    /// The context to use, one that slipway login made [default: the current one]
    #[arg(long, value_name = "NAME", env = "SLIPWAY_CONTEXT", hide_env_values = true, global = true)]
    context: Option<String>,
}

impl FromArgMatches for Place {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let typed = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        if typed("url") && typed("context") {
            return Err(Error::raw(ErrorKind::ArgumentConflict, "--url and --context both name a server: leave one out\n"));
        }
        let by_context = typed("context");
        let Said { url, context } = Said::from_arg_matches(matches)?;
        Ok(match url {
            Some(url) if !by_context => Self { url: Some(url), context: None },
            _ => Self { url: None, context },
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Place {
    fn augment_args(command: Command) -> Command {
        Said::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Said::augment_args_for_update(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        place: Place,
    }

    #[test]
    fn one_server_is_named() {
        let said = |words: &[&str]| Only::try_parse_from([&["slipway"], words].concat()).map(|only| (only.place.url, only.place.context));
        assert_eq!(said(&["--url", "http://a"]).unwrap(), (Some("http://a".to_owned()), None));
        assert_eq!(said(&["--context", "prod"]).unwrap(), (None, Some("prod".to_owned())));
        assert!(said(&["--context", "prod", "--url", "http://a"]).unwrap_err().to_string().contains("leave one out"));
    }
}
