//! The order of service and its limits (`docs/ORDER.md`).

mod rules;

pub use rules::{Amount, BudgetRules, BudgetShare, QueueRules, Resource, RunLimits, queues_of};
