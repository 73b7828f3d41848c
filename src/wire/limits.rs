//! Bounds on what travels. All sizes in bytes.

/// The largest JSON body of a request that carries one thing (1 MiB).
pub const MAX_BODY: usize = 1 << 20;
/// The largest JSON body of a batch (32 MiB).
pub const MAX_BATCH_BODY: usize = 32 << 20;
/// The most tasks in one batch.
pub const MAX_BATCH: usize = 1_000;
/// The largest log frame (256 KiB).
pub const MAX_LOG_FRAME: usize = 256 << 10;
/// The largest upload (1 GiB).
pub const MAX_UPLOAD: u64 = 1 << 30;
/// The largest piece of an upload in one call (8 MiB).
pub const MAX_UPLOAD_PIECE: usize = 8 << 20;
/// The most rows in one page of a list.
pub const MAX_PAGE: u32 = 1_000;
/// The rows in a page where the request names no number.
pub const DEFAULT_PAGE: u32 = 100;
/// The most attempts one claim may take.
pub const MAX_CLAIM: u32 = 1_000;
/// The most kinds of objects that a claim leaves to others.
pub const MAX_UNSERVED: usize = 100;
/// The most queues that a runner tells its room in.
pub const MAX_ROOM_QUEUES: usize = 1_001;
/// The most silent watches that a glue tells.
pub const MAX_SILENT_WATCHES: usize = 100;
/// The most unknown Jobs that a glue names.
pub const MAX_UNKNOWN_JOBS: usize = 20;
/// The most things that are told to be stuck.
pub const MAX_STUCK: usize = 100;
/// The longest wait of a claim, in seconds.
pub const MAX_CLAIM_WAIT_SECONDS: u64 = 60;
/// The most log bytes kept of an attempt where the queue says nothing (1 GiB).
pub const DEFAULT_LOG_BYTES: u64 = 1 << 30;
/// The most bytes of outputs kept of a task where the queue says nothing (1 GiB).
pub const DEFAULT_OUTPUT_BYTES: u64 = 1 << 30;
/// How long an attempt may wait for a place where its queue says nothing, in seconds.
pub const DEFAULT_PENDING_TIMEOUT_SECONDS: u64 = 900;
/// The largest pod template of a queue or runner, as JSON (256 KiB).
pub const MAX_POD_TEMPLATE: usize = 256 << 10;
/// The most nodes of a runner's cluster.
pub const MAX_NODES: usize = 10_000;
/// The most queues that a runner tells of at once.
pub const MAX_CHECKS: usize = 10_000;
/// The most findings of one queue that a runner tells.
pub const MAX_FINDINGS: usize = 50;
/// The longest text in a finding, in bytes.
pub const MAX_FINDING_TEXT: usize = 2_048;
/// The most rights that a runner tells it lacks.
pub const MAX_MISSING_RIGHTS: usize = 2_000;
/// The most namespaces of a runner's cluster.
pub const MAX_NAMESPACES: usize = 100;
/// The longest `Idempotency-Key`.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;
