//! The object store itself: what is asked of it, how long, how often, and in which words its faults are told.

use super::{
    lock,
    parts::{self, Part},
    place::{Kind, Pace, Place},
    types::LogKey,
};
use crate::domain::{Clock, Rng, UnixMs};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    BackoffConfig, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::AmazonS3Builder,
    client::{HttpClient, HttpConnector},
    local::LocalFileSystem,
    path::Path,
    prefix::PrefixStore,
};
use std::{
    collections::HashMap,
    fs::File,
    io,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What is sent at once of a file (8 MiB): the store takes no less but at the end.
const PIECE: usize = 8 << 20;
/// A call is tried so often, within so long.
const TRIES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(20);
/// For so many logs it is remembered which objects there are.
const INDEXES: usize = 64;

/// An object store that holds the bytes of logs and uploads. Clones are one.
#[derive(Clone)]
pub struct Remote(pub(super) Arc<Inner>);

pub(super) struct Inner {
    store: PrefixStore<Box<dyn ObjectStore>>,
    url: String,
    pub(super) pace: Pace,
    pub(super) clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    indexes: Mutex<HashMap<LogKey, Arc<Vec<Part>>>>,
    /// Whether the last write failed, so that an outage is told once.
    down: AtomicBool,
}

/// Why an object store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The setting is wrong.
    #[error("blobs.{0}")]
    Place(String),
    /// It cannot be set up.
    #[error("the object store {url} cannot be set up: {source}")]
    SetUp {
        /// Its address.
        url: String,
        /// Why.
        source: object_store::Error,
    },
    /// It did not do what the server needs of it.
    #[error("the object store {url} does not {what} an object: {source}")]
    Probe {
        /// Its address.
        url: String,
        /// What it was asked to do.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Gives the one HTTP client to the store.
#[derive(Debug)]
struct Given(reqwest::Client);

impl HttpConnector for Given {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Remote {
    /// The store at `place`, called by `http`. Credentials come from the variables of AWS (`AWS_ACCESS_KEY_ID` and its kin), a web
    /// identity, or the instance. Nothing is called yet.
    ///
    /// # Errors
    /// What is wrong with `place`, or with the environment.
    pub fn new(place: &Place, http: reqwest::Client, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Result<Self, RemoteError> {
        if let Some(wrong) = place.wrong() {
            return Err(RemoteError::Place(wrong));
        }
        let failed = |source| RemoteError::SetUp { url: place.url.clone(), source };
        let (store, prefix): (Box<dyn ObjectStore>, _) = match place.kind() {
            Some(Kind::Directory(dir)) => {
                let made =
                    std::fs::create_dir_all(dir).map_err(|error| object_store::Error::Generic { store: "file", source: error.into() });
                made.map_err(failed)?;
                let store = LocalFileSystem::new_with_prefix(dir).map_err(failed)?;
                (Box::new(store.with_fsync(true).with_automatic_cleanup(true)), "")
            }
            Some(Kind::Bucket { name, prefix }) => {
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(name).with_http_connector(Given(http));
                builder =
                    builder.with_retry(RetryConfig { backoff: BackoffConfig::default(), max_retries: TRIES, retry_timeout: PATIENCE });
                if let Some(endpoint) = &place.endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                if let Some(region) = &place.region {
                    builder = builder.with_region(region);
                }
                (Box::new(builder.build().map_err(failed)?), prefix)
            }
            None => return Err(RemoteError::Place("url".to_owned())),
        };
        Ok(Self::over(store, prefix, place, clock, rng))
    }

    pub(super) fn over(store: Box<dyn ObjectStore>, prefix: &str, place: &Place, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self(Arc::new(Inner {
            store: PrefixStore::new(store, prefix),
            url: place.url.clone(),
            pace: place.pace(),
            clock,
            rng,
            indexes: Mutex::default(),
            down: AtomicBool::new(false),
        }))
    }

    /// Its address, as the setting has it; no credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Writes, reads, lists and deletes an object, all of which a server needs.
    ///
    /// # Errors
    /// What it does not do.
    pub async fn probe(&self) -> Result<(), RemoteError> {
        let inner = &self.0;
        let failed = |what| move |source| RemoteError::Probe { url: inner.url.clone(), what, source };
        let (text, dir) = (Bytes::from(inner.tag().to_string()), Path::from("probe"));
        let path = dir.clone().join(text.escape_ascii().to_string());
        inner.put(&path, text.clone()).await.map_err(failed("write"))?;
        let back = inner.get(&path, 0..text.len() as u64).await.map_err(failed("read"))?;
        let listed = inner.list(&dir).await.map_err(failed("list"))?;
        if back != text || !listed.iter().any(|object| object.location == path) {
            return Err(failed("return")(io::Error::other("it is not what was written")));
        }
        inner.delete(&path).await.map_err(failed("delete"))
    }
}

impl Inner {
    /// A name that no other writer has.
    pub(super) fn tag(&self) -> u64 {
        self.rng.below(i64::MAX.unsigned_abs())
    }

    pub(super) async fn put(&self, path: &Path, bytes: Bytes) -> io::Result<()> {
        let put = self.store.put(path, bytes.into()).await;
        self.told(put.map(drop).map_err(told))
    }

    /// Puts a file in pieces; the object is there whole or not at all.
    pub(super) async fn put_file(&self, path: &Path, file: Arc<File>, len: u64) -> io::Result<()> {
        let piece = |offset| {
            let file = file.clone();
            super::blocking(move || super::disk::read_up_to(&file, offset, PIECE))
        };
        if len <= PIECE as u64 {
            let bytes = piece(0).await??;
            return self.put(path, bytes.into()).await;
        }
        let mut upload = self.store.put_multipart(path).await.map_err(told)?;
        let sent = async {
            let mut at = 0;
            while at < len {
                let bytes = piece(at).await??;
                if bytes.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                at += bytes.len() as u64;
                upload.put_part(bytes.into()).await.map_err(told)?;
            }
            upload.complete().await.map_err(told).map(drop)
        };
        let sent = sent.await;
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, "what is there of an upload could not be removed from the object store");
        }
        self.told(sent)
    }

    /// `NotFound` where there is none.
    pub(super) async fn get(&self, path: &Path, range: Range<u64>) -> io::Result<Bytes> {
        self.store.get_range(path, range).await.map_err(told)
    }

    /// All objects below `dir`.
    pub(super) async fn list(&self, dir: &Path) -> io::Result<Vec<ObjectMeta>> {
        self.store.list(Some(dir)).try_collect().await.map_err(told)
    }

    /// That there is none is no error.
    pub(super) async fn delete(&self, path: &Path) -> io::Result<()> {
        match self.store.delete(path).await.map_err(told) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Deletes all objects below `dir`.
    pub(super) async fn delete_all(&self, dir: &Path) -> io::Result<()> {
        let paths = self.store.list(Some(dir)).map_ok(|object| object.location).boxed();
        let mut deleted = self.store.delete_stream(paths);
        while let Some(one) = deleted.next().await {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(told(error)),
            }
        }
        Ok(())
    }

    /// The objects of a log, as they were seen last; asked again if `fresh`.
    pub(super) async fn parts(&self, key: LogKey, fresh: bool) -> io::Result<Arc<Vec<Part>>> {
        if !fresh && let Some(known) = lock(&self.indexes).get(&key) {
            return Ok(known.clone());
        }
        let listed = self.list(&parts::of_log(key)).await?;
        let found: Arc<Vec<_>> = Arc::new(listed.iter().filter_map(|object| Part::named(object.location.filename()?)).collect());
        let mut indexes = lock(&self.indexes);
        if indexes.len() >= INDEXES {
            // Any of them: what is read again is listed again.
            indexes.clear();
        }
        indexes.insert(key, found.clone());
        Ok(found)
    }

    pub(super) fn forget(&self, which: impl Fn(LogKey) -> bool) {
        lock(&self.indexes).retain(|key, _| !which(*key));
    }

    /// Tells of the begin and the end of an outage.
    fn told(&self, result: io::Result<()>) -> io::Result<()> {
        let was = self.down.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was => tracing::error!(store = %self.url, %error, "the object store takes nothing; agents keep what it lacks"),
            Ok(()) if was => tracing::info!(store = %self.url, "the object store takes bytes again"),
            _ => {}
        }
        result
    }
}

/// When an object was written, by the store's clock.
pub(super) fn written(object: &ObjectMeta) -> UnixMs {
    UnixMs(object.last_modified.timestamp_millis())
}

/// `NotFound`, or `HostUnreachable` for everything else: to ask again later may help.
fn told(error: object_store::Error) -> io::Error {
    let kind = match &error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        _ => io::ErrorKind::HostUnreachable,
    };
    io::Error::new(kind, error)
}
