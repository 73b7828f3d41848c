//! What a bearer may do, and in which queues.

use super::{QueueName, Role};
use serde::{Deserialize, Serialize};

/// A role, everywhere or in some queues alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The queues it counts in, as [`covers`] reads them; none: everywhere, and for what belongs to no queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
}

/// Whether a queue is one of those that the patterns name: a name, or the beginning of names with a `*` at the end.
#[must_use]
pub fn covers(patterns: &[String], queue: &QueueName) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => queue.as_str().starts_with(start),
        None => pattern == queue.as_str(),
    })
}

/// What is wrong with the patterns of a grant.
#[must_use]
pub fn wrong_patterns(patterns: &[String]) -> Option<String> {
    if !(1..=MAX_PATTERNS).contains(&patterns.len()) {
        return Some(format!("1 to {MAX_PATTERNS} queues; without the field the role counts everywhere"));
    }
    let is_fit = |pattern: &str| {
        let name = pattern.strip_suffix('*').unwrap_or(pattern);
        (name.is_empty() && name != pattern)
            || format!("{name}x").parse::<QueueName>().is_ok() && (name != pattern || name.parse::<QueueName>().is_ok())
    };
    let wrong = patterns.iter().find(|pattern| !is_fit(pattern))?;
    let shown: String = wrong.chars().take(64).collect();
    Some(format!("{shown:?} is no queue's name, nor the beginning of one with a * at its end"))
}

/// The most patterns of one grant.
const MAX_PATTERNS: usize = 100;

/// All that a bearer may do: what any of its grants allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(Vec<Grant>);

impl Rights {
    /// A role everywhere.
    #[must_use]
    pub fn everywhere(role: Role) -> Self {
        Self(vec![Grant { role, queues: None }])
    }

    /// Those of some grants; none where there is none.
    #[must_use]
    pub fn of(grants: Vec<Grant>) -> Option<Self> {
        (!grants.is_empty()).then_some(Self(grants))
    }

    /// The grants, in the order in which they were given.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.0
    }

    /// Whether any role counts in some queues alone.
    #[must_use]
    pub fn are_limited(&self) -> bool {
        self.0.iter().any(|grant| grant.queues.is_some())
    }

    /// The highest role, wherever it counts, to speak of the bearer.
    #[must_use]
    pub fn role(&self) -> Role {
        let first = self.0.first().map_or(Role::Viewer, |grant| grant.role);
        self.0.iter().map(|grant| grant.role).fold(first, |best, role| if role.includes(best) { role } else { best })
    }

    /// Whether they include a role everywhere, as what belongs to no queue asks for.
    #[must_use]
    pub fn include(&self, needed: Role) -> bool {
        self.0.iter().any(|grant| grant.queues.is_none() && grant.role.includes(needed))
    }

    /// Whether they include it in this queue.
    #[must_use]
    pub fn include_in(&self, needed: Role, queue: &QueueName) -> bool {
        self.0.iter().any(|grant| grant.role.includes(needed) && grant.queues.as_ref().is_none_or(|patterns| covers(patterns, queue)))
    }

    /// Whether they include it in any queue that there is or may be.
    #[must_use]
    pub fn include_somewhere(&self, needed: Role) -> bool {
        self.0.iter().any(|grant| grant.role.includes(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: Role, queues: &[&str]) -> Grant {
        Grant { role, queues: (!queues.is_empty()).then(|| queues.iter().map(|&q| q.to_owned()).collect()) }
    }

    #[test]
    fn a_role_counts_where_it_was_given() {
        let rights = Rights::of(vec![grant(Role::Viewer, &[]), grant(Role::Operator, &["team-a", "lab-*"])]).unwrap();
        let queue = |name: &str| name.parse::<QueueName>().unwrap();
        assert!(rights.include(Role::Viewer) && !rights.include(Role::Submitter));
        for (name, may) in [("team-a", true), ("team-ab", false), ("lab-1", true), ("lab", false), ("other", false)] {
            assert_eq!(rights.include_in(Role::Operator, &queue(name)), may, "{name}");
            assert!(rights.include_in(Role::Viewer, &queue(name)));
            assert!(!rights.include_in(Role::Admin, &queue(name)));
        }
        assert!(rights.include_somewhere(Role::Operator) && !rights.include_somewhere(Role::Admin));
        assert!(!rights.include_somewhere(Role::Runner));
        assert_eq!(rights.role(), Role::Operator);
        assert!(rights.are_limited() && !Rights::everywhere(Role::Admin).are_limited());
        assert_eq!(Rights::of(Vec::new()), None);
    }

    #[test]
    fn patterns_that_name_no_queue_are_refused() {
        let wrong = |patterns: &[&str]| wrong_patterns(&patterns.iter().map(|&p| p.to_owned()).collect::<Vec<_>>()).is_some();
        for fit in [&["a"][..], &["gpu-*"], &["*"], &["gpu_1.x", "b"]] {
            assert!(!wrong(fit), "{fit:?}");
        }
        for unfit in [&[][..], &[""], &["a*b"], &["-a"], &["a-"], &["a b*"], &["**"], &["a\n"]] {
            assert!(wrong(unfit), "{unfit:?}");
        }
    }
}
