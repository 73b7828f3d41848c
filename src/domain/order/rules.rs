//! What a queue and a budget say about the order of service and its limits.

use super::super::names::{BudgetName, QueueName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The part of a queue's document that decides who is served; anything else in the document is read over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueRules {
    /// The queue's limits.
    pub limits: RunLimits,
    /// Its share among the queues that a claim draws from, 1 to 1,000.
    pub weight: u32,
    /// The shares of users among each other, 1 to 1,000; a user who is not named has 1.
    pub user_weights: BTreeMap<String, u32>,
    /// The budgets that its tasks draw on.
    pub budgets: BTreeMap<BudgetName, BudgetShare>,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self { limits: RunLimits::default(), weight: 1, user_weights: BTreeMap::new(), budgets: BTreeMap::new() }
    }
}

/// The most of a queue's tasks that run or wait. None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunLimits {
    /// Live attempts of the queue.
    pub max_running: Option<u32>,
    /// Live attempts of one user in the queue.
    pub max_running_per_user: Option<u32>,
    /// Tasks of the queue that are waiting or queued; a submit beyond it is refused.
    pub max_pending: Option<u32>,
}

/// What a queue has of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BudgetShare {
    /// Kept free for this queue while it has tasks that are queued; in the budget's unit, default 0.
    pub guaranteed: Amount,
}

/// What a budget counts over the live attempts of its queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// The GPUs that tasks ask for, else those of their queue's template.
    #[default]
    Gpus,
    /// The weights of tasks: the decimal number of the label `slipway.dev/weight`, else `clear.ml/resource-usage`, on the
    /// task, else on its queue's template, else 0.
    Weight,
}

/// A budget: what the live attempts of the queues that name it may use together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetRules {
    /// What is counted.
    #[serde(default)]
    pub resource: Resource,
    /// The most of it.
    pub max: Amount,
}

/// An amount of a budget in thousandths: a whole number or one of at most three decimals, as JSON number or text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema), schema(value_type = f64, example = 8))]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub struct Amount(pub u64);

impl Amount {
    /// A whole number.
    #[must_use]
    pub fn whole(n: u32) -> Self {
        Self(u64::from(n) * 1000)
    }
}

impl std::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| sum + one)
    }
}

impl Amount {
    /// What is left of it after `other`, at least 0.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{}", self.0 / 1000),
            part => f.write_str(format!("{}.{part:03}", self.0 / 1000).trim_end_matches('0')),
        }
    }
}

impl std::str::FromStr for Amount {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no amount: 0 to 1000000 with at most three decimals");
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 || whole.len() > 7 {
            return Err(wrong());
        }
        let thousandths = format!("{whole}{part:0<3}").parse().map_err(|_| wrong())?;
        if thousandths > 1_000_000_000 { Err(wrong()) } else { Ok(Self(thousandths)) }
    }
}

impl TryFrom<serde_json::Value> for Amount {
    type Error = String;
    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        match value {
            serde_json::Value::Number(n) => n.to_string().parse(),
            serde_json::Value::String(text) => text.parse(),
            other => Err(format!("{other} is no amount: 0 to 1000000 with at most three decimals")),
        }
    }
}

impl From<Amount> for serde_json::Value {
    fn from(amount: Amount) -> Self {
        // Its text is a JSON number by construction.
        serde_json::from_str(&amount.to_string()).unwrap_or_default()
    }
}

/// The queues of a budget are those that name it; this is the inverse, for those who look from the budget.
#[must_use]
pub fn queues_of<'a>(
    budget: &BudgetName,
    rules: impl IntoIterator<Item = (&'a QueueName, &'a QueueRules)>,
) -> Vec<(&'a QueueName, BudgetShare)> {
    rules.into_iter().filter_map(|(queue, rules)| Some((queue, *rules.budgets.get(budget)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_the_same() {
        for (text, thousandths) in [("0", 0), ("8", 8_000), ("0.14", 140), ("0.5", 500), ("2.125", 2_125), ("1000000", 1_000_000_000)] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!((amount.0, amount.to_string().as_str()), (thousandths, text));
        }
        for wrong in ["", "-1", "1.2345", "1e3", ".5", "1.", "1000001", "x", "+1"] {
            assert!(wrong.parse::<Amount>().is_err(), "{wrong:?}");
        }
        assert_eq!(serde_json::from_str::<Amount>("0.5").unwrap(), Amount(500));
        assert_eq!(serde_json::from_str::<Amount>("\"0.500\"").unwrap(), Amount(500));
        assert_eq!(serde_json::to_string(&Amount(8_000)).unwrap(), "8");
    }

    #[test]
    fn a_queue_that_says_nothing_limits_nothing() {
        let rules: QueueRules = serde_json::from_str(r#"{"description": "x", "limits": {"logBytes": 5}}"#).unwrap();
        assert_eq!(rules, QueueRules::default());
        let rules: QueueRules = serde_json::from_str(r#"{"budgets": {"pool": {"guaranteed": 2}}, "limits": {"maxRunning": 3}}"#).unwrap();
        assert_eq!((rules.limits.max_running, rules.budgets.values().next().unwrap().guaranteed), (Some(3), Amount::whole(2)));
    }
}
