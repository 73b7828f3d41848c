//! What a task says of its pod.

use super::{
    labels::{valid_label_key, valid_label_value},
    task::{SecretUse, env_name, escape},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most keys that it adds to the node selector.
const LABELS: usize = 64;
/// The longest name of an image, in bytes.
const IMAGE: usize = 1_000;
/// The most values of Secrets.
const SECRETS: usize = 100;
/// The longest name of a file or of a Secret, in bytes.
const PLAIN: usize = 100;

/// What a task says of its pod, beyond what it needs. Its queue decides what of it is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overrides {
    /// The image of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What it adds to the node selector.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Values of Secrets that it uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// Values of its queue's variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// The GPUs that these values make its pods ask for; found when it is submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// The weight, in thousandths, that these values make its pods say; found when it is submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
}

impl Overrides {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn violations(&self, env: &BTreeMap<String, String>, check: &mut impl FnMut(bool, String, String)) {
        if let Some(image) = &self.image {
            check(is_image(image), "/image".into(), "the name of an image: registry.example.com/name:tag".into());
        }
        check(self.node_selector.len() <= LABELS, "/nodeSelector".into(), format!("at most {LABELS} keys"));
        for (key, value) in &self.node_selector {
            let fine = valid_label_key(key) && valid_label_value(value);
            check(fine, format!("/nodeSelector/{}", escape(key)), "a legal label key ([prefix/]name) and label value".into());
        }
        check(self.secrets.len() <= SECRETS, "/secrets".into(), format!("at most {SECRETS} uses of Secrets"));
        let mut seen = BTreeSet::new();
        for (i, used) in self.secrets.iter().enumerate() {
            let at = |field: &str| format!("/secrets/{i}{field}");
            check(
                used.env.is_some() != used.file.is_some(),
                at(""),
                "either env or file: the variable or the file that has the value".into(),
            );
            if let Some(name) = &used.env {
                check(env_name(name) && !name.starts_with("SLIPWAY_"), at("/env"), format!("{name:?} is no legal variable name"));
                check(!env.contains_key(name), at("/env"), format!("{name} is set by env too"));
            }
            if let Some(file) = &used.file {
                check(
                    is_plain(file) && !file.starts_with('.'),
                    at("/file"),
                    "a file's name: 1 to 100 of A-Z a-z 0-9 . _ -, no dot first".into(),
                );
            }
            check(seen.insert((&used.env, &used.file)), at(""), "it is there twice".into());
            let dns = is_plain(&used.secret) && !used.secret.bytes().any(|b| b.is_ascii_uppercase() || b == b'_');
            check(dns, at("/secret"), format!("{:?} is no name of a Secret", used.secret));
            check(is_plain(&used.key), at("/key"), format!("{:?} is no key of a Secret", used.key));
        }
    }
}

/// Whether a text is made of what names of files and Secrets are.
fn is_plain(text: &str) -> bool {
    (1..=PLAIN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Whether a text can name an image; its registry knows the rest.
#[must_use]
pub fn is_image(text: &str) -> bool {
    let start = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    start && text.len() <= IMAGE && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b))
}
