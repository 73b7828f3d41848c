//! Reasons from the rules of the order of service: what a ready task waits for although a runner has room.

use super::findings::quote;
use crate::{
    domain::{
        BudgetName, Finding, QueueName, Reason, TaskId,
        order::{Amount, Resource},
    },
    wire::ReasonClass,
};

/// The most users whose part is named in a sentence.
const MAX_USERS: usize = 4;
/// The most of them in the evidence.
const MAX_QUOTED: usize = 50;

/// So many of the queue's tasks run as may.
pub(super) fn queue(queue: &QueueName, running: u32, max: u32) -> Finding {
    let quotes = vec![quote(format!("Queue {queue}"), format!("{running} running, maxRunning {max}"), None)];
    Finding::new(Reason::QueueConcurrencyLimit, format!("{running} of at most {max} tasks of the queue {queue} run"), quotes)
}

/// So many of the user's tasks in the queue run as may.
pub(super) fn user(queue: &QueueName, user: &str, running: u32, max: u32) -> Finding {
    let quotes = vec![quote(format!("Queue {queue}"), format!("{user} has {running} running, maxRunningPerUser {max}"), None)];
    Finding::new(Reason::UserLimit, format!("{running} of at most {max} tasks of {user} in the queue {queue} run"), quotes)
}

/// What a task would draw from a budget, and what the others do.
pub(super) struct Draw<'a> {
    pub(super) queue: &'a QueueName,
    pub(super) budget: &'a BudgetName,
    pub(super) resource: Resource,
    /// What the task costs.
    pub(super) cost: Amount,
    /// What is left for its queue.
    pub(super) left: Amount,
    pub(super) max: Amount,
    pub(super) used: Amount,
    /// Who uses how much, where.
    pub(super) users: Vec<(Amount, &'a str, &'a QueueName)>,
    /// What is kept free for other queues.
    pub(super) kept: Vec<(Amount, &'a QueueName)>,
}

/// A budget has not enough left for the task.
pub(super) fn budget(draw: Draw<'_>) -> Finding {
    let Draw { queue, budget, resource, cost, left, max, used, mut users, kept } = draw;
    let source = || format!("Budget {budget}");
    let counted = format!("{} used, {left} left for the queue {queue}, the task costs {cost}", of(used, max, resource));
    let mut quotes = vec![quote(source(), counted, None)];
    users.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let parts: Vec<String> = users.iter().map(|(amount, user, queue)| format!("{user} {amount} in queue {queue}")).collect();
    let kept: Vec<String> = kept.iter().map(|(amount, queue)| format!("{amount} guaranteed to queue {queue}")).collect();
    quotes.extend((!parts.is_empty()).then(|| quote(source(), some(&parts, MAX_QUOTED), None)));
    quotes.extend((!kept.is_empty()).then(|| quote(source(), kept.join(", "), None)));
    if cost > max {
        let message = format!("It costs {}, and the budget {budget} holds {max}: it cannot start", amount(cost, resource));
        return Finding::new(Reason::BudgetExhausted, message, quotes)
            .class(ReasonClass::Change)
            .hint(format!("Ask for less, or ask an admin for more: slipway budget set {budget} --max {cost}"));
    }
    let by = if parts.is_empty() { String::new() } else { format!(": {}", some(&parts, MAX_USERS)) };
    let kept = if kept.is_empty() { String::new() } else { format!("; {}", kept.join(", ")) };
    let message = format!("{} of budget {budget} are in use{by}{kept}; it costs {cost}", of(used, max, resource));
    Finding::new(Reason::BudgetExhausted, message, quotes)
        .hint(format!("It goes on when others end; all of it: slipway budget get {budget}"))
}

/// A budget is kept for a task that has waited long.
pub(super) fn reserved(budget: &BudgetName, by: TaskId) -> Finding {
    let quotes = vec![quote(format!("Budget {budget}"), format!("reserved by task {by}"), None)];
    let message = format!("The budget {budget} is kept for task {by}, which has waited long and needs more than what is left");
    Finding::new(Reason::ReservedForLarger, message, quotes)
        .hint(format!("Nothing to do; it goes on once that one has started: slipway why {by}"))
}

/// The first of several, and whether there are more.
fn some(parts: &[String], most: usize) -> String {
    let more = if parts.len() > most { ", …" } else { "" };
    parts.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// `8 of 8 GPUs`.
fn of(used: Amount, max: Amount, resource: Resource) -> String {
    format!("{used} of {}", amount(max, resource))
}

/// `2 GPUs`, `weight 0.5`.
fn amount(amount: Amount, resource: Resource) -> String {
    match resource {
        Resource::Gpus if amount == Amount::whole(1) => format!("{amount} GPU"),
        Resource::Gpus => format!("{amount} GPUs"),
        Resource::Weight => format!("{amount} weight"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        queues: [QueueName; 3],
        pool: BudgetName,
    }

    impl Scene {
        /// A task of queue `a` that costs so much, where so much is left and used; parts are an amount, a user, a queue.
        fn draw(&self, [cost, left, used]: [u32; 3], users: &[(u32, &'static str, usize)], kept: &[(u32, usize)]) -> Draw<'_> {
            let whole = Amount::whole;
            Draw {
                queue: &self.queues[0],
                budget: &self.pool,
                resource: Resource::Gpus,
                cost: whole(cost),
                left: whole(left),
                max: whole(8),
                used: whole(used),
                users: users.iter().map(|(n, user, queue)| (whole(*n), *user, &self.queues[*queue])).collect(),
                kept: kept.iter().map(|(n, queue)| (whole(*n), &self.queues[*queue])).collect(),
            }
        }
    }

    #[test]
    fn every_limit_is_told_with_its_figures() {
        let scene = Scene { queues: ["a", "b", "c"].map(|name| name.parse().unwrap()), pool: "gpu-pool".parse().unwrap() };
        let a = &scene.queues[0];
        let many = [(1, "u1", 0), (1, "u2", 0), (3, "u3", 1), (1, "u4", 0), (1, "u5", 0)];
        let plain = scene.draw([1, 0, 0], &[], &[]);
        let weighed = Draw { resource: Resource::Weight, cost: Amount(500), max: Amount(2_500), used: Amount(2_250), ..plain };
        let told: Vec<String> = [
            queue(a, 16, 16),
            user(a, "sam", 5, 4),
            budget(scene.draw([2, 0, 8], &[(3, "sam", 1), (5, "ada", 0)], &[])),
            budget(scene.draw([2, 1, 5], &[(5, "ada", 0)], &[(2, 1), (1, 2)])),
            budget(scene.draw([1, 0, 7], &many, &[])),
            budget(scene.draw([16, 8, 0], &[], &[])),
            budget(weighed),
            reserved(&scene.pool, TaskId(1039)),
        ]
        .iter()
        .map(|f| {
            let quotes: Vec<_> = f.evidence.iter().map(|q| format!("  {}: {}", q.source, q.raw)).collect();
            format!("{} {}: {}\n{}\n  next: {}", f.code, f.class, f.message, quotes.join("\n"), f.hint.as_deref().unwrap_or_default())
        })
        .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
