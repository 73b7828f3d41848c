//! The order of service and its limits (`docs/ORDER.md`).

mod cost;
mod rules;

pub use cost::{Cost, WEIGHT_LABELS, not_a_weight, weight};
pub use rules::{Amount, BudgetRules, BudgetShare, QueueRules, Resource, RunLimits, queues_of};
