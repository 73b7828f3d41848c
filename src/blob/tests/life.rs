//! From open to remove.

use super::*;
use std::os::unix::fs::PermissionsExt;

in_every_home!(
    bytes_are_taken_once_and_in_order,
    durable_is_what_was_recorded_not_what_was_synced,
    a_gap_is_noted_where_the_log_ends_and_only_there,
    a_crash_leaves_what_was_recorded,
    a_caller_who_gives_up_leaves_the_log_whole,
    followers_are_woken_by_growth_and_by_the_end,
    removing_a_task_removes_its_logs_and_no_others,
    many_logs_at_once_and_two_agents_on_one,
);

async fn bytes_are_taken_once_and_in_order(home: Home) {
    let (logs, key) = home.with_log(1_000).await;
    assert_eq!(send(&logs, key, 0, 100).await.unwrap().next, 100);
    assert_eq!(send(&logs, key, 0, 100).await.unwrap().next, 100, "sent again");
    assert_eq!(send(&logs, key, 20, 30).await.unwrap().next, 100, "an old part");
    assert_eq!(send(&logs, key, 50, 100).await.unwrap().next, 150, "half old");
    assert!(matches!(send(&logs, key, 151, 1).await, Err(AppendError::Offset { next: 150 })));
    assert!(matches!(send(&logs, key, u64::MAX - 4, 4).await, Err(AppendError::Offset { next: 150 })));
    assert!(matches!(logs.append(key, 150, source(150, 9), 1).await, Err(AppendError::Checksum)));
    assert!(matches!(send(&logs, key, 150, 851).await, Err(AppendError::Full)));
    assert_eq!(send(&logs, key, 150, 850).await.unwrap(), Progress { next: 1_000, durable: 0 });
    assert_eq!(send(&logs, key, 150, 850).await.unwrap().next, 1_000, "a full log still acknowledges");

    let synced = logs.sync(key).await.unwrap();
    assert_eq!((synced.key, synced.durable), (key, 1_000));
    assert_eq!((synced.crc, &synced.gaps), (Some(crc32c::crc32c(&source(0, 1_000))), &vec![]));
    assert_eq!(contents(&logs, key, &Extent::default()).await, whole(1_000));
    logs.close(key).await;
    assert_eq!(contents(&logs, key, &extent(&synced)).await, whole(1_000));
}

async fn durable_is_what_was_recorded_not_what_was_synced(home: Home) {
    let (logs, key) = home.with_log(1_000).await;
    send(&logs, key, 0, 100).await.unwrap();
    logs.announce(key, 100);
    assert_eq!(logs.progress(key).unwrap().durable, 0, "not synced yet");
    assert_eq!(logs.sync_dirty().await.len(), 1);
    assert_eq!(logs.progress(key).unwrap().durable, 0, "not recorded yet");
    send(&logs, key, 100, 50).await.unwrap();
    logs.announce(key, 150);
    assert_eq!(logs.progress(key).unwrap(), Progress { next: 150, durable: 100 });
    logs.announce(key, 10);
    assert_eq!(logs.progress(key).unwrap().durable, 100, "never back");
    assert_eq!(logs.sync_dirty().await[0].durable, 150);
    assert_eq!(logs.sync_dirty().await[0].durable, 150, "the database was away: again");
    logs.announce(key, 150);
    assert!(logs.sync_dirty().await.is_empty(), "nothing new");
}

async fn a_gap_is_noted_where_the_log_ends_and_only_there(home: Home) {
    let (logs, key) = home.with_log(20).await;
    send(&logs, key, 0, 10).await.unwrap();
    assert!(matches!(logs.gap(key, 5, 10).await, Err(AppendError::Offset { next: 10 })));
    assert!(matches!(logs.gap(key, 11, 10).await, Err(AppendError::Offset { next: 10 })));
    assert!(matches!(logs.gap(key, 10, MAX_OFFSET).await, Err(AppendError::Full)));
    assert!(matches!(logs.gap(key, 10, u64::MAX).await, Err(AppendError::Full)));
    assert_eq!(logs.gap(key, 10, 1_000).await.unwrap().next, 1_010);
    assert_eq!(logs.gap(key, 10, 1_000).await.unwrap().next, 1_010, "sent again");
    assert_eq!(logs.gap(key, 1_010, 5).await.unwrap().next, 1_015);
    assert_eq!(send(&logs, key, 1_015, 10).await.unwrap().next, 1_025, "gaps do not count towards the limit");
    assert!(matches!(send(&logs, key, 1_025, 1).await, Err(AppendError::Full)));
    let synced = logs.sync(key).await.unwrap();
    assert_eq!((synced.crc, synced.gaps), (None, vec![Gap { offset: 10, len: 1_005 }]));
}

async fn a_crash_leaves_what_was_recorded(home: Home) {
    let (logs, key) = home.with_log(1_000).await;
    send(&logs, key, 0, 100).await.unwrap();
    let recorded = logs.sync(key).await.unwrap();
    send(&logs, key, 100, 100).await.unwrap();

    let logs = home.logs();
    assert!(matches!(send(&logs, key, 200, 1).await, Err(AppendError::NotOpen)));
    let resume = resume(recorded, 1_000);
    assert_eq!(logs.open(key, resume.clone()).await.unwrap(), Progress { next: 100, durable: 100 });
    assert_eq!(logs.0.disk.path(key).metadata().unwrap().len(), 100, "what is unverified is cut off");
    assert!(matches!(send(&logs, key, 200, 1).await, Err(AppendError::Offset { next: 100 })));
    send(&logs, key, 100, 150).await.unwrap();
    assert_eq!(logs.open(key, resume).await.unwrap().next, 250, "opening again changes nothing");
    assert_eq!(logs.sync(key).await.unwrap().crc, Some(crc32c::crc32c(&source(0, 250))));
}

#[tokio::test]
async fn recorded_bytes_that_the_disk_lost_show_as_a_gap() {
    let (home, logs, key) = with_log(1_000).await;
    send(&logs, key, 0, 100).await.unwrap();
    logs.sync(key).await.unwrap();
    std::fs::OpenOptions::new().write(true).open(logs.0.disk.path(key)).unwrap().set_len(40).unwrap();

    let logs = home.logs();
    let gaps = vec![Gap { offset: 30, len: 20 }, Gap { offset: 70, len: 5 }];
    let resume = Resume { durable: 100, crc: 7, gaps, ..Resume::fresh(1_000) };
    logs.open(key, resume).await.unwrap();
    let synced = logs.sync_dirty().await.remove(0);
    assert_eq!((synced.durable, synced.crc, synced.gaps), (100, None, vec![Gap { offset: 30, len: 70 }]));
    logs.announce(key, 100);
    assert!(logs.sync_dirty().await.is_empty());
}

async fn a_caller_who_gives_up_leaves_the_log_whole(home: Home) {
    let (logs, key) = home.with_log(1 << 30).await;
    for round in 0..200 {
        let at = logs.progress(key).unwrap().next;
        let writer = tokio::spawn({
            let logs = logs.clone();
            async move { send(&logs, key, at, 5_000).await }
        });
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        writer.abort();
        if round % 50 == 49 {
            let synced = logs.sync(key).await.unwrap();
            logs.close(key).await;
            let crc = crc32c::crc32c(&source(0, usize::try_from(synced.durable).unwrap()));
            assert_eq!(synced.crc, Some(crc));
            let next = synced.durable;
            assert_eq!(logs.open(key, resume(synced, 1 << 30)).await.unwrap().next, next);
        }
    }
    let synced = logs.sync(key).await.unwrap();
    assert!(synced.durable > 0);
    let logs = home.logs();
    assert_eq!(contents(&logs, key, &extent(&synced)).await, whole(usize::try_from(synced.durable).unwrap()));
}

#[tokio::test]
async fn a_log_that_cannot_be_synced_has_to_be_opened_again() {
    let (_home, logs, key) = with_log(1_000).await;
    let mut head = logs.watch(key).unwrap();
    send(&logs, key, 0, 100).await.unwrap();
    logs.sync(key).await.unwrap();
    logs.announce(key, 100);
    send(&logs, key, 100, 100).await.unwrap();
    // The file cannot be opened again: the nearest thing to a failing disk that needs no rights.
    let path = logs.0.disk.path(key);
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    std::fs::create_dir(&path).unwrap();
    logs.0.disk.forget(key);
    assert!(logs.sync_dirty().await.is_empty());
    assert!(matches!(send(&logs, key, 200, 1).await, Err(AppendError::NotOpen)));
    assert!(matches!(logs.sync(key).await, Err(SyncError::NotOpen)));
    head.mark_unchanged();
    assert!(head.changed().await.is_err() && !head.borrow().closed, "ended, but not closed");

    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    let resume = Resume { durable: 100, crc: crc32c::crc32c(&source(0, 100)), ..Resume::fresh(1_000) };
    assert_eq!(logs.open(key, resume).await.unwrap().next, 100);
    send(&logs, key, 100, 100).await.unwrap();
    assert_eq!(logs.sync(key).await.unwrap().crc, Some(crc32c::crc32c(&source(0, 200))));
}

async fn followers_are_woken_by_growth_and_by_the_end(home: Home) {
    let (logs, key) = home.with_log(1_000).await;
    let mut head = logs.watch(key).unwrap();
    send(&logs, key, 0, 10).await.unwrap();
    head.changed().await.unwrap();
    assert_eq!(*head.borrow_and_update(), Head { next: 10, closed: false });
    logs.gap(key, 10, 5).await.unwrap();
    logs.close(key).await;
    head.changed().await.unwrap();
    assert_eq!(*head.borrow_and_update(), Head { next: 15, closed: true });
    assert!(logs.watch(key).is_none() && logs.progress(key).is_none());
    logs.close(key).await;
}

async fn removing_a_task_removes_its_logs_and_no_others(home: Home) {
    let (logs, first) = home.with_log(1_000).await;
    let (second, other) = (key(1_042, 2), key(1_043, 1));
    for key in [second, other] {
        logs.open(key, Resume::fresh(1_000)).await.unwrap();
    }
    for key in [first, second, other] {
        send(&logs, key, 0, 10).await.unwrap();
    }
    let (gone, kept) = (extent(&logs.sync(first).await.unwrap()), extent(&logs.sync(other).await.unwrap()));
    logs.close(first).await;
    logs.remove_task(TaskId(1_042)).await.unwrap();
    logs.remove_task(TaskId(1_042)).await.unwrap();
    assert!(matches!(send(&logs, second, 10, 1).await, Err(AppendError::NotOpen)));
    assert_eq!(logs.read(first, 4, 100, &gone).await.unwrap(), Piece::Gap { offset: 4, len: 6 });
    assert_eq!(contents(&logs, other, &kept).await, whole(10));
    assert!(!home.root().join("logs/1/1042").exists());
    let file = home.root().join("logs/1/1043/1-0.log").metadata().unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600, "nobody else reads logs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_logs_on_several_threads() {
    many_logs_at_once_and_two_agents_on_one(Home::disk()).await;
}

async fn many_logs_at_once_and_two_agents_on_one(home: Home) {
    let logs = home.logs();
    let mut tasks = tokio::task::JoinSet::new();
    // More logs than files are kept open, each fed by two writers that send the same stream.
    for n in 0..1_200 {
        let logs = logs.clone();
        tasks.spawn(async move {
            let key = key(n / 2, 1);
            logs.open(key, Resume::fresh(10_000)).await.unwrap();
            while let at = logs.progress(key).unwrap().next
                && at < 3_000
            {
                send(&logs, key, at.saturating_sub(50), 500).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let synced = logs.sync_dirty().await;
    assert_eq!(synced.len(), 600);
    for one in synced {
        let len = usize::try_from(one.durable).unwrap();
        assert_eq!(one.crc, Some(crc32c::crc32c(&source(0, len))), "{}", one.key);
    }
}
