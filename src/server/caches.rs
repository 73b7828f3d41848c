//! Tokens, queues and runners in memory: every request asks for one, every submit or claim for more, and only this server
//! changes them.

use crate::{
    domain::{Grant, QueueName, Rights, RunnerName, UnixMs},
    store::{BudgetRecord, QueueRecord, Result, RunnerRecord, Store, TokenRecord, TokensUsed},
    wire::{NewBudget, NewQueue, RegisterRequest, limits},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

/// The tokens in force or not, by hash.
pub(super) struct Tokens {
    known: RwLock<HashMap<[u8; 32], TokenRecord>>,
    refreshing: Refreshing,
    /// When each was used last, where that is not written down yet.
    used: Mutex<BTreeMap<i64, UnixMs>>,
}

/// Held from the reading to the writing of a cache: of two refreshes, the one that read earlier must not write later.
type Refreshing = tokio::sync::Mutex<()>;

impl Tokens {
    pub(super) async fn load(store: &Store) -> Result<Self> {
        Ok(Self { known: RwLock::new(Self::read(store).await?), refreshing: Refreshing::default(), used: Mutex::default() })
    }

    /// Reads all of them again; called after each change, before it is answered.
    pub(super) async fn refresh(&self, store: &Store) -> Result<()> {
        let _refreshing = self.refreshing.lock().await;
        let read = Self::read(store).await?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    async fn read(store: &Store) -> Result<HashMap<[u8; 32], TokenRecord>> {
        Ok(store.tokens().await?.into_iter().map(|token| (token.hash, token)).collect())
    }

    /// Whom the token of this hash means, where it is in force; it counts as used. Looking a hash up tells nothing about others: an
    /// attacker cannot choose the hash of a guess.
    pub(super) fn in_force(&self, hash: &[u8; 32], now: UnixMs) -> Option<(String, Rights)> {
        let tokens = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(hash).filter(|t| t.revoked_at.is_none() && t.expires_at.is_none_or(|at| at > now))?;
        self.used().insert(token.id, now);
        let rights = Rights::of(vec![Grant { role: token.role, queues: token.queues.clone() }])?;
        Some((token.user.clone(), rights))
    }

    /// The token of an id.
    pub(super) fn by_id(&self, id: i64) -> Option<TokenRecord> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().find(|token| token.id == id).cloned()
    }

    /// When a token was used last, as far as that is not written down.
    pub(super) fn used_at(&self, id: i64) -> Option<UnixMs> {
        self.used().get(&id).copied()
    }

    /// Writes down when they were used.
    pub(super) async fn note(&self, store: &Store) -> Result<()> {
        let used = std::mem::take(&mut *self.used());
        if used.is_empty() {
            return Ok(());
        }
        store.run(TokensUsed(used)).await
    }

    fn used(&self) -> std::sync::MutexGuard<'_, BTreeMap<i64, UnixMs>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The documents of the queues, by name.
#[derive(Default)]
pub(super) struct Queues {
    known: RwLock<BTreeMap<QueueName, Arc<NewQueue>>>,
    refreshing: Refreshing,
}

impl Queues {
    pub(super) async fn load(store: &Store) -> Result<Self> {
        let queues = Self::default();
        queues.refresh(store).await?;
        Ok(queues)
    }

    /// Reads all of them again; called after each change, before it is answered.
    pub(super) async fn refresh(&self, store: &Store) -> Result<()> {
        let _refreshing = self.refreshing.lock().await;
        let read = store.queues().await?.into_iter().map(|record| (record.name.clone(), doc(&record))).collect();
        renew(&self.known, read);
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<NewQueue>> {
        let name: QueueName = name.parse().ok()?;
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> BTreeMap<QueueName, Arc<NewQueue>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn names(&self) -> Vec<QueueName> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The most bytes of outputs that a queue keeps of a task.
    pub(super) fn output_limit(&self, name: &QueueName) -> u64 {
        self.get(name.as_str()).and_then(|q| q.limits.output_bytes).unwrap_or(limits::DEFAULT_OUTPUT_BYTES)
    }

    /// The most log bytes that a queue keeps of an attempt.
    pub(super) fn log_limit(&self, name: &QueueName) -> u64 {
        self.get(name.as_str()).and_then(|q| q.limits.log_bytes).unwrap_or(limits::DEFAULT_LOG_BYTES)
    }
}

/// What the runners said of themselves, by name.
#[derive(Default)]
pub(super) struct Runners {
    known: RwLock<BTreeMap<RunnerName, Arc<RegisterRequest>>>,
    refreshing: Refreshing,
}

impl Runners {
    pub(super) async fn load(store: &Store) -> Result<Self> {
        let runners = Self::default();
        runners.refresh(store).await?;
        Ok(runners)
    }

    /// Reads all of them again; called after each registration, before it is answered.
    pub(super) async fn refresh(&self, store: &Store) -> Result<()> {
        let _refreshing = self.refreshing.lock().await;
        let read = store.runners().await?.into_iter().map(|record| (record.name.clone(), runner_doc(&record))).collect();
        renew(&self.known, read);
        Ok(())
    }

    pub(super) fn get(&self, name: &RunnerName) -> Option<Arc<RegisterRequest>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> BTreeMap<RunnerName, Arc<RegisterRequest>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Puts what was read in place of what was known. What is equal stays the same object, so that others can tell by the
/// pointer whether anything changed.
fn renew<K: Ord, V: PartialEq>(known: &RwLock<BTreeMap<K, Arc<V>>>, read: BTreeMap<K, V>) {
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    let mut old = std::mem::take(&mut *known);
    for (key, value) in read {
        let same = old.remove(&key).filter(|old| **old == value);
        known.insert(key, same.unwrap_or_else(|| Arc::new(value)));
    }
}

/// A stored runner's document. What cannot be read counts as a runner that offers nothing, and is said in the log.
pub(super) fn runner_doc(record: &RunnerRecord) -> RegisterRequest {
    serde_json::from_str(&record.doc).unwrap_or_else(|error| {
        tracing::error!(runner = %record.name, %error, "a stored runner cannot be read");
        let unknown = "unknown".to_owned();
        RegisterRequest {
            kind: unknown.clone(),
            instance: record.instance,
            version: unknown,
            slots: 0,
            gpus: 0,
            queues: Vec::new(),
            cluster: None,
        }
    })
}

/// A stored budget's document. What cannot be read counts as empty and is said in the log; its rules were read before.
pub(super) fn budget_doc(record: &BudgetRecord) -> NewBudget {
    serde_json::from_str(&record.doc).unwrap_or_else(|error| {
        tracing::error!(budget = %record.name, %error, "a stored budget cannot be read");
        NewBudget::default()
    })
}

/// A stored queue's document. What cannot be read counts as empty and is said in the log: a queue must stay usable.
pub(super) fn doc(record: &QueueRecord) -> NewQueue {
    serde_json::from_str(&record.doc).unwrap_or_else(|error| {
        tracing::error!(queue = %record.name, %error, "a stored queue cannot be read");
        NewQueue::default()
    })
}
