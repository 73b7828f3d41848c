//! The one typed HTTP client, shared by the command line, the runners and the agents.
//!
//! It makes single calls and says exactly how they failed; whether to call again is the caller's policy, because
//! only the caller knows what waits for the answer. [`Error::is_final`] holds the closed list of permanent answers.

mod attempt;
mod bearer;
mod export;
mod greet;
mod names;
mod queues;
mod retry;
mod runner;
mod sse;
mod stream;
mod tasks;
mod tokens;
mod trust;
mod uploads;

pub use bearer::{Bearer, TokenFile};
pub use greet::Greeting;
pub use retry::Backoff;
pub use stream::{EventStream, LogItem, LogStream, Next, Patience};
pub use tasks::LogRange;
pub use trust::{authorities, authorities_in, in_clear, with as trusting};
pub use uploads::{Sink, Source, UploadError};

use crate::wire::{Problem, ProblemCode};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use uuid::Uuid;

/// How a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with a problem document.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// Something answered that does not speak our protocol: a proxy's page, a cut body, another service.
    #[error("{url} did not answer as a Slipway server (status {status}): {what}")]
    Foreign {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What was wrong with the answer.
        what: String,
    },
    /// No answer: refused, reset, timed out, no such host.
    #[error("cannot reach {url}: {source}")]
    Transport {
        /// What was asked.
        url: String,
        /// Why it failed.
        source: Cause,
    },
    /// The client cannot be used as it is configured.
    #[error("{0}")]
    Config(String),
    /// Nothing was sent: whoever is on the way would have read the token.
    #[error("no token is sent to {0} over plain http: whoever is on the way could read it")]
    InClear(String),
}

/// The innermost cause of a transport failure, which is the part that tells something.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Cause {
    text: String,
    timed_out: bool,
}

/// An answer that ended before all of it was there.
#[must_use]
pub fn cut_off(error: reqwest::Error) -> Error {
    let url = error.url().map(ToString::to_string).unwrap_or_default();
    no_answer(&url, error.without_url())
}

/// No answer, or no way to ask for one.
fn no_answer(url: &str, error: reqwest::Error) -> Error {
    let mut inner: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = inner {
        if let Some(unconfigured) = cause.downcast_ref::<names::Unconfigured>() {
            return Error::Config(format!("cannot reach {url}: {unconfigured}"));
        }
        inner = cause.source();
    }
    Error::Transport { url: url.to_owned(), source: error.into() }
}

impl From<reqwest::Error> for Cause {
    fn from(error: reqwest::Error) -> Self {
        let timed_out = error.is_timeout();
        let mut inner: &dyn std::error::Error = &error;
        while let Some(source) = inner.source() {
            inner = source;
        }
        Self { text: if timed_out { "no answer in time".into() } else { inner.to_string() }, timed_out }
    }
}

impl Error {
    /// The code of the problem document, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// The problem document, where there is one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the attempt is over for the caller: the two answers that an agent obeys by stopping its command.
    #[must_use]
    pub fn ends_attempt(&self) -> bool {
        matches!(self.code(), Some(ProblemCode::Superseded | ProblemCode::Cancelled))
    }

    /// Whether the same call can never succeed. Everything outside this list may pass: refused connections, proxies'
    /// pages, 401 and 403 (a token in rotation), 404 (a server being restored), 429, 5xx.
    #[must_use]
    pub fn is_final(&self) -> bool {
        use ProblemCode as C;
        matches!(
            self.code(),
            Some(
                C::Superseded
                    | C::Cancelled
                    | C::InvalidBody
                    | C::InvalidParameter
                    | C::ValidationFailed
                    | C::IdempotencyMismatch
                    | C::BodyTooLarge
                    | C::UnsupportedMediaType
                    | C::MethodNotAllowed
                    | C::LogOffset
                    | C::LogFull
                    | C::Conflict
                    | C::PreconditionFailed
            )
        )
    }

    /// Whether the server's certificate is not one to trust, in the words of TLS.
    #[must_use]
    pub fn untrusted(&self) -> Option<&str> {
        match self {
            Self::Transport { source, .. } => source.text.find("invalid peer certificate").map(|at| &source.text[at..]),
            _ => None,
        }
    }

    /// Whether the call ended by its time limit.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.timed_out)
    }
}

/// How often one call waits because it comes too often, and for how long each time at most. Beyond that the caller hears of it.
const MAX_WAITS: u32 = 5;
const MAX_WAIT_SECONDS: u64 = 10;

/// A connection to one server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    bearer: Option<Bearer>,
    timeout: Duration,
    /// Whether a token that is sent can be read on the way, which nobody has allowed.
    guarded: bool,
}

impl Client {
    /// A client of the server at `url` (`http://host:port`), which names itself `program` (`name/version`).
    ///
    /// # Errors
    /// `Config` where `url` is no http(s) URL, or TLS cannot be set up.
    pub fn new(url: &str, token: Option<SecretString>, program: &str) -> Result<Self, Error> {
        Self::trusting(url, token, program, None)
    }

    /// The same, which trusts the authorities in `ca` (PEM) beside the system's.
    ///
    /// # Errors
    /// Those of [`Self::new`]; `Config` where `ca` holds anything but certificates.
    pub fn trusting(url: &str, token: Option<SecretString>, program: &str, ca: Option<&str>) -> Result<Self, Error> {
        let mut base = Url::parse(url).map_err(|e| Error::Config(format!("{url:?} is no URL: {e}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(Error::Config(format!("{url:?} is no http or https URL")));
        }
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let builder = || {
            reqwest::Client::builder()
                .user_agent(program)
                .connect_timeout(Duration::from_secs(5))
                .tcp_nodelay(true)
                .tls_info(true)
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(names::Names::of_system())
        };
        let http = if base.scheme() == "https" {
            trust::build(builder, ca)?
        } else {
            // Without certificates to load the client starts faster.
            let http = builder().tls_certs_only([]).no_proxy().build();
            http.map_err(|e| Error::Config(format!("cannot set up HTTP: {}", Cause::from(e))))?
        };
        let guarded = trust::is_in_clear(&base);
        Ok(Self { http, base, bearer: token.map(Bearer::Fixed), timeout: Duration::from_secs(30), guarded })
    }

    /// The same connection, which also sends tokens over plain http to other machines where this is `allowed`.
    #[must_use]
    pub fn allowing_plain_http(self, allowed: bool) -> Self {
        Self { guarded: self.guarded && !allowed, ..self }
    }

    /// The same connection under another bearer.
    #[must_use]
    pub fn with_token(&self, token: SecretString) -> Self {
        self.with_bearer(Bearer::Fixed(token))
    }

    /// The same connection under another bearer, which may change in time.
    #[must_use]
    pub fn with_bearer(&self, bearer: Bearer) -> Self {
        Self { bearer: Some(bearer), ..self.clone() }
    }

    /// The same connection with another limit on calls that name none.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The server's address as it was given.
    #[must_use]
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// A call to `path`, relative to the server's address (`api/v1/tasks`).
    pub fn call(&self, method: Method, path: &str) -> Call {
        let url = self.base.join(path).unwrap_or_else(|_| self.base.clone());
        let mut request = self.http.request(method, url.clone()).timeout(self.timeout);
        let refused = self.guarded && self.bearer.is_some();
        if let Some(bearer) = self.bearer.as_ref().filter(|_| !refused) {
            request = request.bearer_auth(bearer.token().expose_secret());
        }
        Call { request, url: url.to_string(), refused: refused.then(|| self.base().to_owned()) }
    }
}

/// One call in the making.
#[derive(Debug)]
#[must_use]
pub struct Call {
    request: RequestBuilder,
    url: String,
    /// The server to which nothing is sent.
    refused: Option<String>,
}

impl Call {
    /// With query parameters.
    pub fn query(mut self, query: &impl Serialize) -> Self {
        self.request = self.request.query(query);
        self
    }

    /// With a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// With a body of raw bytes.
    pub fn bytes(mut self, body: bytes::Bytes) -> Self {
        self.request = self.request.header(header::CONTENT_TYPE, "application/octet-stream").body(body);
        self
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With an `Idempotency-Key`, which makes the call safe to repeat.
    pub fn idempotent(self, key: Uuid) -> Self {
        self.header("idempotency-key", &key.to_string())
    }

    /// With its own time limit on the whole call, body included.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request = self.request.timeout(timeout);
        self
    }

    /// Sends it and reads a JSON answer.
    pub async fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        let url = self.url.clone();
        let response = self.response().await?;
        let status = response.status();
        let body = response.bytes().await.map_err(|e| no_answer(&url, e))?;
        serde_json::from_slice(&body).map_err(|e| Error::Foreign { url, status: status.as_u16(), what: e.to_string() })
    }

    /// Sends it and expects no content.
    pub async fn send_empty(self) -> Result<(), Error> {
        self.response().await.map(drop)
    }

    /// Sends it and hands over the successful answer as it comes, for streams and headers. Told that it comes too often, it waits as
    /// long as it is asked to, a few times.
    pub async fn response(self) -> Result<Response, Error> {
        let Self { mut request, url, refused } = self;
        if let Some(base) = refused {
            return Err(Error::InClear(base));
        }
        let mut waits = 0;
        loop {
            let again = request.try_clone();
            let answer = Self::once(request, &url).await;
            let pause = answer.as_ref().err().and_then(Error::problem).and_then(|problem| problem.retry_after_seconds);
            match (again, pause) {
                (Some(again), Some(seconds)) if waits < MAX_WAITS && seconds <= MAX_WAIT_SECONDS => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    waits += 1;
                    request = again;
                }
                _ => return answer,
            }
        }
    }

    async fn once(request: RequestBuilder, url: &str) -> Result<Response, Error> {
        let url = url.to_owned();
        let response = request.send().await.map_err(|e| no_answer(&url, e))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/problem+json"));
        let body = response.bytes().await.map_err(|e| no_answer(&url, e))?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if ours => Err(Error::Problem(Box::new(problem))),
            _ => Err(Error::Foreign { url, status: status.as_u16(), what: "no problem document".into() }),
        }
    }
}
