//! What people may rely on, told as stories. Each is played on the real store (`order.rs`) and on the book of rules
//! (`model/book.rs`), so that neither can drift from what is written here.

use crate::domain::TaskId;
use serde_json::{Value, json};

/// A test for each story.
macro_rules! stories {
    ($desk:expr, $crowd:literal) => {
        macro_rules! story {
            ($name:ident) => {
                #[tokio::test]
                async fn $name() {
                    $crate::store::tests::scenarios::$name(&mut $desk.await).await;
                }
            };
        }
        story!(users_share_by_their_weights);
        story!(one_round_alternates_between_users);
        story!(who_was_idle_comes_first);
        story!(use_is_forgotten_by_half_a_day_at_a_time);
        story!(a_large_task_starts_although_small_ones_keep_coming);
        story!(a_large_task_gets_its_budget_although_small_ones_keep_coming);
        story!(a_budget_over_two_queues_holds);
        story!(a_task_rises_with_its_age);

        #[tokio::test]
        async fn a_crowd_of_one_user_delays_another_by_two_rounds_at_most() {
            $crate::store::tests::scenarios::a_crowd_of_one_user_delays_another_by_two_rounds_at_most(&mut $desk.await, $crowd).await;
        }

        #[tokio::test]
        async fn a_restart_in_the_middle_changes_nothing() {
            let rest = $crate::store::tests::scenarios::the_rest_of_a_busy_hour;
            let plain = rest(&mut $desk.await, false).await;
            assert!(plain.len() > 20);
            assert_eq!(rest(&mut $desk.await, true).await, plain);
        }
    };
}
pub(super) use stories;

pub(super) const MINUTE: u64 = 60_000;
pub(super) const HOUR: u64 = 60 * MINUTE;

/// What a story needs of a scheduler.
pub(super) trait Desk {
    async fn queue(&mut self, name: &str, rules: Value);
    async fn budget(&mut self, name: &str, gpus: u32);
    async fn submit(&mut self, user: &str, queue: &str, gpus: u32) -> TaskId;
    /// A runner with so many free GPUs takes at most `max` tasks from any queue.
    async fn claim(&mut self, runner: &str, max: u32, gpus: u32) -> Vec<TaskId>;
    /// The task's attempt runs to its end, and succeeds.
    async fn end(&mut self, task: TaskId);
    async fn pass(&mut self, ms: u64);
    async fn restart(&mut self);
}

/// A new story with the queue `default`.
async fn opened(desk: &mut impl Desk, rules: Value) {
    desk.queue("default", rules).await;
}

pub(super) async fn a_crowd_of_one_user_delays_another_by_two_rounds_at_most(desk: &mut impl Desk, crowd: u32) {
    opened(desk, json!({})).await;
    for _ in 0..crowd {
        desk.submit("ann", "default", 0).await;
    }
    for _ in 0..3 {
        for task in desk.claim("r1", 4, 8).await {
            desk.pass(MINUTE).await;
            desk.end(task).await;
        }
    }
    let other = desk.submit("bob", "default", 0).await;
    let rounds = [desk.claim("r1", 4, 8).await, desk.claim("r1", 4, 8).await];
    assert!(rounds.concat().contains(&other), "{other} is in none of {rounds:?}");
    assert_eq!(rounds[0][0], other, "who has used nothing comes first");
}

pub(super) async fn users_share_by_their_weights(desk: &mut impl Desk) {
    opened(desk, json!({"userWeights": {"bob": 3}})).await;
    let mut of_bob = Vec::new();
    for _ in 0..60 {
        desk.submit("ann", "default", 0).await;
        of_bob.push(desk.submit("bob", "default", 0).await);
    }
    let mut served = 0;
    for _ in 0..40 {
        let task = desk.claim("r1", 1, 8).await[0];
        served += u32::from(of_bob.contains(&task));
        desk.pass(10 * MINUTE).await;
        desk.end(task).await;
    }
    assert!((29..=31).contains(&served), "of 40 equal tasks 30 are of the user with weight 3 against 1, not {served}");
}

pub(super) async fn one_round_alternates_between_users(desk: &mut impl Desk) {
    opened(desk, json!({})).await;
    let ann = [desk.submit("ann", "default", 0).await, desk.submit("ann", "default", 0).await];
    let bob = [desk.submit("bob", "default", 0).await, desk.submit("bob", "default", 0).await];
    assert_eq!(desk.claim("r1", 4, 8).await, [ann[0], bob[0], ann[1], bob[1]]);
}

pub(super) async fn who_was_idle_comes_first(desk: &mut impl Desk) {
    opened(desk, json!({})).await;
    for _ in 0..3 {
        desk.submit("ann", "default", 0).await;
        desk.submit("bob", "default", 0).await;
    }
    // Ann and Bob have both used the queue, Ann more.
    let first = desk.claim("r1", 2, 8).await;
    desk.pass(HOUR).await;
    desk.end(first[1]).await;
    desk.pass(HOUR).await;
    desk.end(first[0]).await;
    let idle = desk.submit("cleo", "default", 0).await;
    let next = desk.claim("r1", 3, 8).await;
    assert_eq!(next, [idle, TaskId(4), TaskId(6)], "nothing used; then Bob, whose hour and a minute are less than two hours");
}

pub(super) async fn use_is_forgotten_by_half_a_day_at_a_time(desk: &mut impl Desk) {
    opened(desk, json!({})).await;
    let early = desk.submit("ann", "default", 0).await;
    assert_eq!(desk.claim("r1", 1, 8).await, [early]);
    desk.pass(3 * HOUR).await;
    desk.end(early).await;
    desk.pass(24 * HOUR).await;
    let late = desk.submit("bob", "default", 0).await;
    assert_eq!(desk.claim("r1", 1, 8).await, [late]);
    desk.pass(2 * HOUR).await;
    desk.end(late).await;
    let of_bob = desk.submit("bob", "default", 0).await;
    let of_ann = desk.submit("ann", "default", 0).await;
    assert_eq!(desk.claim("r1", 2, 8).await, [of_ann, of_bob], "three hours of yesterday are less than two of today");
}

/// One task of 8 GPUs, of a user who has used the queue, among tasks of 1 GPU that run for five minutes, four a minute,
/// each of a user never seen before, who therefore comes first. The minute in which the large one starts.
async fn large_among_small(desk: &mut impl Desk, free: impl Fn(usize) -> u32) -> usize {
    let used = desk.submit("eve", "default", 1).await;
    assert_eq!(desk.claim("r1", 1, 8).await, [used]);
    desk.pass(HOUR).await;
    desk.end(used).await;
    let mut running: Vec<(usize, TaskId)> = Vec::new();
    let mut large = None;
    for minute in 0..60 {
        for n in 0..4 {
            desk.submit(&format!("u{minute}-{n}"), "default", 1).await;
        }
        if minute == 5 {
            large = Some(desk.submit("eve", "default", 8).await);
        }
        let over: Vec<TaskId> = running.iter().filter(|(since, _)| minute - since >= 5).map(|(_, task)| *task).collect();
        running.retain(|(_, task)| !over.contains(task));
        for task in over {
            desk.end(task).await;
        }
        let got = desk.claim("r1", 100, free(running.len())).await;
        if large.is_some_and(|large| got.contains(&large)) {
            return minute - 5;
        }
        running.extend(got.into_iter().map(|task| (minute, task)));
        desk.pass(MINUTE).await;
    }
    panic!("the large task starved");
}

pub(super) async fn a_large_task_starts_although_small_ones_keep_coming(desk: &mut impl Desk) {
    opened(desk, json!({})).await;
    let minute = large_among_small(desk, |running| 8 - u32::try_from(running).unwrap()).await;
    assert!((10..=16).contains(&minute), "it waits for ten minutes, then for what runs: {minute}");
}

pub(super) async fn a_large_task_gets_its_budget_although_small_ones_keep_coming(desk: &mut impl Desk) {
    desk.budget("pool", 8).await;
    opened(desk, json!({"budgets": {"pool": {}}})).await;
    let minute = large_among_small(desk, |_| 1_000).await;
    assert!((10..=16).contains(&minute), "it waits for ten minutes, then for what runs: {minute}");
}

pub(super) async fn a_budget_over_two_queues_holds(desk: &mut impl Desk) {
    desk.budget("pool", 4).await;
    desk.queue("train", json!({"budgets": {"pool": {}}})).await;
    desk.queue("serve", json!({"budgets": {"pool": {"guaranteed": 2}}})).await;
    for _ in 0..6 {
        desk.submit("ann", "train", 1).await;
    }
    assert_eq!(desk.claim("r1", 10, 100).await.len(), 4, "nobody wants the guaranteed part");
    let wanted = desk.submit("bob", "serve", 1).await;
    desk.submit("bob", "serve", 1).await;
    assert!(desk.claim("r1", 10, 100).await.is_empty(), "the budget is used up");
    desk.end(TaskId(1)).await;
    assert_eq!(desk.claim("r1", 10, 100).await, [wanted], "what is free by now belongs to the guarantee");
}

pub(super) async fn a_task_rises_with_its_age(desk: &mut impl Desk) {
    opened(desk, json!({})).await;
    // Bob comes later and has used less; both tasks are of priority normal.
    let used = desk.submit("ann", "default", 0).await;
    assert_eq!(desk.claim("r1", 1, 8).await, [used]);
    desk.pass(HOUR).await;
    desk.end(used).await;
    let old = desk.submit("ann", "default", 0).await;
    desk.pass(6 * HOUR).await;
    let new = desk.submit("bob", "default", 0).await;
    assert_eq!(desk.claim("r1", 2, 8).await, [old, new], "six hours raise a task by one tier");
}

/// What comes after the middle of a busy hour, with a restart there or without one.
pub(super) async fn the_rest_of_a_busy_hour(desk: &mut impl Desk, restart: bool) -> Vec<TaskId> {
    opened(desk, json!({"userWeights": {"bob": 2}, "limits": {"maxRunningPerUser": 5}})).await;
    desk.queue("other", json!({"weight": 3})).await;
    for n in 0..40 {
        let user = ["ann", "bob", "cleo"][n % 3];
        desk.submit(user, ["default", "other"][n % 2], [0, 1, 2][n % 3]).await;
        desk.pass(10_000).await;
        if n % 4 == 3 {
            let got = desk.claim("r1", 1, 8).await;
            desk.pass(30_000).await;
            if n % 8 == 3 {
                desk.end(got[0]).await;
            }
        }
    }
    if restart {
        desk.restart().await;
    }
    let mut rest = Vec::new();
    loop {
        let got = desk.claim("r1", 3, 8).await;
        rest.extend_from_slice(&got);
        desk.pass(70_000).await;
        for task in &got {
            desk.end(*task).await;
        }
        if got.is_empty() {
            return rest;
        }
    }
}
