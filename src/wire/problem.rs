//! Errors as they travel: RFC 9457 problem documents with stable codes.

use super::TaskState;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = ($word:tt, $status:literal, $title:literal)),+ $(,)?) => {
        /// What went wrong, stable over versions. A client that meets a code it does not know goes by the status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        pub enum ProblemCode {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
            /// A code of a newer version.
            #[serde(other, rename = "UNKNOWN")]
            Unknown,
        }

        impl ProblemCode {
            /// Every code that this version sends.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as it travels.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ Self::Unknown => "UNKNOWN" }
            }

            /// Its HTTP status.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ Self::Unknown => 500 }
            }

            /// Its title, the same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ Self::Unknown => "Unknown problem" }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or not of the shape the route takes.
    InvalidBody = ("INVALID_BODY", 400, "The body cannot be read"),
    /// A query parameter or header is wrong.
    InvalidParameter = ("INVALID_PARAMETER", 400, "A parameter is wrong"),
    /// No credential, or none that is known and in force.
    Unauthenticated = ("UNAUTHENTICATED", 401, "Authentication needed"),
    /// The credential is known and does not allow this.
    Forbidden = ("FORBIDDEN", 403, "Not allowed"),
    /// No such route.
    RouteNotFound = ("ROUTE_NOT_FOUND", 404, "No such route"),
    /// No such task.
    TaskNotFound = ("TASK_NOT_FOUND", 404, "Task not found"),
    /// No such attempt.
    AttemptNotFound = ("ATTEMPT_NOT_FOUND", 404, "Attempt not found"),
    /// No such queue.
    QueueNotFound = ("QUEUE_NOT_FOUND", 404, "Queue not found"),
    /// No such budget.
    BudgetNotFound = ("BUDGET_NOT_FOUND", 404, "Budget not found"),
    /// No such runner; it must register first.
    RunnerNotFound = ("RUNNER_NOT_FOUND", 404, "Runner not registered"),
    /// No such token.
    TokenNotFound = ("TOKEN_NOT_FOUND", 404, "Token not found"),
    /// No such upload, or not of the caller.
    UploadNotFound = ("UPLOAD_NOT_FOUND", 404, "Upload not found"),
    /// The route has other methods.
    MethodNotAllowed = ("METHOD_NOT_ALLOWED", 405, "Method not allowed"),
    /// The body came too slowly, or stopped coming; try again.
    BodyTooSlow = ("BODY_TOO_SLOW", 408, "The body did not come in time"),
    /// What was asked for is at odds with the state of things.
    Conflict = ("CONFLICT", 409, "In conflict with the present state"),
    /// An operator drains the queue: it takes no new tasks.
    QueueDraining = ("QUEUE_DRAINING", 409, "The queue takes no new tasks"),
    /// So many of the queue's tasks wait or are queued that it takes no more; later it may.
    QueueFull = ("QUEUE_FULL", 409, "The queue is full"),
    /// The attempt is not, or no longer, the live one. Final: stop the command.
    Superseded = ("SUPERSEDED", 409, "The attempt is not live"),
    /// Another live process holds this runner name.
    RunnerNameTaken = ("RUNNER_NAME_TAKEN", 409, "The runner name is taken"),
    /// The task was cancelled before this attempt started. Final: do not start.
    Cancelled = ("CANCELLED", 410, "The task was cancelled"),
    /// The bytes of the log were removed by the retention of its queue.
    LogExpired = ("LOG_EXPIRED", 410, "The log has expired"),
    /// `If-Match` does not name the present revision.
    PreconditionFailed = ("PRECONDITION_FAILED", 412, "The revision has changed"),
    /// The body is larger than the route takes.
    BodyTooLarge = ("BODY_TOO_LARGE", 413, "The body is too large"),
    /// The attempt's log is full. Flow control: send no more than the tail.
    LogFull = ("LOG_FULL", 413, "The log has reached its limit"),
    /// The body is of another type than the route takes.
    UnsupportedMediaType = ("UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported media type"),
    /// The bytes do not follow those stored, or the range lies beyond them. `nextOffset` says where to go on.
    LogOffset = ("LOG_OFFSET", 416, "Wrong offset"),
    /// The body was read and breaks a rule; `errors` name the places.
    ValidationFailed = ("VALIDATION_FAILED", 422, "The request breaks a rule"),
    /// The same `Idempotency-Key` came with another body.
    IdempotencyMismatch = ("IDEMPOTENCY_MISMATCH", 422, "The idempotency key was used for another request"),
    /// Too many calls of one kind by one caller; `Retry-After` says when the next may come.
    RateLimited = ("RATE_LIMITED", 429, "Too many calls"),
    /// A fault of the server. The request id finds it in the server's log.
    Internal = ("INTERNAL", 500, "Internal error"),
    /// The server cannot serve now; try again.
    Unavailable = ("UNAVAILABLE", 503, "Not available now"),
    /// The server took too long; try again.
    TimedOut = ("TIMED_OUT", 504, "Took too long"),
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One fault in a request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// RFC 6901 pointer into the body.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

/// An RFC 9457 problem document, `application/problem+json`. Every answer outside 2xx and 3xx is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    pub type_: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind as a code.
    pub code: ProblemCode,
    /// What happened this time, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to type or change next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The faults in the body, by place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Finds the request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// With `LOG_OFFSET`: the offset from which the server wants bytes, or the end of what it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
    /// With `RATE_LIMITED`: seconds until the next call may come, as `Retry-After` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// With `SUPERSEDED`: the state of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
}

impl Problem {
    /// A problem of this kind with nothing more to say.
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        Self {
            type_: format!("https://docs.slipway.dev/problems/{}", code.as_str().to_ascii_lowercase().replace('_', "-")),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: None,
            hint: None,
            errors: Vec::new(),
            instance: None,
            request_id: None,
            next_offset: None,
            retry_after_seconds: None,
            state: None,
        }
    }

    /// With what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(&self.title))?;
        for error in &self.errors {
            write!(f, "\n  {}: {}", if error.pointer.is_empty() { "/" } else { &error.pointer }, error.message)?;
        }
        Ok(())
    }
}
