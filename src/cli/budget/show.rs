//! `slipway budget ls`, `slipway budget get`

use super::word;
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        span::{age, between},
        style::{Tone, clean, paint},
        table::{Cell, Table, cell},
    },
    wire::{Amount, Budget, BudgetList, BudgetName, Timestamp},
};
use std::{cmp::Reverse, fmt::Write};

/// Lists budgets.
pub(super) async fn ls(context: &Context) -> Result<Exit, Failure> {
    let budgets = context.client()?.budgets().await?;
    if budgets.items.is_empty() && context.asked().is_none() {
        context.console.note("No budgets. Create one: slipway budget set gpu-pool --max 8");
        return Ok(Exit::Ok);
    }
    let names = |list: &BudgetList| list.items.iter().map(|budget| budget.name.to_string()).collect();
    context.print(&budgets, names, |list| table(&list.items).render(context.headers(), context.width()))?;
    Ok(Exit::Ok)
}

/// Shows one budget.
pub(super) async fn get(context: &Context, name: &BudgetName) -> Result<Exit, Failure> {
    let budget = context.client()?.budget(name).await?;
    context.print(&budget, |budget| vec![budget.name.to_string()], |budget| block(budget, context.now(), context.width()))?;
    Ok(Exit::Ok)
}

fn table(budgets: &[Budget]) -> Table {
    let row = |budget: &Budget| {
        let queues: Vec<String> = budget.queues.iter().map(|share| format!("{} {}", share.queue, share.used)).collect();
        vec![cell(&budget.name), cell(word(budget.resource)), used(budget), cell(budget.max), cell(queues.join(", "))]
    };
    Table::new(&["BUDGET", "RESOURCE", "USED", "MAX", "QUEUES"], budgets.iter().map(row).collect())
}

fn used(budget: &Budget) -> Cell {
    cell(budget.used).tone((budget.used >= budget.max).then_some(Tone::Warn))
}

fn block(budget: &Budget, now: Timestamp, width: Option<u16>) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: String| {
        let _ = writeln!(text, "{}{value}", paint(Tone::Faint, &format!("{name:<10}")));
    };
    field("budget", paint(Tone::Strong, budget.name.as_str()));
    if let Some(about) = &budget.description {
        field("about", clean(about));
    }
    field("used", format!("{} of {} {}", budget.used, budget.max, word(budget.resource)));
    field("revision", budget.revision.to_string());
    field("changed", format!("{:.0}  ({} ago)", budget.updated_at, age(between(budget.updated_at, now))));
    if budget.queues.is_empty() {
        return text;
    }
    let rows = budget.queues.iter().map(|share| {
        let kept = if share.guaranteed == Amount::default() { cell("") } else { cell(share.guaranteed) };
        let mut users: Vec<_> = share.users.iter().collect();
        users.sort_by_key(|(_, amount)| Reverse(**amount));
        let users: Vec<String> = users.iter().map(|(user, amount)| format!("{user} {amount}")).collect();
        vec![cell(&share.queue), cell(share.used), kept, cell(users.join(", "))]
    });
    text + "\n" + &Table::new(&["QUEUE", "USED", "GUARANTEED", "USERS"], rows.collect()).render(true, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{NOW, budget};

    #[test]
    fn budgets_are_read_at_a_glance() {
        let full = budget("gpu-pool", 8, &[("a", 2, 5), ("b", 0, 3)]);
        let idle = Budget { description: None, resource: crate::wire::Resource::Weight, max: Amount(2_500), ..budget("licences", 2, &[]) };
        let now = NOW.parse().unwrap();
        let all = [table(&[full.clone(), idle.clone()]).render(true, None), block(&full, now, None), block(&idle, now, None)].join("\n");
        insta::assert_snapshot!(anstream::adapter::strip_str(&all).to_string());
    }
}
