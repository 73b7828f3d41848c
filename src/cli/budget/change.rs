//! `slipway budget set`, `delete`

use super::apply::apply;
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
    },
    wire::{Amount, Budget, BudgetName, NewBudget, Resource},
};

/// What was named of a budget; the rest stays as it is.
pub(super) struct Wanted {
    pub(super) max: Option<Amount>,
    pub(super) resource: Option<Resource>,
    pub(super) description: Option<String>,
}

impl Wanted {
    /// The budget as it is to be.
    fn over(self, name: &BudgetName, present: Option<&Budget>) -> Result<NewBudget, Failure> {
        let unlimited = || Failure::usage(format!("the budget {name} does not exist yet and needs a --max"));
        let max = self.max.or(present.map(|budget| budget.max)).ok_or_else(unlimited)?;
        let resource = self.resource.or(present.map(|budget| budget.resource)).unwrap_or_default();
        let description = self.description.or_else(|| present.and_then(|budget| budget.description.clone()));
        Ok(NewBudget { name: None, description, resource, max })
    }
}

/// Creates a budget, or changes what is named.
pub(super) async fn set(context: &Context, name: &BudgetName, wanted: Wanted) -> Result<Exit, Failure> {
    let (change, budget) = apply(&context.client()?, name, |present| wanted.over(name, present)).await?;
    context.print(&budget, |budget| vec![budget.name.to_string()], |budget| format!("{} {change}\n", budget.name))?;
    if budget.used > budget.max {
        context.console.aside(format!("{} are in use; what runs goes on, and nothing more starts until less is", budget.used));
    }
    Ok(Exit::Ok)
}

/// Deletes a budget.
pub(super) async fn delete(context: &Context, name: &BudgetName) -> Result<Exit, Failure> {
    context.client()?.delete_budget(name).await?;
    context.gone(name, "deleted")?;
    Ok(Exit::Ok)
}
