//! Who holds what others wait for, and when the newest tasks started.

use super::harness::{Rig, spec};
use crate::{
    domain::{Clock, Phase, Resources, TaskSpec, order::Amount},
    store::{HolderRecord, Holding},
};

fn all() -> Holding {
    Holding { queues: Vec::new(), user: None, runners: Vec::new(), with_gpus: false, but: crate::domain::TaskId(0) }
}

#[tokio::test]
async fn those_that_must_end_first_come_first() {
    let rig = Rig::new().await;
    let timed = |seconds| TaskSpec { timeout_seconds: seconds, grace_seconds: 5, ..spec() };
    let endless = rig.submit(timed(None)).await;
    rig.running().await;
    let late = rig.submit(timed(Some(900))).await;
    rig.running().await;
    let soon = rig.submit(TaskSpec { name: Some("soon".to_owned()), resources: Resources::of_gpus(2), ..timed(Some(60)) }).await;
    let (attempt, hash, _) = rig.running().await;
    rig.beat(attempt, hash, Phase::Running).await.unwrap();
    let whole = rig.submit(TaskSpec { total_timeout_seconds: Some(30), ..timed(Some(600)) }).await;
    rig.running().await;
    let unstarted = rig.submit(timed(Some(1))).await;
    rig.claim(1).await;
    let array = rig.array("0-0", None, timed(Some(1_200))).await;
    rig.running().await;

    let now = rig.clock.now();
    let (found, total) = rig.store.holders(&all(), now, 10).await.unwrap();
    let ids: Vec<i64> = found.iter().map(|holder| holder.attempt.task.0).collect();
    assert_eq!((ids, total), (vec![whole.0, soon.0, late.0, array.0 + 1, endless.0, unstarted.0], 6));
    let of = |holder: &HolderRecord| (holder.name.clone(), holder.gpus, holder.user.clone(), holder.ends_by.is_some());
    assert_eq!(of(&found[1]), (Some("soon".to_owned()), Amount::whole(2), "ada".to_owned(), true));
    assert!(found[4].ends_by.is_none() && found[5].ends_by.is_none(), "no limit, and not started");
    let left = found[2].ends_by.unwrap().0 - found[1].ends_by.unwrap().0;
    assert!((835_000..845_000).contains(&left), "{left} ms lie between their limits");

    let (first, total) = rig.store.holders(&all(), now, 1).await.unwrap();
    assert_eq!((first.len(), total), (1, 6));
    let only = async |of: Holding| {
        let (found, total) = rig.store.holders(&of, now, 10).await.unwrap();
        (found.iter().map(|holder| holder.attempt.task).collect::<Vec<_>>(), total)
    };
    assert_eq!(only(Holding { with_gpus: true, ..all() }).await, (vec![soon], 1));
    assert_eq!(only(Holding { with_gpus: true, but: soon, ..all() }).await, (vec![], 0));
    assert_eq!(only(Holding { queues: vec!["other".parse().unwrap()], ..all() }).await, (vec![], 0));
    assert_eq!(only(Holding { user: Some("nobody".to_owned()), ..all() }).await.1, 0);
    assert_eq!(only(Holding { runners: vec!["r1".parse().unwrap()], ..all() }).await.1, 6);
    assert_eq!(only(Holding { runners: vec!["r2".parse().unwrap()], ..all() }).await.1, 0);
}

#[tokio::test]
async fn first_starts_are_read_in_their_order_live_and_ended() {
    let rig = Rig::new().await;
    assert_eq!(rig.store.starts().await.unwrap(), []);
    rig.submit(spec()).await;
    let (first, hash, _) = rig.running().await;
    rig.finish(first, hash, 0, Some(true)).await.unwrap();
    rig.submit(spec()).await;
    rig.running().await;
    rig.submit(spec()).await;
    rig.claim(1).await;
    rig.array("0-0", None, spec()).await;
    rig.running().await;
    let starts = rig.store.starts().await.unwrap();
    let ready: Vec<bool> = starts.iter().map(|start| start.ready_at.is_some_and(|ready| ready < start.started_at)).collect();
    assert_eq!(ready, [true, true, false], "one is not started, and an element may have waited for its array");
    assert!(starts.is_sorted_by_key(|start| start.started_at));
}
