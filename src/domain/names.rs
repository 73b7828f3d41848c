//! Names of queues, runners and budgets, parsed once at the edge.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a text is no legal name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a legal name: use 1 to 63 of A-Z a-z 0-9 . _ - with a letter or digit at both ends")]
pub struct NameError {
    /// What was given, cut to 64 characters.
    pub text: String,
}

/// Kubernetes' rule for label values, without the empty one: a name of ours stands in a label as it is.
pub(super) fn legal_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "server", schema(value_type = String, example = "gpu-a100"))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                if legal_label_value(&text) {
                    Ok(Self(text))
                } else {
                    Err(NameError { text: text.chars().take(64).collect() })
                }
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A queue's name: a legal Kubernetes label value (1 to 63 characters), for instance `gpu-a100`.
    QueueName
);
name!(
    /// A runner's configured name: a legal Kubernetes label value (1 to 63 characters), never a pod's name.
    RunnerName
);

name!(
    /// A budget's name: a legal Kubernetes label value (1 to 63 characters), for instance `gpu-pool`.
    BudgetName
);

impl Default for QueueName {
    /// The queue of a task that names none.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kubernetes_label_values() {
        for legal in ["a", "default", "example_queue_1", "A.b-C_9", &"x".repeat(63)] {
            assert!(legal.parse::<QueueName>().is_ok(), "{legal:?} must be legal");
        }
        for illegal in ["", "-a", "a-", "a b", "a/b", "ä", "a\n", &"x".repeat(64)] {
            assert!(illegal.parse::<QueueName>().is_err(), "{illegal:?} must be refused");
        }
    }
}
