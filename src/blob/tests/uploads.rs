//! Uploads, which are there whole or not at all.

use super::*;
use crate::domain::Sha256;
use std::io::ErrorKind;

const LATER: UnixMs = UnixMs(i64::MAX);

in_every_home!(
    an_upload_comes_in_pieces_and_is_there_whole_or_not_at_all,
    wrong_bytes_are_forgotten_and_so_are_old_parts,
    large_ones_come_back
);

impl Home {
    fn uploads(&self) -> Uploads {
        Uploads::new(&self.root(), self.remote())
    }
}

async fn an_upload_comes_in_pieces_and_is_there_whole_or_not_at_all(home: Home) {
    let uploads = home.uploads();
    let text = Bytes::from(vec![7; 3_000]);
    let sum = Sha256::of(&text);
    assert_eq!(uploads.append("kim", &sum, 3_000, 0, text.slice(..1_000)).await.unwrap(), Received::Part(1_000));
    assert_eq!(uploads.received("kim", &sum).await.unwrap(), 1_000);
    assert_eq!(uploads.received("ada", &sum).await.unwrap(), 0, "what one sends is nothing to another");
    let beyond = uploads.append("kim", &sum, 3_000, 2_000, text.slice(2_000..)).await.unwrap_err();
    assert!(matches!(beyond, UploadError::Offset { received: 1_000 }), "{beyond}");
    let long = uploads.append("kim", &sum, 3_000, 1_000, Bytes::from(vec![7; 2_001])).await.unwrap_err();
    assert!(matches!(long, UploadError::Offset { .. }), "{long}");
    assert_eq!(uploads.size(&sum).await.unwrap(), None);
    assert_eq!(uploads.append("kim", &sum, 3_000, 500, text.slice(500..)).await.unwrap(), Received::Whole(3_000));
    assert_eq!(uploads.size(&sum).await.unwrap(), Some(3_000));
    assert_eq!(uploads.read(&sum, 2_999, 10).await.unwrap(), text.slice(2_999..));
    assert_eq!(uploads.read(&sum, 3_000, 10).await.unwrap(), Bytes::new());
    assert_eq!(uploads.received("kim", &sum).await.unwrap(), 0, "the part is gone");
    uploads.remove(&sum, LATER).await.unwrap();
    uploads.remove(&sum, LATER).await.unwrap();
    assert_eq!(uploads.read(&sum, 0, 1).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(home.uploads().size(&sum).await.unwrap(), None);
}

async fn wrong_bytes_are_forgotten_and_so_are_old_parts(home: Home) {
    let uploads = home.uploads();
    let sum = Sha256::of(b"right");
    let wrong = uploads.append("kim", &sum, 5, 0, Bytes::from_static(b"wrong")).await.unwrap_err();
    assert!(matches!(wrong, UploadError::Checksum), "{wrong}");
    assert_eq!(uploads.received("kim", &sum).await.unwrap(), 0);
    uploads.append("kim", &sum, 5, 0, Bytes::from_static(b"ri")).await.unwrap();
    uploads.forget_parts(UnixMs(1_000)).await.unwrap();
    assert_eq!(uploads.received("kim", &sum).await.unwrap(), 2);
    uploads.forget_parts(LATER).await.unwrap();
    assert_eq!(uploads.received("kim", &sum).await.unwrap(), 0);
    let empty = Sha256::of(b"");
    assert_eq!(uploads.append("kim", &empty, 0, 0, Bytes::new()).await.unwrap(), Received::Whole(0));
    assert_eq!(uploads.size(&empty).await.unwrap(), Some(0));
    assert_eq!(uploads.read(&empty, 0, 10).await.unwrap(), Bytes::new());
}

/// Larger than what is sent at once.
async fn large_ones_come_back(home: Home) {
    let uploads = home.uploads();
    let bytes = source(0, (20 << 20) + 5);
    let (sum, size) = (Sha256::of(&bytes), bytes.len() as u64);
    for at in (0..bytes.len()).step_by(8 << 20) {
        let end = bytes.len().min(at + (8 << 20));
        uploads.append("kim", &sum, size, at as u64, bytes.slice(at..end)).await.unwrap();
    }
    let uploads = home.uploads();
    assert_eq!(uploads.size(&sum).await.unwrap(), Some(size));
    let mut back = Vec::new();
    while back.len() < bytes.len() {
        back.extend(uploads.read(&sum, back.len() as u64, MAX_READ).await.unwrap());
    }
    assert_eq!(Sha256::of(&back), sum);
}

mod stored {
    use super::*;

    in_every_store!(a_removal_takes_nothing_that_came_later, what_was_whole_on_the_disk_is_still_read);

    async fn a_removal_takes_nothing_that_came_later(home: Home) {
        let (deposed, text) = (home.uploads(), Bytes::from_static(b"the same bytes"));
        let sum = Sha256::of(&text);
        deposed.append("kim", &sum, 14, 0, text.clone()).await.unwrap();
        // It decided to remove them, and then stood still, while its successor took them again.
        let uploads = home.uploads();
        uploads.append("ada", &sum, 14, 0, text.clone()).await.unwrap();
        deposed.remove(&sum, UnixMs(1_000)).await.unwrap();
        assert_eq!(uploads.read(&sum, 0, 100).await.unwrap(), text);
        uploads.remove(&sum, LATER).await.unwrap();
        assert_eq!(uploads.size(&sum).await.unwrap(), None);
        let failed = deposed.read(&sum, 0, 100).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::NotFound);
    }

    async fn what_was_whole_on_the_disk_is_still_read(home: Home) {
        let (text, before) = (Bytes::from_static(b"of before"), Uploads::new(&home.root(), None));
        let sum = Sha256::of(&text);
        before.append("kim", &sum, 9, 0, text.clone()).await.unwrap();
        assert_eq!(home.uploads().size(&sum).await.unwrap(), Some(9));
        assert_eq!(home.uploads().read(&sum, 3, 100).await.unwrap(), text.slice(3..));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_store_did_not_take_is_not_there_and_its_end_is_enough_later() {
    let Some(mut home) = Home::s3() else { return };
    let (uploads, text) = (home.uploads(), Bytes::from_static(b"some bytes"));
    let sum = Sha256::of(&text);
    let Kind::S3(bucket) = &mut home.kind else { panic!("no bucket") };
    bucket.down();
    assert!(matches!(uploads.append("kim", &sum, 10, 0, text.clone()).await, Err(UploadError::Io(_))));
    assert_eq!(uploads.received("kim", &sum).await.unwrap(), 10);
    bucket.up();
    assert_eq!(uploads.size(&sum).await.unwrap(), None);
    assert_eq!(uploads.append("kim", &sum, 10, 10, Bytes::new()).await.unwrap(), Received::Whole(10));
    assert_eq!(uploads.read(&sum, 5, 100).await.unwrap(), text.slice(5..));
}
