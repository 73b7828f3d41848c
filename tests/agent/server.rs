//! A server small enough to be read at once: attempts and claims in memory, and a script of misbehaviour.

mod runners;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use slipway::wire::{
    AttemptNumber, AttemptRef, CancelOrder, CheckRequest, CheckResponse, Checked, ClaimRequest, ClaimResponse, ClaimedTask, Ending,
    FinishRequest, FinishResponse, HeartbeatRequest, HeartbeatResponse, Hold, Holds, LogAck, LogQuery, Notes, Phase, Problem, ProblemCode,
    QueueName, RegisterRequest, RegisterResponse, ReportKind, ReportRequest, ReportResponse, Reported, Resources, RunnerBeatRequest,
    RunnerBeatResponse, SelfStop, Setup, Sha256, Sources, StartRequest, StartResponse, TaskId, TaskState, Times, UploadRange, Verdict,
    Work, known_hash,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

/// What one task is made of.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) work: Work,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) setup: Setup,
    pub(crate) ending: Ending,
    pub(crate) resume: Option<String>,
    pub(crate) sources: Sources,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) grace_seconds: u64,
    pub(crate) log_limit_bytes: u64,
    pub(crate) self_stop: Option<SelfStop>,
    pub(crate) gpus: u32,
}

/// One attempt as the server sees it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a test sets or asks for")]
#[derive(Clone, Default)]
pub(crate) struct Attempt {
    pub(crate) claim: Uuid,
    pub(crate) started: Option<(String, Uuid)>,
    pub(crate) starts: u32,
    pub(crate) phases: Vec<Phase>,
    /// What the heartbeats said.
    pub(crate) beats: Vec<HeartbeatRequest>,
    pub(crate) cancel: bool,
    pub(crate) overdue: bool,
    pub(crate) superseded: bool,
    pub(crate) log: Vec<u8>,
    pub(crate) gaps: Vec<(u64, u64)>,
    pub(crate) notes: Option<Notes>,
    pub(crate) finish: Option<FinishRequest>,
    pub(crate) ended: bool,
    pub(crate) reports: Vec<ReportKind>,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) attempts: BTreeMap<AttemptRef, Attempt>,
    pub(crate) recipes: BTreeMap<TaskId, Recipe>,
    pub(crate) queue: VecDeque<TaskId>,
    pub(crate) claims: BTreeMap<Uuid, Vec<AttemptRef>>,
    /// So many of the next calls get a proxy's page.
    pub(crate) pages: u32,
    /// So many of the next log pieces are stored and then the answer is lost.
    pub(crate) lost_answers: u32,
    /// While set, log pieces are answered with 503.
    pub(crate) log_closed: bool,
    /// While set, heartbeats are answered with 503, and this counts them.
    pub(crate) refused_beats: Option<u32>,
    /// The names taken by other instances.
    pub(crate) taken: bool,
    pub(crate) registered: bool,
    pub(crate) largest_claim: u32,
    /// What was sent along with tasks.
    pub(crate) uploads: BTreeMap<Sha256, Vec<u8>>,
}

impl World {
    fn new_task(&self) -> TaskId {
        TaskId(i64::try_from(self.recipes.len()).unwrap() + 1)
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) times: Times,
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
}

type Answer = Result<Response, Refusal>;

pub(crate) struct Refusal(Box<Problem>);
impl From<ProblemCode> for Refusal {
    fn from(code: ProblemCode) -> Self {
        Self(Box::new(Problem::new(code)))
    }
}
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], serde_json::to_vec(&*self.0).unwrap()).into_response()
    }
}

fn of(task: i64, attempt: u32) -> AttemptRef {
    AttemptRef { task: TaskId(task), attempt: AttemptNumber(attempt) }
}

fn token(of: AttemptRef, kind: &str) -> String {
    format!("{kind}-{of}")
}

fn bears(headers: &HeaderMap, token: &str) -> Result<(), Refusal> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    if sent == Some(&format!("Bearer {token}")) { Ok(()) } else { Err(ProblemCode::Unauthenticated.into()) }
}

impl Server {
    /// Times a hundredth of the usual ones.
    pub(crate) async fn start() -> Self {
        Self::with_times(Times {
            call_timeout_ms: 2_000,
            drain_output_ms: 300,
            heartbeat_hold_ms: 1_000,
            ..Times::default().divided_by(100)
        })
        .await
    }

    pub(crate) async fn with_times(times: Times) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, times, world: Arc::default(), changed: watch::Sender::new(0) };
        let router = Router::new()
            .route("/api/v1/attempts/{task}/{n}/start", post(start))
            .route("/api/v1/attempts/{task}/{n}/heartbeat", post(heartbeat))
            .route("/api/v1/attempts/{task}/{n}/log", put(log))
            .route("/api/v1/attempts/{task}/{n}/notes", put(notes))
            .route("/api/v1/attempts/{task}/{n}/finish", post(finish))
            .route("/api/v1/attempts/{task}/{n}/uploads/{sum}", get(upload))
            .route("/api/v1/runners/{name}", put(runners::register))
            .route("/api/v1/runner/claims", post(runners::claim))
            .route("/api/v1/runner/heartbeat", post(runners::runner_beat))
            .route("/api/v1/runner/holds", get(runners::holds))
            .route("/api/v1/runner/attempts:check", post(runners::check))
            .route("/api/v1/runner/attempts:report", post(runners::report))
            .layer(axum::middleware::from_fn_with_state(server.clone(), proxy))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes something and wakes whoever waits.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.world());
        self.changed.send_modify(|n| *n += 1);
        result
    }

    /// Makes attempt 1 of a new task, as claimed.
    pub(crate) fn claimed(&self, recipe: Recipe) -> AttemptRef {
        self.change(|w| {
            let at = AttemptRef { task: w.new_task(), attempt: AttemptNumber(1) };
            w.recipes.insert(at.task, recipe);
            w.attempts.insert(at, Attempt::default());
            at
        })
    }

    /// Takes what is sent along with a task.
    pub(crate) fn sent(&self, bytes: Vec<u8>) -> Sha256 {
        let sum = Sha256::of(&bytes);
        self.change(|w| w.uploads.insert(sum.clone(), bytes));
        sum
    }

    /// Puts a new task in the queue.
    pub(crate) fn submit(&self, recipe: Recipe) -> TaskId {
        self.change(|w| {
            let task = w.new_task();
            w.recipes.insert(task, recipe);
            w.queue.push_back(task);
            task
        })
    }

    pub(crate) fn attempt(&self, at: AttemptRef) -> Attempt {
        self.world().attempts[&at].clone()
    }

    /// Waits until `true`; a generous limit turns a hang into a failure.
    pub(crate) async fn until(&self, what: &str, mut happened: impl FnMut(&World) -> bool) {
        let mut changes = self.changed.subscribe();
        let wait = async {
            loop {
                if happened(&self.world()) {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap_or_else(|_| panic!("never happened: {what}"));
    }

    fn live<T>(&self, at: AttemptRef, act: impl FnOnce(&mut Attempt) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.change(|w| match w.attempts.get_mut(&at) {
            Some(attempt) if attempt.superseded || attempt.ended => Err(ProblemCode::Superseded.into()),
            Some(attempt) => act(attempt),
            None => Err(ProblemCode::AttemptNotFound.into()),
        })
    }
}

async fn proxy(State(s): State<Server>, request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let page = s.change(|w| std::mem::take(&mut w.pages).checked_sub(1).map(|left| w.pages = left)).is_some();
    if page { ([(header::CONTENT_TYPE, "text/html")], "<html>back soon</html>").into_response() } else { next.run(request).await }
}

async fn start(State(s): State<Server>, Path((t, n)): Path<(i64, u32)>, headers: HeaderMap, Json(r): Json<StartRequest>) -> Answer {
    let at = of(t, n);
    s.live(at, |a| {
        bears(&headers, &token(at, "start"))?;
        let who = (r.uid.clone(), r.nonce);
        if a.cancel {
            return Err(ProblemCode::Cancelled.into());
        }
        if a.started.as_ref().is_some_and(|started| *started != who || !a.phases.is_empty()) {
            return Err(ProblemCode::Superseded.into());
        }
        a.started = Some(who);
        a.starts += 1;
        Ok(())
    })?;
    let recipe = s.world().recipes[&at.task].clone();
    let response = StartResponse {
        attempt_token: token(at, "attempt"),
        task: at.task,
        attempt: at.attempt,
        queue: QueueName::default(),
        name: None,
        work: recipe.work,
        env: recipe.env,
        setup: recipe.setup,
        resume: recipe.resume,
        ending: recipe.ending,
        output_limit_bytes: 1 << 20,
        sources: recipe.sources,
        timeout_seconds: recipe.timeout_seconds,
        grace_seconds: recipe.grace_seconds,
        log_limit_bytes: recipe.log_limit_bytes,
        self_stop: recipe.self_stop,
        times: s.times.clone(),
    };
    Ok(Json(response).into_response())
}

async fn heartbeat(State(s): State<Server>, Path((t, n)): Path<(i64, u32)>, headers: HeaderMap, Json(r): Json<HeartbeatRequest>) -> Answer {
    let at = of(t, n);
    let mut changes = s.changed.subscribe();
    if s.change(|w| w.refused_beats.as_mut().map(|n| *n += 1)).is_some() {
        return Err(ProblemCode::Unavailable.into());
    }
    let first = s.live(at, |a| {
        bears(&headers, &token(at, "attempt"))?;
        a.phases.push(r.phase);
        a.beats.push(r.clone());
        Ok(a.phases.len() == 1)
    })?;
    let held = async {
        loop {
            let (gone, cancel) = s.world().attempts.get(&at).map_or((true, false), |a| (a.superseded || a.ended, a.cancel));
            if gone || first || (cancel && !r.cancel_known) {
                return;
            }
            let _ = changes.changed().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(r.wait_ms), held).await;
    let cancel = s.live(at, |a| Ok(a.cancel))?;
    Ok(Json(HeartbeatResponse { cancel }).into_response())
}

async fn notes(State(s): State<Server>, Path((t, n)): Path<(i64, u32)>, headers: HeaderMap, Json(notes): Json<Notes>) -> Answer {
    let at = of(t, n);
    s.live(at, |a| {
        bears(&headers, &token(at, "attempt"))?;
        assert_eq!(notes.wrong(), None);
        a.notes = Some(notes);
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn log(
    State(s): State<Server>,
    Path((t, n)): Path<(i64, u32)>,
    Query(q): Query<LogQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let at = of(t, n);
    if s.world().log_closed {
        return Err(ProblemCode::Unavailable.into());
    }
    assert!(body.len() <= slipway::wire::limits::MAX_LOG_FRAME && crc32c::crc32c(&body) == q.crc32c);
    let ack = s.live(at, |a| {
        bears(&headers, &token(at, "attempt"))?;
        let end = a.log.len() as u64;
        if q.offset > end {
            return Err(Refusal(Box::new(Problem { next_offset: Some(end), ..Problem::new(ProblemCode::LogOffset) })));
        }
        a.log.truncate(usize::try_from(q.offset.max(end.min(q.offset + body.len() as u64))).unwrap());
        let known = a.log.len() as u64 - q.offset;
        a.log.extend_from_slice(&body[usize::try_from(known).unwrap()..]);
        if let Some(gap) = q.gap {
            a.gaps.push((q.offset, gap));
            a.log.resize(a.log.len() + usize::try_from(gap).unwrap(), b'?');
        }
        Ok(LogAck { next_offset: a.log.len() as u64, durable_offset: a.log.len() as u64 })
    })?;
    let lost = s.change(|w| std::mem::take(&mut w.lost_answers).checked_sub(1).map(|left| w.lost_answers = left)).is_some();
    if lost { Err(ProblemCode::Internal.into()) } else { Ok(Json(ack).into_response()) }
}

async fn finish(State(s): State<Server>, Path((t, n)): Path<(i64, u32)>, headers: HeaderMap, Json(r): Json<FinishRequest>) -> Answer {
    let at = of(t, n);
    let answer = s.live(at, |a| {
        bears(&headers, &token(at, "attempt"))?;
        let first = a.finish.get_or_insert(r).clone();
        a.ended = a.log.len() as u64 == first.log_bytes;
        assert!(
            !a.ended || crc32c::crc32c(&a.log) == first.log_crc,
            "the log is {:?}, its sum is not {first:?}",
            String::from_utf8_lossy(&a.log)
        );
        Ok(FinishResponse { settled: a.ended, state: TaskState::Active, next_offset: a.log.len() as u64 })
    })?;
    Ok(Json(answer).into_response())
}

async fn upload(
    State(s): State<Server>,
    Path((t, n, sum)): Path<(i64, u32, Sha256)>,
    Query(range): Query<UploadRange>,
    headers: HeaderMap,
) -> Answer {
    let at = of(t, n);
    s.live(at, |_| bears(&headers, &token(at, "attempt")))?;
    let bytes = s.world().uploads.get(&sum).cloned().ok_or(ProblemCode::UploadNotFound)?;
    Ok(bytes[usize::try_from(range.offset).unwrap()..].to_vec().into_response())
}
