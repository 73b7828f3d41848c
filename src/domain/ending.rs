//! What is done as a command stops, and after it.

use super::{Notes, is_output};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is done as a command stops, and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Ending {
    /// A program and its arguments that save what is there when the command is to stop, before it gets SIGTERM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checkpoint: Vec<String>,
    /// Files and directories, from the command's working directory on, that are kept once it has ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
}

/// The most paths among the outputs of a task.
const PATHS: usize = 100;
/// The most words of a checkpoint's command.
const WORDS: usize = 1_000;

impl Ending {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it; pointers are those of a submitted task.
    pub(super) fn violations(&self, check: &mut impl FnMut(bool, String, String)) {
        if let Some(program) = self.checkpoint.first() {
            let fits = |word: &String| !word.contains('\0') && word.len() < 131_072;
            check(
                !program.is_empty() && self.checkpoint.len() <= WORDS && self.checkpoint.iter().all(fits),
                "/checkpoint".into(),
                "a program and its arguments, as a command: [\"./save.sh\"]".into(),
            );
        }
        check(self.outputs.len() <= PATHS, "/outputs".into(), format!("at most {PATHS} paths; a directory stands for all that is in it"));
        let mut seen = BTreeSet::new();
        for (i, path) in self.outputs.iter().enumerate() {
            let at = format!("/outputs/{i}");
            let most = Notes::MAX_PATH;
            check(
                is_output(path),
                at.clone(),
                format!("{path:?} is no path within the working directory: relative, without .., at most {most} bytes"),
            );
            check(seen.insert(path), at, "it is there twice".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_says_what_can_be() {
        let found = |checkpoint: &[&str], outputs: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
            let mut found = Vec::new();
            Ending { checkpoint: owned(checkpoint), outputs: owned(outputs) }.violations(&mut |ok, pointer, _| {
                if !ok {
                    found.push(pointer);
                }
            });
            found
        };
        assert!(found(&[], &[]).is_empty() && found(&["./save", ""], &["model.pt", "runs/a b"]).is_empty());
        assert_eq!(
            found(&[""], &["/etc/passwd", "a/../b", "x", "x", "a\nb"]),
            ["/checkpoint", "/outputs/0", "/outputs/1", "/outputs/3", "/outputs/4"]
        );
    }
}
