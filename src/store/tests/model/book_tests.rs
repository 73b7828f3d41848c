//! The stories, played on the book of rules.

use super::book::{Book, Queue, Ready, Room};
use crate::{
    domain::{
        QueueName, TaskId, Times,
        order::{Amount, BudgetRules, Resource},
    },
    store::tests::scenarios::{self, Desk},
};
use serde_json::Value;

struct Toy {
    book: Book,
    newest: i64,
}

impl Toy {
    fn new() -> Self {
        Self { book: Book::new(Times::default()), newest: 0 }
    }
}

impl Desk for Toy {
    async fn queue(&mut self, name: &str, rules: Value) {
        let queue = Queue { rules: serde_json::from_value(rules).unwrap(), ..Queue::default() };
        self.book.charging.insert(name.parse().unwrap(), queue.clone());
        self.book.queues.insert(name.parse().unwrap(), queue);
    }

    async fn budget(&mut self, name: &str, gpus: u32) {
        self.book.budgets.insert(name.parse().unwrap(), BudgetRules { resource: Resource::Gpus, max: Amount::whole(gpus) });
    }

    async fn submit(&mut self, user: &str, queue: &str, gpus: u32) -> TaskId {
        self.newest += 1;
        let queue: QueueName = queue.parse().unwrap();
        self.book.ready.push(Ready {
            task: TaskId(self.newest),
            queue,
            user: user.into(),
            band: 2,
            boosted: false,
            rank: self.newest << 24,
            gpus,
            weight: Amount(0),
            since: self.book.up,
        });
        TaskId(self.newest)
    }

    async fn claim(&mut self, runner: &str, max: u32, gpus: u32) -> Vec<TaskId> {
        self.book.claim(Room::new(runner, max, gpus, gpus.max(8), vec![(None, max)]))
    }

    async fn end(&mut self, task: TaskId) {
        self.book.end(task);
    }

    async fn pass(&mut self, ms: u64) {
        self.book.up += i64::try_from(ms).unwrap();
    }

    /// The book keeps nothing that a restart could lose.
    async fn restart(&mut self) {}
}

scenarios::stories!(std::future::ready(Toy::new()), 500);
