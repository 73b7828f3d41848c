//! The cost of a claim at two depths, and of submits by many callers. Figures are printed, not asserted: `cargo test
//! --lib store::tests::depth -- --nocapture`.

use super::harness::{Rig, claim, spec};
use crate::store::{Claim, NewTask, Submit};
use futures::future::join_all;
use std::{io::Write, time::Duration};

#[expect(clippy::disallowed_methods, reason = "figures for people, of a real clock")]
pub(super) async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = std::time::Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}

pub(super) fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn one() -> Submit {
    Submit { user: "ada".into(), tasks: vec![NewTask::new(spec())], idempotency: None }
}

/// `depth` ready tasks, of which each tenth needs no GPU and the others eight; past the writer, as it is only to be quick.
async fn fill(rig: Rig, depth: u32) -> Rig {
    rig.submit(spec()).await;
    let statements = [
        "insert into task (id, queue, usr, labels, band, spec, created_at)
         with recursive n (i) as (select 1 union all select i + 1 from n where i < $1)
         select i + 1, queue, usr, labels, band, spec, created_at from n, task where task.id = 1",
        "insert into ready select queue, band + 1, usr, case when id % 10 > 0 then 8 else 0 end, 0, id << 24, id, 0, 0, null
         from task where id > 1 and $1 > 0",
        "{sqlite: select $1; postgres: select setval('task_ids', $1 + 1)}",
    ];
    rig.past_the_writer(&statements, depth.into()).await;
    rig.reopened().await
}

#[tokio::test]
async fn a_claim_finds_its_tasks_at_any_depth() {
    for depth in [1_000, 100_000] {
        let rig = fill(Rig::new().await, depth).await;
        for (what, gpus, max) in [("0 GPUs, 1 task", 0, 1), ("4 of 8 GPUs, 10 tasks", 4, 10), ("16 GPUs, 10 tasks", 16, 10)] {
            let mut took = Vec::new();
            for _ in 0..5 {
                let (time, got) = timed(rig.store.run(Claim { gpus, ..claim(max) })).await;
                assert_eq!(got.unwrap().len(), max as usize);
                took.push(time);
            }
            took.sort_unstable();
            report(&format!("depth {depth:>7}, {what:<22} median {:?}", took[2]));
        }
    }
}

#[tokio::test]
async fn many_callers_share_a_commit() {
    for callers in [64, 256] {
        let rig = Rig::new().await;
        let each = 20;
        let caller = || async {
            for _ in 0..each {
                rig.store.run(one()).await.unwrap();
            }
        };
        let (time, _) = timed(join_all((0..callers).map(|_| caller()))).await;
        let total = callers * each;
        report(&format!("{callers} callers: {:.0} submits/s", f64::from(total) / time.as_secs_f64()));
        assert_eq!(rig.claim(u32::MAX).await.len(), usize::try_from(total).unwrap());
    }
}
