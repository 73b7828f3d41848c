//! The order on a board alone.

use super::*;
use crate::domain::{QueueName, TaskId, Times};
use std::collections::BTreeMap;

fn name(text: &str) -> QueueName {
    text.parse().unwrap()
}

/// A board that learns of its ready tasks from a list, as the store would tell it.
struct Shop {
    board: Board,
    ready: Vec<(QueueName, Lane, Head)>,
    up: i64,
}

impl Shop {
    fn new(queues: &[(&str, &str)], budgets: &[(&str, &str)]) -> Self {
        let mut board = Board::new(Times::default(), 0);
        let terms = |json: &str| Terms { rules: serde_json::from_str(json).unwrap(), ..Terms::default() };
        let queues = queues.iter().map(|(queue, json)| (name(queue), terms(json))).collect();
        let budgets = budgets.iter().map(|(budget, json)| (budget.parse().unwrap(), serde_json::from_str(json).unwrap())).collect();
        board.set_rules(queues, budgets);
        Self { board, ready: Vec::new(), up: 0 }
    }

    fn add(&mut self, queue: &str, user: &str, task: i64, tier: Tier, gpus: u32) {
        let lane = Lane { tier, user: user.into(), size: Size { gpus, weight: 0 } };
        let head = Head { rank: task, task: TaskId(task), since_up: self.up, attempt: 0 };
        self.board.add(&name(queue), &lane, head);
        self.ready.push((name(queue), lane, head));
    }

    fn learn(&mut self) {
        let queues: Vec<QueueName> = self.ready.iter().map(|(queue, ..)| queue.clone()).chain(["a", "b"].map(name)).collect();
        for (queue, lane, after) in self.board.unknown(queues.iter()) {
            let of_lane = self.ready.iter().filter(|(q, l, head)| (q, l) == (&queue, &lane) && (head.rank, head.task) > after);
            let first = of_lane.map(|(.., head)| *head).min_by_key(|head| (head.rank, head.task));
            self.board.learn(&queue, &lane, first);
        }
    }

    fn claim(&mut self, runner: &str, max: usize, gpus: u32, all_gpus: u32) -> Vec<i64> {
        self.learn();
        let shares: BTreeMap<_, _> = ["a", "b"].map(|queue| (name(queue), u32::MAX)).into();
        let mut picking = self.board.picking(Ask { runner: runner.parse().unwrap(), shares, gpus, all_gpus }, self.up);
        let mut taken = Vec::new();
        while taken.len() < max {
            match self.board.next(&mut picking) {
                Next::Pick(pick) => {
                    self.ready.retain(|(.., head)| head.task != pick.head.task);
                    self.board.take(&pick, &mut picking, self.up);
                    taken.push(pick.head.task.0);
                }
                Next::Unknown(_) => self.learn(),
                Next::Nothing => break,
            }
        }
        taken
    }

    fn end(&mut self, task: i64) {
        self.board.end(TaskId(task), self.up);
    }
}

const ANY: u32 = u32::MAX;

#[test]
fn tiers_first_then_users_in_turn_then_the_order_of_submitting() {
    let mut shop = Shop::new(&[("a", "{}")], &[]);
    for task in 1..=4 {
        shop.add("a", "ada", task, 3, 0);
    }
    shop.add("a", "bob", 5, 3, 0);
    shop.add("a", "bob", 6, 4, 0);
    shop.add("a", "ada", 7, 0, 0);
    assert_eq!(shop.claim("r", 10, ANY, ANY), [7, 5, 1, 2, 3, 4, 6]);
}

#[test]
fn weights_share_in_proportion() {
    let mut shop = Shop::new(&[("a", r#"{"userWeights": {"bob": 3}}"#)], &[]);
    for task in 0..40 {
        shop.add("a", if task % 2 == 0 { "ada" } else { "bob" }, task, 3, 0);
    }
    let taken = shop.claim("r", 16, ANY, ANY);
    assert_eq!(taken.iter().filter(|task| *task % 2 == 1).count(), 12, "{taken:?}");
}

#[test]
fn limits_hold_back_what_is_over_them_and_nothing_else() {
    let mut shop = Shop::new(&[("a", r#"{"limits": {"maxRunning": 3, "maxRunningPerUser": 2}}"#)], &[]);
    for task in 1..=4 {
        shop.add("a", "ada", task, 3, 0);
    }
    shop.add("a", "bob", 5, 4, 0);
    shop.add("a", "bob", 6, 4, 0);
    assert_eq!(shop.claim("r", 10, ANY, ANY), [1, 2, 5]);
    shop.end(1);
    assert_eq!(shop.claim("r", 10, ANY, ANY), [3]);
}

#[test]
fn a_budget_is_shared_by_queues_and_keeps_what_is_guaranteed() {
    let queue = r#"{"budgets": {"pool": {}}}"#;
    let mut shop = Shop::new(&[("a", queue), ("b", r#"{"budgets": {"pool": {"guaranteed": 2}}}"#)], &[("pool", r#"{"max": 4}"#)]);
    for task in 1..=5 {
        shop.add("a", "ada", task, 3, 1);
    }
    shop.add("b", "bob", 6, 4, 1);
    assert_eq!(shop.claim("r", 1, ANY, ANY), [6], "below its guarantee it goes first");
    assert_eq!(shop.claim("r", 10, ANY, ANY), [1, 2, 3], "bob's queue asks for no more");
    shop.end(1);
    shop.add("b", "bob", 7, 4, 1);
    assert_eq!(shop.claim("r", 10, ANY, ANY), [7]);
}

#[test]
fn a_large_task_gets_its_budget_although_small_ones_keep_coming() {
    let mut shop = Shop::new(&[("a", r#"{"budgets": {"pool": {}}}"#)], &[("pool", r#"{"max": 8}"#)]);
    for task in 1..=8 {
        shop.add("a", "ada", task, 3, 1);
    }
    assert_eq!(shop.claim("r", 8, ANY, ANY).len(), 8);
    shop.add("a", "bob", 100, 3, 8);
    // One small task ends each two minutes, and another one comes.
    for (task, small) in (1..=8).zip(200..) {
        shop.up += 120_000;
        shop.end(task);
        shop.add("a", "eve", small, 3, 1);
        let taken = shop.claim("r", 8, ANY, ANY);
        assert_eq!(taken.is_empty(), shop.up >= 600_000, "kept for the large one from ten minutes on: {taken:?} at {}", shop.up);
    }
    shop.add("a", "eve", 300, 3, 0);
    shop.add("a", "eve", 301, 2, 1);
    assert_eq!(shop.claim("r", 8, ANY, ANY), [301, 300], "what costs nothing passes, and so does a tier before its own");
    for small in [200, 201, 202, 203, 301] {
        shop.end(small);
    }
    shop.add("a", "zoe", 400, 3, 1);
    assert_eq!(shop.claim("r", 1, ANY, ANY), [100], "now it fits, and it keeps its place before one who has used nothing");
}

#[test]
fn a_large_task_gets_one_runners_gpus() {
    let mut shop = Shop::new(&[("a", "{}")], &[]);
    shop.add("a", "bob", 1, 3, 8);
    for task in 2..=20 {
        shop.add("a", "eve", task, 3, 1);
    }
    assert_eq!(shop.claim("r1", 1, 1, 8), [2]);
    shop.up = 600_000;
    assert_eq!(shop.claim("r1", 9, 7, 8), [0; 0], "kept for the large one");
    assert_eq!(shop.claim("r2", 1, 3, 8), [3], "on one runner only");
    assert_eq!(shop.claim("r3", 1, 2, 4), [4], "it never fits there");
    shop.up += 59_000;
    assert_eq!(shop.claim("r1", 9, 7, 8), [0; 0]);
    assert_eq!(shop.claim("r1", 2, 9, 9), [1, 5], "once it is claimed the rest of the claim is free");
}

/// A queue keeps what it is guaranteed while it has tasks: not any longer, also within the claim that took its last.
#[test]
fn a_guarantee_ends_with_the_last_task_that_asked_for_it() {
    let queues = [("a", r#"{"budgets": {"pool": {"guaranteed": 4}}}"#), ("b", r#"{"budgets": {"pool": {}}}"#)];
    let mut shop = Shop::new(&queues, &[("pool", r#"{"max": 8}"#)]);
    shop.add("a", "ada", 1, 3, 1);
    shop.add("b", "bob", 2, 3, 7);
    assert_eq!(shop.claim("r", 9, ANY, ANY), [1, 2]);
}

/// What comes back to the queue stands before its user's later tasks, also before one that reserves: were it held off by that,
/// neither would ever go, for only the first of a lane is looked at.
#[test]
fn a_task_that_comes_back_before_the_one_that_reserves_goes_first() {
    let pool = [("pool", r#"{"max": 8}"#)];
    let mut shop = Shop::new(&[("a", r#"{"budgets": {"pool": {}}}"#)], &pool);
    shop.add("a", "eve", 1, 3, 1);
    shop.add("a", "bob", 10, 3, 8);
    assert_eq!(shop.claim("r", 1, 1, 8), [1]);
    shop.up = 600_000;
    shop.add("a", "eve", 2, 3, 1);
    assert_eq!(shop.claim("r", 9, 7, 8), [0; 0], "kept for the large one");
    shop.add("a", "bob", 9, 3, 8);
    shop.end(1);
    assert_eq!(shop.claim("r", 9, 8, 8), [9], "before 10 by its user's own order");
    assert_eq!(shop.claim("r", 9, 0, 8), [0; 0]);
    shop.end(9);
    assert_eq!(shop.claim("r", 9, 8, 8), [10], "and 10 holds on before one who has used nothing");
}

#[test]
fn between_queues_the_one_with_fewest_by_weight_goes_first() {
    let mut shop = Shop::new(&[("a", r#"{"weight": 2}"#), ("b", "{}")], &[]);
    for task in 0..20 {
        shop.add(if task % 2 == 0 { "a" } else { "b" }, "ada", task, 3, 0);
    }
    let taken = shop.claim("r", 9, ANY, ANY);
    assert_eq!(taken.iter().filter(|task| *task % 2 == 0).count(), 6, "{taken:?}");
}

#[test]
fn use_is_forgotten_by_half_and_the_epoch_moves_without_a_change_of_order() {
    let mut shop = Shop::new(&[("a", "{}")], &[]);
    let (ada, bob) = (User::from("ada"), User::from("bob"));
    let day = 86_400_000;
    shop.add("a", "ada", 1, 3, 0);
    shop.claim("r", 1, ANY, ANY);
    shop.up = 7_200_000;
    shop.end(1);
    shop.up = day + 7_200_000;
    shop.add("a", "bob", 2, 3, 0);
    shop.claim("r", 1, ANY, ANY);
    shop.up += 4_000_000;
    shop.end(2);
    let used: BTreeMap<_, _> = shop.board.take_used().into_iter().map(|(_, user, used)| (user, used)).collect();
    assert!(used[&bob] > used[&ada], "4,000 s today are more than 7,200 s yesterday: {used:?}");
    shop.up += 20 * day;
    let epoch = shop.board.epoch_due(shop.up).expect("twenty days are enough");
    shop.board.move_epoch(epoch);
    assert_eq!(shop.board.epoch_due(shop.up), None);
    assert_eq!(shop.board.take_used().len(), 2);
    shop.add("a", "bob", 3, 3, 0);
    shop.add("a", "ada", 4, 3, 0);
    assert_eq!(shop.claim("r", 2, ANY, ANY), [4, 3]);
}

/// Each claim decides anew who reserves each budget. One of a queue without any must know the first tasks of the others, too:
/// after a move the first task of a lane is unknown, and one that is younger reserved in its place.
#[test]
fn a_claim_concerns_every_queue_that_draws_on_a_budget() {
    let shop = Shop::new(&[("a", r#"{"budgets": {"pool": {}}}"#), ("b", "{}"), ("c", "{}")], &[("pool", r#"{"max": 8}"#)]);
    let concerned = shop.board.concerned([name("b")].iter());
    assert_eq!(concerned.into_iter().collect::<Vec<_>>(), [name("a"), name("b")]);
}
