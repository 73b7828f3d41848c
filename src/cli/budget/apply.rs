//! `slipway budget apply`

use crate::{
    cli::{
        context::Context,
        documents::{Change, Named, load, told},
        exit::{Exit, Failure},
    },
    client::Client,
    wire::{Budget, BudgetList, BudgetName, NewBudget, ProblemCode},
};
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct All {
    budgets: BTreeMap<BudgetName, NewBudget>,
}

impl From<All> for BTreeMap<BudgetName, NewBudget> {
    fn from(all: All) -> Self {
        all.budgets
    }
}

impl Named for NewBudget {
    type Name = BudgetName;
    type All = All;
    const WHAT: &'static str = "budget";
    const KEY: &'static str = "budgets";

    fn name(&self) -> Option<&BudgetName> {
        self.name.as_ref()
    }
}

/// Creates or changes the budgets of a file. The whole file is read before anything is sent.
pub(super) async fn run(context: &Context, path: &Path) -> Result<Exit, Failure> {
    let wanted = load::<NewBudget>(context, path).await?;
    let client = context.client()?;
    let mut budgets = Vec::new();
    for (name, budget) in wanted {
        let (change, budget) = apply(&client, &name, |_| Ok(budget)).await?;
        told(context, &name, change)?;
        budgets.push(budget);
    }
    if context.format().is_whole() {
        context.print(&BudgetList { items: budgets }, |_| Vec::new(), |_| String::new())?;
    }
    Ok(Exit::Ok)
}

/// Makes a budget what is wanted of it, seen as it is.
pub(in crate::cli) async fn apply(
    client: &Client,
    name: &BudgetName,
    wanted: impl FnOnce(Option<&Budget>) -> Result<NewBudget, Failure>,
) -> Result<(Change, Budget), Failure> {
    let present = match client.budget(name).await {
        Ok(budget) => Some(budget),
        Err(error) if error.code() == Some(ProblemCode::BudgetNotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let wanted = wanted(present.as_ref())?;
    if let Some(budget) = present.as_ref().filter(|budget| same(budget, &wanted)) {
        return Ok((Change::Unchanged, budget.clone()));
    }
    let change = if present.is_some() { Change::Changed } else { Change::Created };
    match client.put_budget(name, &wanted, present.map(|budget| budget.revision)).await {
        Err(error) if error.code() == Some(ProblemCode::PreconditionFailed) => {
            Err(Failure::from(error).hint(format!("somebody else changed {name} just now: try again")))
        }
        answer => Ok((change, answer?)),
    }
}

/// Whether a budget is already as it is wanted.
fn same(budget: &Budget, wanted: &NewBudget) -> bool {
    (&budget.description, budget.resource, budget.max) == (&wanted.description, wanted.resource, wanted.max)
}
