//! Reads of small, large, open and closed logs.

use super::*;
use std::os::unix::fs::FileExt;

#[tokio::test]
async fn the_newest_bytes_need_no_disk() {
    let (_home, logs, key) = with_log(1 << 20).await;
    for at in (0..400_000).step_by(1_000) {
        send(&logs, key, at, 1_000).await.unwrap();
    }
    std::fs::remove_file(logs.0.disk.path(key)).unwrap();
    logs.0.disk.forget(key);
    let none = Extent::default();
    let read = |offset, max| logs.read(key, offset, max, &none);
    assert_eq!(read(399_990, 100).await.unwrap(), Piece::Bytes { offset: 399_990, bytes: source(399_990, 10) });
    assert_eq!(read(150_000, 5).await.unwrap(), Piece::Bytes { offset: 150_000, bytes: source(150_000, 5) });
    assert_eq!(read(0, 5).await.unwrap(), Piece::End, "those are only on the disk");
    assert_eq!(read(400_000, 5).await.unwrap(), Piece::End);
    // A quiet log gives its memory back.
    for _ in 0..60 {
        logs.0.get(key).unwrap().state().due();
    }
    assert_eq!(read(399_990, 100).await.unwrap(), Piece::End);
}

in_every_home!(gaps_bound_reads_in_open_and_closed_logs);

async fn gaps_bound_reads_in_open_and_closed_logs(home: Home) {
    let (logs, key) = home.with_log(1 << 20).await;
    send(&logs, key, 0, 10).await.unwrap();
    logs.gap(key, 10, 20).await.unwrap();
    send(&logs, key, 30, 10).await.unwrap();
    let recorded = extent(&logs.sync(key).await.unwrap());
    for closed in [false, true] {
        if closed {
            logs.close(key).await;
        }
        let read = |offset, max| logs.read(key, offset, max, &recorded);
        assert_eq!(read(3, 100).await.unwrap(), Piece::Bytes { offset: 3, bytes: source(3, 7) });
        assert_eq!(read(10, 1).await.unwrap(), Piece::Gap { offset: 10, len: 20 });
        assert_eq!(read(29, 1).await.unwrap(), Piece::Gap { offset: 29, len: 1 });
        assert_eq!(read(30, 0).await.unwrap(), Piece::Bytes { offset: 30, bytes: source(30, 1) });
        assert_eq!(read(40, 1).await.unwrap(), Piece::End);
        assert_eq!(read(u64::MAX, 1).await.unwrap(), Piece::End);
    }
    let shorter = Extent { len: 15, ..recorded };
    assert_eq!(logs.read(key, 12, 9, &shorter).await.unwrap(), Piece::Gap { offset: 12, len: 3 });
    assert_eq!(contents(&logs, key, &shorter).await.len(), 15);
}

#[tokio::test]
async fn a_gibibyte_is_read_in_places() {
    const LEN: u64 = 1 << 30;
    let (_home, logs, key) = with_log(LEN).await;
    logs.close(key).await;
    // Sparse: only the places that are read hold anything.
    logs.0.disk.set_len(key, LEN).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(logs.0.disk.path(key)).unwrap();
    let places: Vec<u64> = (0..50).map(|i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (LEN - 4_096)).collect();
    for at in &places {
        file.write_all_at(&source(*at, 4_096), *at).unwrap();
    }
    let recorded = Extent { len: LEN, ..Extent::default() };
    for at in &places {
        let piece = logs.read(key, *at, 4_096, &recorded).await.unwrap();
        assert_eq!(piece, Piece::Bytes { offset: *at, bytes: source(*at, 4_096) });
    }
    let Piece::Bytes { bytes, .. } = logs.read(key, 0, usize::MAX, &recorded).await.unwrap() else { panic!("no bytes") };
    assert_eq!(bytes.len(), MAX_READ);
    // Going on at its end loads nothing either.
    logs.open(key, Resume { durable: LEN, crc: 5, ..Resume::fresh(LEN + 10) }).await.unwrap();
    assert_eq!(send(&logs, key, LEN, 10).await.unwrap().next, LEN + 10);
    let piece = logs.read(key, places[0], 4_096, &recorded).await.unwrap();
    assert_eq!(piece, Piece::Bytes { offset: places[0], bytes: source(places[0], 4_096) });
}
