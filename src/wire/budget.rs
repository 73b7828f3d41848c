//! Budgets: what the live attempts of several queues may use together.

use super::{Amount, BudgetName, QueueName, Resource, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A budget to create or replace; the body of `PUT /budgets/{name}`. The queues that draw on it name it in their `budgets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBudget {
    /// Its name; where given it must be the one in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub name: Option<BudgetName>,
    /// What it is for; at most 1,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it counts; default `gpus`.
    #[serde(default)]
    pub resource: Resource,
    /// The most of it that live attempts of its queues use together.
    pub max: Amount,
}

/// A budget with what is used of it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Its name.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub name: BudgetName,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it counts.
    pub resource: Resource,
    /// The most of it that live attempts of its queues use together.
    pub max: Amount,
    /// What they use now.
    pub used: Amount,
    /// The queues that draw on it, by name.
    pub queues: Vec<BudgetQueue>,
    /// Counts its changes; the strong `ETag` of the budget.
    pub revision: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a queue has of a budget, and uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetQueue {
    /// The queue.
    pub queue: QueueName,
    /// Kept free for it while it has tasks that are queued.
    pub guaranteed: Amount,
    /// What its live attempts use now.
    pub used: Amount,
    /// Of each user what that is.
    #[serde(default)]
    pub users: BTreeMap<String, Amount>,
}

/// All budgets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetList {
    /// The budgets, by name.
    pub items: Vec<Budget>,
}
