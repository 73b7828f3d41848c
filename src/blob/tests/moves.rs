//! From one server to another over the same object store.

use super::*;

in_every_store!(
    another_server_goes_on_from_the_object_store,
    what_a_deposed_server_writes_late_is_never_read,
    what_is_flushed_twice_is_the_same_object,
    a_lost_object_shows_as_a_gap,
    a_log_that_began_on_the_disk_moves,
    a_server_without_the_store_says_so,
);

async fn another_server_goes_on_from_the_object_store(home: Home) {
    let (logs, key) = home.with_log(1 << 30).await;
    send(&logs, key, 0, 30_000).await.unwrap();
    logs.sync(key).await.unwrap();
    send(&logs, key, 30_000, 30_000).await.unwrap();
    let recorded = logs.sync(key).await.unwrap();
    // The agent is told nothing of these, and sends them again.
    send(&logs, key, 60_000, 500).await.unwrap();

    let other = tempfile::tempdir().unwrap();
    let logs = home.logs_at(other.path());
    assert_eq!(contents(&logs, key, &extent(&recorded)).await, whole(60_000), "before it is opened");
    assert_eq!(logs.open(key, resume(recorded, 1 << 30)).await.unwrap(), Progress { next: 60_000, durable: 60_000 });
    assert!(matches!(send(&logs, key, 60_500, 1).await, Err(AppendError::Offset { next: 60_000 })));
    send(&logs, key, 60_000, 400_000).await.unwrap();
    assert_eq!(contents(&logs, key, &Extent::default()).await, whole(460_000), "across objects, file and memory");
    let recorded = logs.sync(key).await.unwrap();
    assert_eq!(recorded.crc, Some(crc32c::crc32c(&source(0, 460_000))));
    logs.close(key).await;
    assert!(!other.path().join("logs/1/1042/1-0.log").exists(), "the file has served");
    assert_eq!(contents(&home.logs(), key, &extent(&recorded)).await, whole(460_000));
}

async fn what_a_deposed_server_writes_late_is_never_read(home: Home) {
    let (deposed, key) = home.with_log(1 << 20).await;
    send(&deposed, key, 0, 100).await.unwrap();
    let recorded = deposed.sync(key).await.unwrap();
    // It took other bytes than its successor will: their agent died, and another one began.
    let other = Bytes::from(vec![0xEE; 5_000]);
    deposed.append(key, 100, other.clone(), crc32c::crc32c(&other)).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let logs = home.logs_at(dir.path());
    logs.open(key, resume(recorded, 1 << 20)).await.unwrap();
    send(&logs, key, 100, 200).await.unwrap();
    let first = logs.sync(key).await.unwrap();
    // The deposed one wakes up. Its database refuses the record, so nobody ever hears of its objects.
    deposed.sync(key).await.unwrap();
    send(&logs, key, 300, 100).await.unwrap();
    let second = logs.sync(key).await.unwrap();
    logs.close(key).await;
    for (recorded, len) in [(first, 300), (second, 400)] {
        assert_eq!(contents(&logs, key, &extent(&recorded)).await, whole(len));
        assert_eq!(contents(&deposed.clone_closed(key).await, key, &extent(&recorded)).await, whole(len));
    }
}

async fn what_is_flushed_twice_is_the_same_object(home: Home) {
    let (logs, key) = home.with_log(1 << 20).await;
    let names = async || home.remote().unwrap().0.parts(key, true).await.unwrap().len();
    send(&logs, key, 0, 100).await.unwrap();
    // The database is away: what was flushed is not recorded, and reported again.
    let (one, again) = (logs.sync_dirty().await, logs.sync_dirty().await);
    assert_eq!((one, names().await), (again, 1));
    // So it is where a flush broke off half way, and its range has grown since.
    let remote = home.remote().unwrap();
    let tag = logs.extent(key).unwrap().stints[0].tag;
    let broken_off = parts::Part { start: 100, end: 150, tag };
    remote.0.put(&broken_off.path(key), source(100, 50)).await.unwrap();
    send(&logs, key, 100, 100).await.unwrap();
    let recorded = logs.sync_dirty().await.remove(0);
    logs.close(key).await;
    assert_eq!(contents(&logs, key, &extent(&recorded)).await, whole(200));
    assert_eq!(names().await, 3);
    logs.remove_task(key.attempt.task).await.unwrap();
    assert_eq!(names().await, 0, "objects go with their task");
}

async fn a_lost_object_shows_as_a_gap(home: Home) {
    let (logs, key) = home.with_log(1 << 20).await;
    let mut recorded = None;
    for at in [0, 100, 200] {
        send(&logs, key, at, 100).await.unwrap();
        recorded = Some(logs.sync(key).await.unwrap());
    }
    logs.close(key).await;
    let recorded = extent(&recorded.unwrap());
    let remote = home.remote().unwrap();
    let lost = parts::Part { start: 100, end: 200, tag: recorded.stints[0].tag };
    // Once before anybody has seen the objects, and once after.
    for seen in [true, false] {
        if seen {
            assert_eq!(contents(&logs, key, &recorded).await, whole(300));
        }
        remote.0.delete(&lost.path(key)).await.unwrap();
        let logs = if seen { logs.clone() } else { home.logs() };
        assert_eq!(logs.read(key, 150, 1_000, &recorded).await.unwrap(), Piece::Gap { offset: 150, len: 50 });
        assert_eq!(logs.read(key, 200, 1_000, &recorded).await.unwrap(), Piece::Bytes { offset: 200, bytes: source(200, 100) });
    }
}

async fn a_log_that_began_on_the_disk_moves(home: Home) {
    let before = Logs::new(&home.root(), None);
    let key = key(1_042, 1);
    before.open(key, Resume::fresh(1 << 20)).await.unwrap();
    send(&before, key, 0, 100).await.unwrap();
    let recorded = before.sync(key).await.unwrap();
    assert_eq!(contents(&home.logs(), key, &extent(&recorded)).await, whole(100), "what ended on the disk is read there");

    let logs = home.logs();
    assert_eq!(logs.open(key, resume(recorded, 1 << 20)).await.unwrap(), Progress { next: 100, durable: 100 });
    send(&logs, key, 100, 100).await.unwrap();
    let recorded = logs.sync(key).await.unwrap();
    logs.close(key).await;
    assert_eq!(recorded.crc, Some(crc32c::crc32c(&source(0, 200))));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(contents(&home.logs_at(dir.path()), key, &extent(&recorded)).await, whole(200));
}

async fn a_server_without_the_store_says_so(home: Home) {
    let (logs, key) = home.with_log(1 << 20).await;
    send(&logs, key, 0, 100).await.unwrap();
    let recorded = logs.sync(key).await.unwrap();
    let without = Logs::new(&home.root(), None);
    let read = without.read(key, 0, 10, &extent(&recorded)).await.unwrap_err();
    let opened = without.open(key, resume(recorded, 1 << 20)).await.unwrap_err();
    for error in [read, opened] {
        assert!(error.to_string().contains("set blobs"), "{error}");
    }
}

impl Logs {
    /// The same after the log was closed.
    async fn clone_closed(&self, key: LogKey) -> Self {
        self.close(key).await;
        self.clone()
    }
}
