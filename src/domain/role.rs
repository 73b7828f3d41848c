//! What a token's bearer may do.

use super::state::words;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words!(
    /// A role. Each of the first four includes the ones before it; `runner` stands alone and includes none.
    Role {
        /// Reads tasks, logs, queues and events.
        Viewer = "viewer",
        /// Also submits, and acts on its own tasks.
        Submitter = "submitter",
        /// Also acts on anyone's tasks, pauses queues, gives up attempts.
        Operator = "operator",
        /// Also changes queues and tokens.
        Admin = "admin",
        /// Claims and reports; nothing else.
        Runner = "runner",
    }
);

impl Role {
    /// Whether a bearer of `self` may do what asks for `needed`.
    #[must_use]
    pub fn includes(self, needed: Role) -> bool {
        match (self, needed) {
            (Role::Runner, Role::Runner) => true,
            (Role::Runner, _) | (_, Role::Runner) => false,
            (have, needed) => have >= needed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn a_runner_is_no_user_and_an_admin_is_no_runner() {
        assert!(Role::Admin.includes(Role::Viewer));
        assert!(!Role::Viewer.includes(Role::Submitter));
        assert!(!Role::Admin.includes(Role::Runner));
        assert!(!Role::Runner.includes(Role::Viewer));
        assert!(Role::Runner.includes(Role::Runner));
    }
}
