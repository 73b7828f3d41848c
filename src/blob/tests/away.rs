//! When logs go to the object store, and what happens while it is away.

use super::*;

in_every_store!(a_log_goes_there_when_it_is_time, what_the_store_is_asked_at_the_start);

async fn a_log_goes_there_when_it_is_time(mut home: Home) {
    home.place.flush_seconds = 5;
    home.place.flush_bytes = 1_000;
    let (logs, key) = home.with_log(1 << 20).await;
    let at = |ms| home.clock.0.store(ms, Ordering::Relaxed);
    let flushed = async || logs.sync_dirty().await.first().map(|synced| synced.durable);
    send(&logs, key, 0, 100).await.unwrap();
    assert_eq!(flushed().await, None);
    at(4_999);
    send(&logs, key, 100, 100).await.unwrap();
    assert_eq!(flushed().await, None);
    at(5_000);
    assert_eq!(flushed().await, Some(200), "five seconds after the first byte");
    logs.announce(key, 200);
    send(&logs, key, 200, 999).await.unwrap();
    assert_eq!(flushed().await, None);
    send(&logs, key, 1_199, 1).await.unwrap();
    assert_eq!(flushed().await, Some(1_200), "enough of it");
    assert_eq!(flushed().await, Some(1_200), "it was not announced");
    logs.announce(key, 1_200);
    assert_eq!(flushed().await, None);
    send(&logs, key, 1_200, 1).await.unwrap();
    assert_eq!(logs.sync_all().await[0].durable, 1_201, "a server that ends does not wait");
}

async fn what_the_store_is_asked_at_the_start(home: Home) {
    home.remote().unwrap().probe().await.unwrap();
    let left = home.remote().unwrap().0.list(&object_store::path::Path::from("probe")).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_store_is_away_logs_grow_and_nothing_becomes_durable() {
    let Some(mut home) = Home::s3() else { return };
    let (logs, key) = home.with_log(1 << 30).await;
    send(&logs, key, 0, 1_000).await.unwrap();
    let recorded = logs.sync_dirty().await.remove(0);
    logs.announce(key, recorded.durable);

    let Kind::S3(bucket) = &mut home.kind else { panic!("no bucket") };
    bucket.down();
    for at in 0..12 {
        send(&logs, key, 1_000 + at * 1_000_000, 1_000_000).await.unwrap();
        assert!(logs.sync_dirty().await.is_empty());
        assert!(matches!(logs.sync(key).await, Err(SyncError::Away(_))));
    }
    assert_eq!(logs.progress(key).unwrap(), Progress { next: 12_001_000, durable: 1_000 });
    let newest = logs.read(key, 12_000_000, 10, &Extent::default()).await.unwrap();
    assert_eq!(newest, Piece::Bytes { offset: 12_000_000, bytes: source(12_000_000, 10) });
    let error = home.remote().unwrap().probe().await.unwrap_err().to_string();
    assert!(error.contains("does not write an object"), "{error}");

    let Kind::S3(bucket) = &mut home.kind else { panic!("no bucket") };
    bucket.up();
    let recorded = logs.sync_dirty().await.remove(0);
    assert_eq!((recorded.durable, recorded.crc), (12_001_000, Some(crc32c::crc32c(&source(0, 12_001_000)))));
    // No object is larger than what is held in memory of it.
    let parts = home.remote().unwrap().0.parts(key, true).await.unwrap();
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|part| part.end - part.start <= 4 << 20));
    logs.close(key).await;
    assert_eq!(contents(&logs, key, &extent(&recorded)).await, whole(12_001_000));
}
