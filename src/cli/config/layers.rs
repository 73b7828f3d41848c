//! From what each place says to what counts. Pure.

use super::keys::KEYS;
use crate::cli::exit::Failure;
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An option of this command.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The context that is used.
    Context(String),
    /// The choice of the current context.
    Current,
    /// Nobody.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Context(name) => write!(f, "context {name}"),
            Self::Current => f.write_str("slipway context use"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A value and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// What one place says, or what counts of several, by key.
pub(crate) type Settings = BTreeMap<String, Setting>;

/// What counts where several speak, the strongest first. Of a table each entry counts for itself.
pub(super) fn merged(layers: impl IntoIterator<Item = Settings>) -> Settings {
    let mut all = Settings::new();
    for (key, setting) in layers.into_iter().flatten() {
        all.entry(key).or_insert(setting);
    }
    all
}

/// What the variables of the environment say.
///
/// # Errors
/// One has a value that its key does not take.
pub(super) fn of_variables(variables: &BTreeMap<String, String>) -> Result<Settings, Failure> {
    let mut all = Settings::new();
    let named = KEYS.iter().filter_map(|key| Some((key, key.variable()?)));
    for (key, name) in named {
        let Some(value) = variables.get(&name) else { continue };
        (key.check)(value).map_err(|why| Failure::usage(format!("the variable {name}: {why}")))?;
        all.insert(key.name.to_owned(), Setting { value: value.clone(), origin: Origin::Variable(name) });
    }
    Ok(all)
}

/// The words of names whose values nobody should see.
const SECRETS: [&str; 9] = ["TOKEN", "SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY"];
/// How the tokens of well-known services begin.
const SHAPES: [&str; 11] = ["slw_", "slws_", "slwa_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_"];

/// The value as it may be shown: one that looks like a secret may not.
pub(super) fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    let name = key.to_ascii_uppercase().replace('-', "_");
    let password = value.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'));
    let secret = key.starts_with("submit.") && (SECRETS.iter().any(|word| name.contains(word)) || password);
    if secret || SHAPES.iter().any(|shape| value.contains(shape)) { "(hidden)" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, said: &[(&str, &str)]) -> Settings {
        let setting =
            |nth: usize, value: &str| Setting { value: value.to_owned(), origin: Origin::File { path: path.into(), line: nth + 1 } };
        said.iter().enumerate().map(|(nth, (key, value))| ((*key).to_owned(), setting(nth, value))).collect()
    }

    #[test]
    fn the_strongest_layer_that_speaks_counts() {
        let variables = [("SLIPWAY_SUBMIT_QUEUE", "env"), ("SLIPWAY_SUBMIT_MAX_WAIT", "2h"), ("SLIPWAY_LOG", "x")];
        let variables = of_variables(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()).unwrap();
        let project =
            file(".slipway.toml", &[("submit.queue", "project"), ("submit.gpus", "1"), ("submit.env.A", "p"), ("context", "lab")]);
        let user = file("config.toml", &[("submit.queue", "user"), ("submit.env.A", "u"), ("submit.env.B", "u"), ("output", "wide")]);
        let all = merged([variables, project, user]);
        let told: Vec<_> = all.iter().map(|(key, setting)| format!("{key} = {} ({})", setting.value, setting.origin)).collect();
        assert_eq!(
            told,
            [
                "context = lab (.slipway.toml:4)",
                "output = wide (config.toml:4)",
                "submit.env.A = p (.slipway.toml:3)",
                "submit.env.B = u (config.toml:3)",
                "submit.gpus = 1 (.slipway.toml:2)",
                "submit.max-wait = 2h (SLIPWAY_SUBMIT_MAX_WAIT)",
                "submit.queue = env (SLIPWAY_SUBMIT_QUEUE)",
            ]
        );
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_named() {
        let failure = of_variables(&[("SLIPWAY_SUBMIT_GPUS".to_owned(), "many".to_owned())].into()).unwrap_err();
        assert!(failure.message.unwrap().starts_with("the variable SLIPWAY_SUBMIT_GPUS: "));
        assert!(failure.hints.is_empty());
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        for (key, value, show) in [
            ("submit.env.EPOCHS", "90", "90"),
            ("submit.env.HF_TOKEN", "abc", "(hidden)"),
            ("submit.env.db-password", "abc", "(hidden)"),
            ("submit.env.INDEX", "https://me:pw@pypi/simple", "(hidden)"),
            ("submit.env.INDEX", "https://pypi/simple?at=@", "https://pypi/simple?at=@"),
            ("submit.env.X", "ghp_0123", "(hidden)"),
            ("submit.variables.api-key", "k", "(hidden)"),
            ("submit.queue", "gpu", "gpu"),
        ] {
            assert_eq!(shown(key, value), show, "{key}");
        }
    }
}
