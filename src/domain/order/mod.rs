//! The order of service and its limits (`docs/ORDER.md`).

#[cfg(all(test, feature = "server"))]
mod audit;
mod bench;
mod board;
mod budgets;
mod choose;
mod lanes;
mod place;
mod reserve;
mod rules;
#[cfg(test)]
mod tests;
mod usage;
mod weight;

pub use bench::{Bench, Cost, Terms};
pub use board::Board;
pub use budgets::{BudgetUse, QueueUse};
pub use choose::{Ask, Next, Pick, Picking};
pub use lanes::{First, Head, Lane, Size, User};
pub use place::{LAST_TIER, Tier, rank_of, size_of, tier_of};
pub use reserve::{Holders, Kept, Reservation, Reservations};
pub use rules::{Amount, BudgetRules, BudgetShare, QueueRules, Resource, RunLimits, queues_of};
pub use usage::use_of;
pub use weight::{WEIGHT_LABELS, counted_weight, not_a_weight, weight_of};
